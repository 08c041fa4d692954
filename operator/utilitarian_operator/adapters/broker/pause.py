"""How long a broker is left alone after a failure."""

import time
from random import SystemRandom

from utilitarian_operator.errors import BrokerError

LONGEST_PAUSE_S = 15.0
DOUBLINGS = 5
"""From then on a pause has its longest; 2 to the power of a night's failures would be no float."""


class Pause:
    """Time to leave a broker alone after a failure: doubled each time, with jitter so that not all return at once."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0
        self._error: BrokerError | None = None

    @property
    def lasts(self) -> bool:
        """Whether the broker should still be left alone."""
        return self._error is not None and time.monotonic() < self._until

    def check(self) -> None:
        """Raise the last failure while the pause lasts."""
        if self._error is not None and self.lasts:
            raise self._error

    def failed(self, error: BrokerError) -> None:
        """Start the next, longer pause."""
        self._failures += 1
        length = min(0.5 * 2 ** min(self._failures, DOUBLINGS), LONGEST_PAUSE_S)
        self._until = time.monotonic() + length * SystemRandom().uniform(0.5, 1.0)
        self._error = error

    def ended(self) -> None:
        """The broker answers again."""
        self._failures, self._error = 0, None
