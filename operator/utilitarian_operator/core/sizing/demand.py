"""How many workers a pool's work asks for, before any bound and any memory of the past."""

from dataclasses import dataclass
from math import ceil, floor

LEAST_PART = 3
"""Work is always spread over a third of the promise at least, however slow the starts: workers that start together slow
each other down, so that asking for more of them as starts get slower would feed on itself."""

SHORTEST_TASK_S = 1e-6
"""Tasks that take less are counted as this long."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What the formula came to.

    Args:
        slots: tasks that should run at the same time.
        workers: the slots, divided by a worker's concurrency, rounded up.
    """

    slots: float
    workers: int


def demand(work: int, *, arrivals: float, concurrency: int, seconds_per_task: float, over: float) -> Demand:
    """Workers needed to have every task started within the promise after its arrival.

    A burst is in the work and in the arrivals, so the larger counts and not the sum. Never more slots than tasks: a
    slot without a task helps no task, and arrivals alone keep no worker.

    Worked example: 20,000 tasks of 5 s, concurrency 20, 10 minutes, start-up 28 s: 115 waves, a horizon of 575 s,
    20,000 * 5 / 575 = 174 slots, 9 workers.

    Args:
        work: tasks to do, running ones included.
        arrivals: tasks a second.
        concurrency: slots of a worker.
        seconds_per_task: s, mean seconds that a task runs.
        over: H, the seconds over which the work is spread: the `horizon`.
    """
    slots = min(float(work), max(work * seconds_per_task / over, arrivals * seconds_per_task))
    return Demand(slots, max(ceil(slots / concurrency), 1) if work else 0)


def horizon(drain_within_s: float, start_up_s: float, seconds_per_task: float, *, rising: bool = False) -> float:
    """H: the seconds over which work is spread, max(s * (floor((D - u) / s) + 1), D / 3), and s at least.

    The promise is about starting, so a new worker has time for whole waves of tasks: of the last one only the start
    lies within what start-up leaves. A task longer than that needs a slot of its own. While the tasks turn out longer
    than was thought, the end of a wave is not known: then H = max(D - u, D / 3, s).

    Args:
        drain_within_s: D, the promise, seconds.
        start_up_s: u, seconds from a scale request to the first task.
        seconds_per_task: s, mean seconds that a task runs.
        rising: whether s is not known yet.
    """
    if rising:
        return max(drain_within_s - start_up_s, drain_within_s / LEAST_PART, seconds_per_task)
    wave = max(seconds_per_task, SHORTEST_TASK_S)
    waves = floor((drain_within_s - start_up_s) / wave) + 1
    return max(waves * wave, drain_within_s / LEAST_PART, seconds_per_task)


def is_cut(drain_within_s: float, start_up_s: float, seconds_per_task: float) -> bool:
    """Whether starts leave less of the promise than work is spread over, so that some of it will start too late."""
    return drain_within_s - start_up_s < max(drain_within_s / LEAST_PART, seconds_per_task) - seconds_per_task
