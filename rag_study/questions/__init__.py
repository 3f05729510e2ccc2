"""Questions that a model writes from documents, each kept only if it passes checks.

For those who have documents and no questions. The model that writes also reads: it is asked as in a
study, by the same classes.
"""
