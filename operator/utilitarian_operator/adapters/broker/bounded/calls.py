"""What one call to a broker may take at most: time, bytes and addresses."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from utilitarian_operator.adapters.broker.bounded.reach import ROUTED, Reach
from utilitarian_operator.adapters.broker.bounded.refused import Ours, TooSlow
from utilitarian_operator.adapters.broker.bounded.room import ALL, Share
from utilitarian_operator.adapters.broker.timing import CLOCK, Clock
from utilitarian_operator.errors import BrokerUnreachable

T = TypeVar("T")

GRACE_S = 1.0
"""What a call may take longer, to find out that it may not."""

MOST_BYTES = 16 * 1024 * 1024
"""That are read of a broker in one call, or as one page: that of 10,000 queues has 12 MiB."""

RESERVED = 4 * 1024 * 1024
"""Bytes of the call that no single message may take: what most workers say is small."""

PART, AHEAD = 8, 512 * 1024
"""When no more than that is left, a message may take one of so many parts of what is left beside the bytes that may be
read before it is known what they are: however many say much, there is room for those that say little."""

MOST_UNPACKED = 96 * 1024 * 1024
"""Bytes of memory that the messages of one call take when they are read; sixteen MiB of tasks that workers tell of are
reckoned to take so much."""

MOST_THROWN_AWAY = 64 * 1024 * 1024
"""Bytes of messages without room that are read past in one call; so many take 0.03 s of a core."""

MOST_FRAMES = 250_000
"""Of AMQP that are read in one call, whatever they are: so many empty ones take a second of a core."""

MOST_ADDRESSES = 8
"""That are tried behind one name."""


@dataclass
class _Call:
    clock: Clock
    until: float
    left: int
    reach: Reach
    share: Share
    thrown_away: int = 0
    unpacked: int = 0
    frames: int = 0


_CALL: ContextVar[_Call | None] = ContextVar("call", default=None)
"""The call of this thread; one context a thread, and also where threads are only played (greenlets)."""


@contextlib.contextmanager
def bounded(seconds: float, reach: Reach = ROUTED, clock: Clock = CLOCK) -> Iterator[None]:
    """Bound all that this thread reads from brokers in the block.

    Args:
        seconds: that it may take; a single wait has a time-out of its own.
        reach: which addresses may be spoken to.
        clock: seconds that never go back.
    """
    share = Share(ALL)
    token = _CALL.set(_Call(clock, clock.monotonic() + seconds, MOST_BYTES, reach, share))
    try:
        yield
    finally:
        _CALL.reset(token)
        share.end()


def check_address(address: str) -> None:
    """Raise AddressRefused for an address that this thread's call may not speak to."""
    call = _CALL.get()
    (call.reach if call else ROUTED).check(address)


def check_time() -> None:
    """Raise TooSlow when this thread's call has gone on for too long."""
    call = _CALL.get()
    if call is not None and call.clock.monotonic() > call.until:
        raise TooSlow("it answers too slowly")


def count(read: bytes) -> bytes:
    """Count what was read; raises TooSlow or Ours when it is too slow or too much."""
    call = _CALL.get()
    check_time()
    if call is not None:
        call.left -= len(read)
        if call.left < 0:
            raise Ours(f"it says more than {MOST_BYTES // 1024**2} MiB")
    return read


def count_frame() -> None:
    """Count a frame of AMQP that was read; raises Ours when there are too many."""
    call = _CALL.get()
    if call is not None:
        call.frames += 1
        if call.frames > MOST_FRAMES:
            raise Ours(f"it says more than {MOST_FRAMES} frames of AMQP")


def has_room(size: int) -> bool:
    """Whether this thread's call may keep a message of so many bytes."""
    call = _CALL.get()
    if call is None:
        return True
    return size <= max(call.left - RESERVED, (call.left - AHEAD) // PART) and call.share.take(size)


def may_unpack(size: int) -> bool:
    """Whether a message may be read that takes so much memory, which is counted then; some is always left to others."""
    call = _CALL.get()
    if call is None:
        return True
    fits = size <= (MOST_UNPACKED - call.unpacked) * 3 // 4 and call.share.take(size)
    call.unpacked += size if fits else 0
    return fits


def throw_away(size: int) -> None:
    """What was counted is not kept; raises Ours when that is too much."""
    call = _CALL.get()
    if call is not None:
        call.left += size
        call.thrown_away += size
        if call.thrown_away > MOST_THROWN_AWAY:
            raise Ours(f"it says more than {MOST_THROWN_AWAY // 1024**2} MiB")


async def in_thread(
    thread: ThreadPoolExecutor,
    call: Callable[[], T],
    within_s: float,
    reach: Reach = ROUTED,
    clock: Clock = CLOCK,
    *,
    surely: bool = False,
) -> T:
    """Run a call to a broker in a thread, and wait for it no longer than it may take.

    Args:
        thread: of the broker alone.
        call: what is asked.
        within_s: that it may take.
        reach: which addresses may be spoken to.
        clock: seconds that never go back.
        surely: whether it is done also when it had not begun in that time, as all that closes something must be.

    Raises:
        BrokerUnreachable: it takes longer; the thread goes on until the broker, or the name server, lets it go.
    """

    def bounded_call() -> T:
        with bounded(within_s, reach, clock):
            return call()

    try:
        async with asyncio.timeout(within_s + GRACE_S):
            future = asyncio.get_running_loop().run_in_executor(thread, bounded_call)
            return await (asyncio.shield(future) if surely else future)
    except TimeoutError as error:
        raise BrokerUnreachable(f"no answer from the broker within {within_s + GRACE_S:g} s") from error
