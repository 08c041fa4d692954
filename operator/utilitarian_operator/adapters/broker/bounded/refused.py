"""The errors with which the operator itself ends a call to a broker; no client is imported for them."""


class Ours(OSError):
    """A refusal of the operator itself, whose sentence may be shown."""


class TooSlow(Ours, TimeoutError):
    """A call that goes on for too long."""
