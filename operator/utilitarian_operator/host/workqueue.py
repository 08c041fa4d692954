"""A queue of keys: one entry a key, one run of a key at a time, backoff after a failure."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from utilitarian_operator.adapters.broker.timing import (
    CLOCK,
)
from utilitarian_operator.core.backoff import Backoff

K = TypeVar("K", bound=Hashable)

logger = logging.getLogger(__name__)

STUCK_S = 120.0
"""Much longer than any work may take."""

BACKOFF = Backoff(first_s=0.5, longest_s=10.0)
"""The longest is what a fleet may lose after an outage of the API server, as its watches do (`kopf_host`)."""


class WorkQueue(Generic[K]):
    """Runs `work(key)` for each key that was added.

    A key that is added while its work runs is worked on once more afterwards. After a failure the key waits, each time
    twice as long and with jitter, and is then worked on again by itself.

    Args:
        work: called with a key; returns whether it went well.
        at_a_time: keys worked on together; most of them wait for something.
        group: of a key; none can use up the places of the others.
        of_a_group: keys of one group worked on together.
        within_s: what takes longer is cut off, as a failure.
        between: a number at random between two others, for the jitter.
    """

    def __init__(
        self,
        work: Callable[[K], Awaitable[bool]],
        *,
        at_a_time: int = 100,
        group: Callable[[K], Hashable] = hash,
        of_a_group: int = 10,
        within_s: float = 60.0,
        between: Callable[[float, float], float] = CLOCK.between,
    ) -> None:
        self._work, self._between, self._within_s = work, between, within_s
        self._group, self._of_a_group, self._at_a_time = group, of_a_group, at_a_time
        self._busy: Counter[Hashable] = Counter()
        self._waiting: dict[K, bool] = {}  # whether it was asked for at once
        self._running: set[K] = set()
        self._failures: dict[K, int] = {}
        self._paused: dict[K, asyncio.TimerHandle] = {}
        self._more = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], K] = {}  # in the order in which they began
        self._began: dict[K, float] = {}
        self._ended = float("inf")
        self._closed = False

    def add(self, key: K, *, at_once: bool = False) -> None:
        """Ask for a key to be worked on; nothing happens if it waits already, for its turn or after a failure.

        Args:
            key: of the work.
            at_once: don't wait out the pause after a failure, nor after that of the work that runs: what fails was
                changed.
        """
        if at_once and key in self._paused:
            self._paused.pop(key).cancel()
        if key in self._paused:
            return
        if key in self._waiting:
            self._waiting[key] |= at_once
            return
        if not self._waiting and not self._running:
            self._ended = asyncio.get_running_loop().time()
        self._waiting[key] = at_once
        self._more.set()

    def forget(self, key: K) -> None:
        """Drop what is kept for a key that is gone."""
        self._waiting.pop(key, None)
        self._failures.pop(key, None)
        handle = self._paused.pop(key, None)
        if handle is not None:
            handle.cancel()

    def stuck(self) -> str | None:
        """Why it makes no progress for good, or None."""
        now = asyncio.get_running_loop().time()
        oldest = min(self._began.values(), default=now)
        if now - oldest > STUCK_S:
            key = min(self._began, key=lambda it: self._began[it])
            return f"the work on {key} has gone on for more than {STUCK_S:.0f} s"
        if self._waiting and not self._running and now - self._ended > STUCK_S:
            return f"keys wait in the queue, and none was worked on for {STUCK_S:.0f} s"
        return None

    async def finish(self, within_s: float, more_s: float, has_begun_to_write: Callable[[K], bool]) -> None:
        """Begin nothing more, and wait for what runs; what has written nothing by then is cut off.

        Args:
            within_s: for how many seconds all that runs is waited for.
            more_s: for how many seconds more what writes is.
            has_begun_to_write: whether the work on a key has come so far.
        """
        self._closed = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)
        for task in [it for it, key in self._tasks.items() if not has_begun_to_write(key)]:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=more_s)

    async def run(self) -> None:
        """Work until cancelled; what runs then is cancelled too."""
        try:
            while True:
                await self._more.wait()
                self._more.clear()
                for key in [key for key in self._waiting if key not in self._running]:
                    if len(self._running) >= self._at_a_time:
                        break
                    self._begin(key)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for key in list(self._paused):
                self.forget(key)

    def _begin(self, key: K) -> None:
        group = self._group(key)
        if self._closed or self._busy[group] >= self._of_a_group:
            return
        self._busy[group] += 1
        del self._waiting[key]
        self._running.add(key)
        self._began[key] = asyncio.get_running_loop().time()
        task = asyncio.create_task(self._one(key), name=f"reconcile {key}")
        self._tasks[task] = key
        task.add_done_callback(lambda it: self._tasks.pop(it, None))

    async def _one(self, key: K) -> None:
        well = False
        try:
            async with asyncio.timeout(self._within_s):
                well = await self._work(key)
        except TimeoutError:
            logger.warning("work cut off", extra={"key": str(key), "after": f"{self._within_s:g} s"})
        except Exception:
            logger.exception("work failed", extra={"key": str(key)})
        finally:
            self._running.discard(key)
            self._began.pop(key, None)
            self._ended = asyncio.get_running_loop().time()
            self._busy[self._group(key)] -= 1
            if not self._busy[self._group(key)]:
                del self._busy[self._group(key)]
            if well:
                self._failures.pop(key, None)
            else:
                self._pause(key)
            self._more.set()

    def _pause(self, key: K) -> None:
        count = self._failures[key] = self._failures.get(key, 0) + 1
        length = BACKOFF.pause_s(count, self._between)
        if self._waiting.pop(key, False):
            self._waiting[key] = True
            return
        self._paused[key] = asyncio.get_running_loop().call_later(length, self._resume, key)

    def _resume(self, key: K) -> None:
        self._paused.pop(key, None)
        self.add(key)
