"""The clocks of the machine that the process reads beside the broker's: the wall clock, and the seconds since boot."""

import time
from datetime import UTC, datetime


def boot_seconds() -> float:
    """Seconds since the machine booted: no one sets this clock, and it goes on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def thread_seconds() -> float:
    """Seconds that a processor has worked for this thread: what other programs take is not in it."""
    return time.thread_time()


def utc_now() -> datetime:
    """The wall clock, which may be set."""
    return datetime.now(UTC)
