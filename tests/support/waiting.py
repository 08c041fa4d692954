"""Waits for a condition with a deadline and tells the state when it is missed; it never retries an action."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from tests.support.pace import Pace

T = TypeVar("T")

EVERY = timedelta(milliseconds=50)


class NotInTimeError(AssertionError):
    """A condition did not come true before its deadline; the message holds the last state seen."""


def wait_until(
    condition: Callable[[], T],
    *,
    within: timedelta,
    describe: Callable[[], object] | None = None,
    every: timedelta = EVERY,
    ignoring: tuple[type[Exception], ...] = (),
) -> T:
    """Asks `condition` until it answers something true, and returns that answer.

    Args:
        condition: asked at once, then each `every`, and a last time when the deadline has passed.
        within: how long to wait on a machine at rest; longer by as much as it is found to be slower (`pace`).
        describe: called only on failure; what it returns stands in the message.
        every: the pause between two questions.
        ignoring: exceptions of `condition` that count as "not yet" (the last one stands in the message).

    Raises:
        NotInTimeError: the deadline passed.
    """
    deadline = _Deadline(within)
    while True:
        late = deadline.has_passed()
        seen: object
        try:
            seen = answer = condition()
            if answer:
                return answer
        except ignoring as error:
            seen = error
        if late:
            raise NotInTimeError(_message(condition, within, seen, describe))
        time.sleep(every.total_seconds())


async def wait_until_async(
    condition: Callable[[], T | Awaitable[T]],
    *,
    within: timedelta,
    describe: Callable[[], object] | None = None,
    every: timedelta = EVERY,
    ignoring: tuple[type[Exception], ...] = (),
) -> T:
    """The same as `wait_until` without blocking the event loop; `condition` may be a coroutine function.

    Raises:
        NotInTimeError: the deadline passed.
    """
    deadline = _Deadline(within)
    while True:
        late = deadline.has_passed()
        seen: object
        try:
            asked = condition()
            seen = answer = await asked if isinstance(asked, Awaitable) else asked
            if answer:
                return answer
        except ignoring as error:
            seen = error
        if late:
            raise NotInTimeError(_message(condition, within, seen, describe))
        await asyncio.sleep(every.total_seconds())


class _Deadline:
    """A moment that moves as far as the machine is found to be slower than at rest, at each quarter of the way."""

    def __init__(self, within: timedelta) -> None:
        self._began, self._within, self._pace, self._noted = time.monotonic(), within.total_seconds(), Pace(), 0

    def has_passed(self) -> bool:
        quarters = int((time.monotonic() - self._began) / self._within * 4) if self._within else 4
        if quarters > self._noted:
            self._noted = quarters
            self._pace.note()
        return time.monotonic() >= self._began + self._within * self._pace.worst


def _message(
    condition: Callable[[], object], within: timedelta, seen: object, describe: Callable[[], object] | None
) -> str:
    name = getattr(condition, "__qualname__", repr(condition))
    code = getattr(condition, "__code__", None)
    where = f" ({code.co_filename}:{code.co_firstlineno})" if code else ""
    state = f"\nstate: {describe()}" if describe else ""
    return f"{name}{where} did not come true within {within.total_seconds():g} s; its last answer was {seen!r}{state}"
