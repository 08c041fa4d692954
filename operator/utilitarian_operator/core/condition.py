"""What one condition says, as a value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, without the time of its last transition.

    Args:
        type: of the condition.
        status: `True`, `False` or `Unknown`.
        reason: one word in CamelCase.
        message: one sentence.
    """

    type: str
    status: str
    reason: str
    message: str
