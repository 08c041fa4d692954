"""Threads in virtual time: greenlets, of which one runs at a time; a wait gives the turn back to the loop."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped] # it has no types

from tests.adversary.loop import VirtualLoop


class Ended(BaseException):
    """Raised in a thread whose process was killed, or whose world is over."""


def wait(seconds: float) -> None:
    """Let virtual time pass in the thread that calls."""
    getcurrent().thread.wait(seconds)


class Thread:
    """Stands for ThreadPoolExecutor(1): one call after the other, each to its end even if no caller waits for it."""

    made: "Callable[[Thread], None]"
    """Told of each thread: the world ends it with the process that made it."""

    def __init__(self, workers: int = 1, name: str = "") -> None:
        del workers, name
        self._calls: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._call: Any = None
        """The one that runs, or waits: a greenlet."""
        self._over = False
        self.until = float("inf")
        Thread.made(self)

    def submit(self, loop: VirtualLoop, call: Callable[[], Any]) -> "asyncio.Future[Any]":
        """Run a call when those before it are done."""
        self._loop = loop
        future = loop.create_future()
        self._calls.append((call, future))
        self._next()
        return future

    def shutdown(self, *, wait: bool = True) -> None:
        """End it; what it still runs goes on, as with the real one."""
        del wait
        self._over = self._over or self._call is None
        if self._over:
            self.kill()

    @property
    def over(self) -> bool:
        """Whether it was ended."""
        return self._over

    def kill(self) -> None:
        """End it wherever it is."""
        self._over = True
        self._calls.clear()
        if self._call is not None:
            call, self._call = self._call, None
            try:
                call.throw(Ended)
            except BaseException:  # noqa: BLE001 - what a killed process says has no effect
                return

    def wait(self, seconds: float) -> None:
        """Give the turn back to the loop for so long; called in the thread itself."""
        left = self.until - self._loop.now
        if self._over or left <= 0:
            raise Ended
        self._loop.call_later(max(min(seconds, left), 0.0), self._turn)
        getcurrent().parent.switch()
        if self._over or self._loop.now >= self.until:
            raise Ended

    def _next(self) -> None:
        if self._call is None and self._calls and not self._over:
            self._call = greenlet(self._calls[0][0])
            self._call.thread = self
            self._turn()

    def _turn(self) -> None:
        if self._over or self._call is None:
            return
        value: Any = None
        error: BaseException | None = None
        try:
            value = self._call.switch()
        except Ended as ended:
            if self.over:
                return
            error = RuntimeError(type(ended).__name__)
        except BaseException as raised:  # noqa: BLE001 - whatever it is, it is the caller's
            error = raised
        if self._call is not None and self._call.dead:  # it may have been killed meanwhile
            self._done(value, error)

    def _done(self, value: Any, error: BaseException | None) -> None:
        self._call = None
        _, future = self._calls.popleft()
        if not future.done():
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)
                future.exception()
        self._loop.call_soon(self._next)
