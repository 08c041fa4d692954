"""What each task was promised, by when it must start or end, the same for every policy."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, timedelta
from itertools import pairwise
from math import inf

from utilitarian_operator.api.effective import Pool, Schedule
from utilitarian_operator.core.sizing.runs.run_times import NO_MESSAGE_WITHIN, next_start
from utilitarian_operator.simulation.load.arrivals import Tasks
from utilitarian_operator.simulation.load.workload import Load


@dataclass(frozen=True, slots=True)
class Run:
    """One run with a deadline, and its tasks by index: those from its start on, up to a pause of 15 minutes.

    With `until: Duration` they are those that come within its duration.

    Args:
        name: of its schedule.
        start: seconds since the load's start.
        deadline: same.
        first: index of its first task.
        beyond: index after its last.
    """

    name: str
    start: float
    deadline: float
    first: int
    beyond: int


def runs_of(pool: Pool, tasks: Tasks, load: Load, until: float) -> list[Run]:
    """The runs with a deadline that begin within the time that is played and have at least one task, by their start."""
    found = []
    for schedule in pool.schedule:
        for start, following in pairwise([*_starts(schedule, load, until), inf]):
            within = schedule.finish_within.total_seconds() if schedule.finish_within else inf
            deadline = start + within
            if deadline == inf:
                continue
            first = bisect_left(tasks.at, start)
            beyond = _end_of(tasks.at, first, min(deadline, following), schedule, start)
            if beyond > first:
                found.append(Run(schedule.name, start, deadline, first, beyond))
    return sorted(found, key=lambda run: run.start)


def latest_starts(pool: Pool, tasks: Tasks, runs: list[Run]) -> "array[float]":
    """By when each task must start: drainWithin after it came (or is due); in a run so that it ends by the deadline."""
    promise = pool.scaling.drain_within.total_seconds()
    latest = array("d", [at + promise for at in tasks.at])
    for k, due in tasks.eta.items():
        latest[k] = due + promise
    for run in runs:
        mine = slice(run.first, run.beyond)
        begins = [tasks.eta.get(k, tasks.at[k]) for k in range(run.first, run.beyond)] if tasks.eta else tasks.at[mine]
        latest[mine] = array("d", map(max, [run.deadline - took for took in tasks.seconds[mine]], begins))
    return latest


def _starts(schedule: Schedule, load: Load, until: float) -> Iterator[float]:
    moment = load.begins.astimezone(UTC) - timedelta(seconds=1)
    while True:
        moment = next_start(schedule, moment)
        seconds = (moment - load.begins).total_seconds()
        if seconds >= until:
            return
        yield seconds


def _end_of(at: "array[float]", first: int, end: float, schedule: Schedule, start: float) -> int:
    """The index after the last task of a run that begins with the one at `first`, if it comes before `end`."""
    if schedule.until == "Duration" and schedule.duration is not None:
        return bisect_left(at, min(end, start + schedule.duration.total_seconds()), first)
    pause = NO_MESSAGE_WITHIN.total_seconds()
    k, last = first, None
    while k < len(at) and at[k] < end and (last is None or at[k] - last <= pause):
        last = at[k]
        k += 1
    return k
