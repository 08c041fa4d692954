"""How many workers a pool's work asks for: the formula alone, no bounds, no memory of the past."""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil


@dataclass(frozen=True, slots=True)
class Demand:
    """What the formula came to.

    Args:
        work: tasks to do, running ones included.
        slots: tasks that should run at the same time.
        workers: the slots, divided by a worker's concurrency, rounded up.
    """

    work: int
    slots: float
    workers: int


def demand(
    work: int, *, concurrency: int, seconds_per_task: timedelta, drain_within: timedelta, start_up: timedelta
) -> Demand:
    """Workers needed to have every task started within `drain_within` of its arrival.

    A new worker can use only what start-up leaves of the promise, H = max(drain_within - start_up, s). H is never
    shorter than one task: the promise is about starting, and a task longer than the promise needs a slot of its own.
    Never more slots than tasks: a slot without a task helps nobody.

    Worked example: 20,000 tasks of 5 s, concurrency 20, 10 minutes, start-up 28 s: 20,000 * 5 / 572 = 175 slots,
    9 workers.
    """
    s = seconds_per_task.total_seconds()
    horizon = max(drain_within.total_seconds() - start_up.total_seconds(), s)
    slots = min(float(work), work * s / horizon)
    workers = ceil(slots / concurrency)
    return Demand(work, slots, max(workers, 1) if work else 0)
