"""Threads in virtual time: real ones, of which one runs at a time; a wait gives the turn back to the loop."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from tests.adversary.loop import VirtualLoop

_HERE = threading.local()


class Ended(BaseException):
    """Raised in a thread whose process was killed, or whose world is over."""


def wait(seconds: float) -> None:
    """Let virtual time pass in the thread that calls."""
    _HERE.thread.wait(seconds)


class Thread:
    """Stands for ThreadPoolExecutor(1): one call after the other, each to its end even if no caller waits for it."""

    made: "Callable[[Thread], None]"
    """Told of each thread: the world ends it with the process that made it."""

    def __init__(self, workers: int = 1, name: str = "") -> None:
        del workers
        self._name = name
        self._calls: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        # Each is released by the side that goes to wait: bare locks are the quickest way to hand over the turn.
        self._mine, self._loops = threading.Lock(), threading.Lock()
        self._mine.acquire()
        self._loops.acquire()
        self._thread: threading.Thread | None = None
        self._busy = self._over = False
        self._result: tuple[Any, BaseException | None] | None = None
        self.until = float("inf")
        Thread.made(self)

    def submit(self, loop: VirtualLoop, call: Callable[[], Any]) -> "asyncio.Future[Any]":
        """Run a call when those before it are done."""
        self._loop = loop
        future = loop.create_future()
        self._calls.append((call, future))
        if not self._busy:
            self._next()
        return future

    def shutdown(self, *, wait: bool = True) -> None:
        """End it; what it still runs goes on, as with the real one."""
        del wait
        self._over = self._over or not self._busy
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
        if self._thread is not None and self._thread.is_alive():
            self._mine.release()
            self._thread.join()

    def wait(self, seconds: float) -> None:
        """Give the turn back to the loop for so long; called in the thread itself."""
        left = self.until - self._loop.now
        if self._over or left <= 0:
            raise Ended
        self._loop.call_later(max(min(seconds, left), 0.0), self._turn)
        self._loops.release()
        self._mine.acquire()
        if self._over or self._loop.now >= self.until:
            raise Ended

    def _next(self) -> None:
        if self._busy or not self._calls or self._over:
            return
        self._busy = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._turn()

    def _turn(self) -> None:
        if self._over:
            return
        self._mine.release()
        self._loops.acquire()
        if self._result is None:
            return
        (value, error), self._result, self._busy = self._result, None, False
        _, future = self._calls.popleft()
        if not future.done():
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)
                future.exception()
        self._loop.call_soon(self._next)

    def _run(self) -> None:
        _HERE.thread = self
        while True:
            self._mine.acquire()
            if self._over:
                return
            try:
                self._result = self._calls[0][0](), None
            except Ended as error:
                if self.over:
                    return
                self._result = None, RuntimeError(type(error).__name__)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is the caller's
                self._result = None, error
            self._loops.release()
