"""How long to wait after a failure: twice as long each time, up to a limit, and never all at the same moment."""

from collections.abc import Callable
from dataclasses import dataclass

DOUBLINGS = 16
"""2 to the power of a night's failures would be no float."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses after failures in a row.

    Args:
        first_s: the longest that the first lasts, in seconds.
        longest_s: the longest of all.
    """

    first_s: float
    longest_s: float

    def pause_s(self, failures: int, between: Callable[[float, float], float]) -> float:
        """The next pause in seconds.

        Args:
            failures: so far, with this one; at least 1.
            between: a number at random between two others: a pause has at least half of its length.
        """
        doublings: float = 2.0 ** min(failures - 1, DOUBLINGS)
        return min(self.first_s * doublings, self.longest_s) * between(0.5, 1.0)
