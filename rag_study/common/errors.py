"""The error that is meant for people: what happened, where, what to do."""


class StudyError(Exception):
    """Shown as one message without a traceback; the command line exits with status 2."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: IPython asks an exception for this in place of a traceback."""
        return str(self).splitlines()
