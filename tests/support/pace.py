"""How much slower than at rest the machine is while a test runs: what a limit of time in a test is multiplied by.

A verdict of a test rests on order, counts and ledgers. Where something must not take too long all the same (to give up
a silent broker, to fall asleep), its limit is meant for the machine at rest, and what else runs on the machine is no
fault of what is tested. So a piece of work is timed in the same stretch. How fast something is belongs in `bench/`.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

WORK = 1_200_000
"""Rounds of the loop that is timed."""

AT_REST_S = 0.1
"""What they take on the slowest machine that the limits were set on, with nothing else on it."""

MOST = 8.0
"""A machine that is slower than that is not fit for the tests: they may tell."""

EVERY_S = 5.0


def slowness() -> float:
    """Times that the machine is slower now than at rest; at least 1, at most `MOST`."""
    began = time.perf_counter()
    count = 0
    for number in range(WORK):
        count += number & 1
    return min(max((time.perf_counter() - began) / AT_REST_S, 1.0), MOST)


@dataclass
class Pace:
    """How slow the machine was in a stretch.

    Args:
        worst: the largest slowness seen.
    """

    worst: float = 1.0

    def note(self) -> float:
        """Measures once more; returns the worst so far."""
        self.worst = max(self.worst, slowness())
        return self.worst

    def allows(self, took_s: float, limit_s: float) -> bool:
        """Whether something took less than a limit for the machine at rest; measures again before it says no.

        Args:
            took_s: seconds, in this stretch or just now.
            limit_s: seconds.
        """
        return took_s < limit_s * self.worst or took_s < limit_s * max(self.note() for _ in range(3))


@contextmanager
def paced() -> Iterator[Pace]:
    """Measures before, after and every few seconds in between, for stretches of any length."""
    pace, done = Pace(), threading.Event()
    pace.note()

    def keep_noting() -> None:
        while not done.wait(EVERY_S):
            pace.note()

    thread = threading.Thread(target=keep_noting, name="pace", daemon=True)
    thread.start()
    try:
        yield pace
    finally:
        done.set()
        thread.join()
        pace.note()


@contextmanager
def takes_at_most(limit_s: float) -> Iterator[None]:
    """Fails if what is done inside takes longer than a limit for the machine at rest.

    Args:
        limit_s: seconds.
    """
    pace = Pace()
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert pace.allows(took, limit_s), (
        f"it took {took:.2f} s; {limit_s:g} s at rest, and the machine is {pace.worst:.1f} times slower"
    )
