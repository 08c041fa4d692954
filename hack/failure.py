"""The one exception that a person is meant to read; it carries no traceback and no state."""


class Failure(Exception):
    """Says what went wrong, where, and what to do about it, in one sentence or two."""
