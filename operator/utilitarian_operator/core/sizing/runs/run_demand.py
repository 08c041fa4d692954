"""How many workers a run asks for: without any work while it stands by, and to be done by its deadline."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from utilitarian_operator.api.effective import Pool, Schedule
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory, longest_task
from utilitarian_operator.core.sizing.runs.run_state import OpenRun
from utilitarian_operator.core.sizing.runs.run_times import tolerance

AIM = 0.8
"""Part of finishWithin that a run is planned for; the rest is for what can't be foreseen."""


@dataclass(frozen=True, slots=True)
class RunDemand:
    """What a run with a deadline asks for.

    Args:
        workers: wanted.
        goal: when it aims to be done.
        deadline: when it must be done.
    """

    workers: int
    goal: datetime
    deadline: datetime


def stands_by(schedule: Schedule, run: OpenRun, now: datetime) -> bool:
    """Whether a run has its workers without any work: until its first message is overdue, or for its duration.

    Not for what may still come where all that it had to do was done once: that finds the run open.
    """
    if schedule.until == "Duration":
        return True
    if run.first_message is None:
        return now < run.start + tolerance(schedule, run.start)
    return not run.drained


def deadline_demand(
    pool: Pool, facts: Facts, run: OpenRun, memory: Memory, *, seconds_per_task: float, now: datetime
) -> RunDemand | None:
    """Workers that finish an open run in time; None if it has no deadline or the work is not known.

    The goal stands still: a margin taken off the time that is left would be spent by the end. From one longest task
    before the goal on, the deadline itself is the goal. What the last run brought and this one has not yet is expected
    still to come; from the start on it brings no more workers than the tasks that are there can use.

    Worked example: 200,000 tasks of 5 s in 2 h, concurrency 20, longest 60 s: 1,000,000 / (20 * 5,700) = 9 workers.
    """
    schedule = next(schedule for schedule in pool.schedule if schedule.name == run.name)
    if schedule.finish_within is None or facts.at_least is None:
        return None
    work, c, s = facts.at_least, pool.worker.concurrency, seconds_per_task
    coming = max(work, expected(run, memory) - run.done)
    last = last_task(schedule.finish_within, s, longest_task(memory, s))
    due, goal = run.start + schedule.finish_within, run.start + AIM * schedule.finish_within
    if now >= goal - timedelta(seconds=last):
        goal = due
    left = max((goal - max(now, run.start)).total_seconds() - last, s)
    useful = ceil((coming if now < run.start else work) / c)
    return RunDemand(useful if now >= due else min(useful, ceil(coming * s / (c * left))), goal, due)


def expected(run: OpenRun, memory: Memory) -> int:
    """Tasks that the last run of its schedule brought; 0 before there was one."""
    return next((past.tasks for past in memory.history if past.name == run.name and past.tasks), 0)


def last_task(finish_within: timedelta, seconds_per_task: float, longest: float) -> float:
    """L: seconds that a run keeps free for its last task, at most half of its time."""
    return min(max(longest, seconds_per_task), finish_within.total_seconds() / 2)
