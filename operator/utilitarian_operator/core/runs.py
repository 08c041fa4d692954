"""When runs are due, open and over, and how many workers a run with a deadline needs; cron lines in, moments out."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from math import ceil
from zoneinfo import ZoneInfo

from cronsim import CronSim

from utilitarian_operator.api.effective import Pool, Schedule
from utilitarian_operator.core.facts import Facts
from utilitarian_operator.core.memory import Memory, OpenRun, changed

NO_MESSAGE_WITHIN = timedelta(minutes=15)
"""A run without any message for so long after its start will not come: somebody must look at beat."""

AIM = 0.8
"""Part of finishWithin that a run is planned for; the rest is for what nobody foresees."""


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


def next_start(schedule: Schedule, after: datetime) -> datetime:
    """The first start later than a moment, in UTC; time zone and daylight saving as in Debian's cron."""
    return _next_start(schedule.start, schedule.time_zone, after)


@lru_cache(maxsize=4096)
def _next_start(start: str, time_zone: str, after: datetime) -> datetime:
    """Kept, since each look asks for the start after the last one: most are asked again a second later."""
    return next(CronSim(start, after.astimezone(ZoneInfo(time_zone)))).astimezone(after.tzinfo)


def last_start(schedule: Schedule, at: datetime) -> datetime:
    """The last start that is not later than a moment, in UTC."""
    minute = at.replace(second=0, microsecond=0)
    return _last_start(schedule.start, schedule.time_zone, minute)


@lru_cache(maxsize=4096)
def _last_start(start: str, time_zone: str, minute: datetime) -> datetime:
    just_after = (minute + timedelta(minutes=1)).astimezone(ZoneInfo(time_zone))
    return next(CronSim(start, just_after, reverse=True)).astimezone(minute.tzinfo)


def follow(pool: Pool, facts: Facts, memory: Memory, now: datetime) -> Memory:
    """Open the runs that are due (or soon, by their warm-up), note their first message, close those that are over."""
    for schedule in pool.schedule:
        memory = _opened(schedule, memory, now)
    if not memory.runs:
        return memory
    noted = tuple(_noted(run, facts, now) for run in memory.runs)
    schedules = {schedule.name: schedule for schedule in pool.schedule}
    stay = tuple(
        run for run in noted if run.name in schedules and not _over(schedules[run.name], run, pool, memory, now)
    )
    return memory if stay == memory.runs else changed(memory, runs=stay)


def window(schedule: Schedule) -> timedelta:
    """How long after its start a run may still be begun by an operator that was away."""
    return schedule.duration or schedule.finish_within or NO_MESSAGE_WITHIN


def deadline_demand(
    pool: Pool, facts: Facts, run: OpenRun, *, seconds_per_task: float, longest: float, now: datetime
) -> RunDemand | None:
    """Workers that finish an open run in time; None if it has no deadline or the work is not known.

    The goal stands still: a margin taken off the time that is left would be spent by the end. From one longest task
    before the goal on, the deadline itself is the goal.

    Worked example: 200,000 tasks of 5 s in 2 h, concurrency 20, longest 60 s: 1,000,000 / (20 * 5,700) = 9 workers.
    """
    schedule = next(schedule for schedule in pool.schedule if schedule.name == run.name)
    if schedule.finish_within is None or facts.at_least is None:
        return None
    work, c, s = facts.at_least, pool.worker.concurrency, seconds_per_task
    within = schedule.finish_within.total_seconds()
    last = min(max(longest, s), within / 2)
    deadline, goal = run.start + schedule.finish_within, run.start + AIM * schedule.finish_within
    if now >= goal - timedelta(seconds=last):
        goal = deadline
    left = max((goal - now).total_seconds() - last, s)
    needed = ceil(work / c) if now >= deadline else min(ceil(work / c), ceil(work * s / (c * left)))
    return RunDemand(needed, goal, deadline)


def _opened(schedule: Schedule, memory: Memory, now: datetime) -> Memory:
    newest = dict(memory.opened).get(schedule.name)
    if newest is not None and (newest > now or next_start(schedule, newest) > now + schedule.warm_up):
        return memory  # it is being prepared already, or the one after it is not due yet
    due = last_start(schedule, now + schedule.warm_up)
    if (newest is not None and due <= newest) or now - due > window(schedule):
        return memory
    others = tuple(run for run in memory.runs if run.name != schedule.name)
    opened = {**dict(memory.opened), schedule.name: due}
    return changed(memory, runs=(*others, OpenRun(schedule.name, due)), opened=tuple(sorted(opened.items())))


def _noted(run: OpenRun, facts: Facts, now: datetime) -> OpenRun:
    if now < run.start:
        return run
    first = run.first_message or (now if facts.at_least else None)
    if first == run.first_message and not facts.arrived:
        return run
    return replace(run, first_message=first, tasks=run.tasks + (facts.arrived or 0))


def _over(schedule: Schedule, run: OpenRun, pool: Pool, memory: Memory, now: datetime) -> bool:
    if schedule.until == "Duration":
        return schedule.duration is not None and now >= run.start + schedule.duration
    if run.first_message is None:
        return now - run.start >= NO_MESSAGE_WITHIN
    idle_since = memory.idle_since
    return idle_since is not None and now - max(idle_since, run.first_message) >= pool.scaling.idle_after
