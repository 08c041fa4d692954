"""A worker of so many slots in virtual time that is asked now and then, as an operator asks; nothing real runs."""

import heapq
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from utilitarian_operator.core.observation.counted.worked import AT_ONCE_S, WAITED_S, Word, Worked, heard, unheard

STARTS_S = 2.0
"""From its container's start to its first task; it answers nothing before."""


@dataclass(frozen=True)
class Task:
    """One task, with the moments at which it begins and ends."""

    begins: float
    ends: float

    @property
    def seconds(self) -> float:
        """What it takes."""
        return self.ends - self.begins


def played(arrivals: Sequence[float], lengths: Sequence[float], slots: int) -> list[Task]:
    """The tasks as a worker runs them in their order, from moment 0 on."""
    free, tasks = [0.0] * slots, []
    for arrival, length in zip(arrivals, lengths, strict=True):
        begins = max(arrival, heapq.heappop(free))
        heapq.heappush(free, begins + length)
        tasks.append(Task(begins, begins + length))
    return tasks


def stream(count: int, seconds: float, slots: int, chance: random.Random) -> list[float]:
    """Arrivals one by one, at a rate that keeps half of the slots at work."""
    at, arrivals = 0.0, list[float]()
    for _ in range(count):
        at += chance.expovariate(slots / seconds / 2)
        arrivals.append(at)
    return arrivals


def bursts(count: int, seconds: float, slots: int, chance: random.Random, size: int = 16) -> list[float]:
    """Arrivals of so many at once, the next when these are surely over."""
    at, arrivals = 0.0, list[float]()
    while len(arrivals) < count:
        arrivals += [at] * size
        at += size * seconds / slots + chance.uniform(3, 20)
    return arrivals[:count]


class Asked:
    """A worker that is asked, and what is known of it then.

    Args:
        tasks: that it runs, in their order.
        alone: whether it answers between two tasks only (`--pool solo`).
    """

    def __init__(self, tasks: Sequence[Task], *, alone: bool = False) -> None:
        self._begins, self._ends = sorted(task.begins for task in tasks), sorted(task.ends for task in tasks)
        self._alone = alone
        self.over = self._ends[-1] if tasks else 0.0
        self.worked = Worked()

    def ask(self, at: float) -> float:
        """Ask once; returns when the answer came, or was no longer waited for."""
        if at < 0:
            self.worked = unheard(self.worked, at)
            return at + WAITED_S
        begun, ended, took = bisect_right(self._begins, at), bisect_right(self._ends, at), AT_ONCE_S / 3
        if self._alone and begun > ended:
            took = self._ends[begun - 1] - at
            if took > WAITED_S:
                self.worked = unheard(self.worked, at)
                return at + WAITED_S
            ended = begun
        word = Word(at, begun, begun - ended, took, alone=self._alone, up_s=at + STARTS_S)
        self.worked = heard(self.worked, word)
        return at + took

    def ask_until_empty(self, pauses: Iterator[float], after: float = 0.0) -> None:
        """From so long after the start of its container until it has answered that it holds nothing any more."""
        at, silent = after - STARTS_S, True
        while silent or at <= self.over:
            at = self.ask(at) + next(pauses)
            silent = at < 0
        self.ask(at)
