"""The one exception that a person is meant to read; it carries no traceback and no state."""


class Failure(Exception):  # noqa: N818 - it is a sentence for a person, not an error class of a library
    """Says what went wrong, where, and what to do about it, in one sentence or two."""
