"""How many requests a second the operator sends to the API server at most, so that a crowd of fleets can't swamp it."""

from collections.abc import Awaitable, Callable

PER_SECOND, BURST = 100.0, 100
"""Where each of the queue's 100 places asks at once, the last one waits less than a second."""


class RequestRate:
    """Lets requests through in their order: so many at once, and then so many a second.

    Args:
        seconds: of a clock that never goes back.
        sleep: waits for so many seconds.
        per_second: how many, on the whole.
        burst: how many at once after a time without any; at least 1.
    """

    def __init__(
        self,
        seconds: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        per_second: float = PER_SECOND,
        burst: int = BURST,
    ) -> None:
        self._each_s, self._burst_s, self._seconds = 1 / per_second, (burst - 1) / per_second, seconds
        self._sleep = sleep
        self._due_s = float("-inf")

    def pause_s(self) -> float:
        """Take the next turn; returns in how many seconds it comes, 0 for at once."""
        now = self._seconds()
        self._due_s = max(self._due_s, now) + self._each_s
        return max(self._due_s - self._each_s - self._burst_s - now, 0.0)

    async def turn(self) -> None:
        """Wait for the next turn."""
        pause_s = self.pause_s()
        if pause_s > 0:
            await self._sleep(pause_s)
