"""The error that is meant for people: what happened, where, what to do."""


class StudyError(Exception):
    """Shown as one message without a traceback; the command line exits with status 2."""
