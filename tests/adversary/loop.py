"""An event loop in virtual time: instead of waiting it moves its clock to the next thing that is due."""

import asyncio
import selectors
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

BEGIN = 1000.0
"""What the monotonic clock says when a world begins."""
START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
"""What time it is then, unless told otherwise."""
ASKED_EACH_S = 0.05
"""How often it is asked whether something is so that is waited for."""


class _Selector(selectors.BaseSelector):
    """Has no sockets; asked to wait, it moves the clock."""

    loop: "VirtualLoop"

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen any more")
        if timeout > 0:
            self.loop.now += timeout
        return []

    def get_map(self) -> dict[Any, Any]:
        return {}


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop of a world; everything in it runs in one thread at a time and in the same order each time."""

    def __init__(self) -> None:
        self.now, self.start = BEGIN, START
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        self._clock_resolution = 1e-9

    @property
    def at(self) -> float:
        """Seconds since the world began."""
        return self.now - BEGIN

    def moment(self, now: float) -> datetime:
        """What time it is when the monotonic clock says so."""
        return self.start + timedelta(seconds=now - BEGIN)

    def time(self) -> float:
        return self.now

    def run_until(self, condition: Callable[[], object], within_s: float, shown: Callable[[], object]) -> None:
        """Let time go on until something is so.

        Args:
            condition: asked again and again.
            within_s: how long, at most.
            shown: what the error says where it takes longer.

        Raises:
            AssertionError: it took longer.
        """

        async def until() -> None:
            end = self.now + within_s
            while not condition():
                assert self.now < end, shown()
                await asyncio.sleep(ASKED_EACH_S)

        self.run_until_complete(until())

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        return executor.submit(self, lambda: func(*args))

    def add_signal_handler(self, *_: Any) -> None:  # type: ignore[override]
        """A world sends no signals."""

    def _make_self_pipe(self) -> None:
        self._ssock = self._csock = None
        self._internal_fds = 0

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        pass
