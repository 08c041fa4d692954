"""How long a broker is left alone after a failure."""

from utilitarian_operator.adapters.broker.timing import (
    CLOCK,
    Clock,
)
from utilitarian_operator.core.backoff import Backoff
from utilitarian_operator.errors import BrokerError

BACKOFF = Backoff(first_s=1.0, longest_s=15.0)


class Pause:
    """Time to leave a broker alone after a failure: doubled each time, with jitter so that not all return at once.

    Args:
        clock: by which it lasts, and the jitter.
    """

    def __init__(self, clock: Clock = CLOCK) -> None:
        self._clock = clock
        self._failures = 0
        self._until = 0.0
        self._error: BrokerError | None = None

    @property
    def lasts(self) -> bool:
        """Whether the broker should still be left alone."""
        return self._error is not None and self._clock.monotonic() < self._until

    def check(self) -> None:
        """Raise the last failure while the pause lasts."""
        if self._error is not None and self.lasts:
            raise self._error

    def failed(self, error: BrokerError) -> None:
        """Start the next, longer pause."""
        self._failures += 1
        self._until = self._clock.monotonic() + BACKOFF.pause_s(self._failures, self._clock.between)
        self._error = error

    def ended(self) -> None:
        """The broker answers again."""
        self._failures, self._error = 0, None
