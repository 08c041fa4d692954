"""The clock, the waiting and the chance that are handed in."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import SystemRandom
from secrets import token_urlsafe


@dataclass(frozen=True, slots=True)
class Clock:
    """What comes from outside: time and chance.

    Args:
        monotonic: seconds of a clock that never goes back.
        wall: seconds since 1970.
        worked: seconds that a processor has worked for this thread: what other programs take is not in it.
        sleep: lets so many seconds pass in the event loop.
        block: the same in a thread of its own.
        between: a number at random between two others.
        unique: a value that no other one equals.
        secret: a text that no one can guess.
    """

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    worked: Callable[[], float] = time.thread_time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    block: Callable[[float], None] = time.sleep
    between: Callable[[float, float], float] = SystemRandom().uniform
    unique: Callable[[], object] = uuid.uuid4
    secret: Callable[[], str] = token_urlsafe


CLOCK = Clock()
