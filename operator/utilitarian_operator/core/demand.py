"""How many workers a pool's work asks for: the formula alone, no bounds, no memory of the past."""

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Demand:
    """What the formula came to.

    Args:
        slots: tasks that should run at the same time.
        workers: the slots, divided by a worker's concurrency, rounded up.
    """

    slots: float
    workers: int


def demand(
    work: int, *, arrivals: float, concurrency: int, seconds_per_task: float, drain_within: float, start_up: float
) -> Demand:
    """Workers needed to have every task started within `drain_within` of its arrival.

    A new worker can use only what start-up leaves of the promise, H = max(drain_within - start_up, s). H is never
    shorter than one task: the promise is about starting, and a task longer than the promise needs a slot of its own.
    A burst is in the work and in the arrivals, so the larger counts and not the sum. Never more slots than tasks: a
    slot without a task helps nobody, and arrivals alone keep nobody awake.

    Worked example: 20,000 tasks of 5 s, concurrency 20, 10 minutes, start-up 28 s: 20,000 * 5 / 572 = 175 slots,
    9 workers.

    Args:
        work: tasks to do, running ones included.
        arrivals: tasks a second.
        concurrency: slots of a worker.
        seconds_per_task: s, mean seconds that a task runs.
        drain_within: the promise, seconds.
        start_up: seconds from a scale request to the first task.
    """
    horizon = max(drain_within - start_up, seconds_per_task)
    slots = min(float(work), max(work * seconds_per_task / horizon, arrivals * seconds_per_task))
    return Demand(slots, max(ceil(slots / concurrency), 1) if work else 0)
