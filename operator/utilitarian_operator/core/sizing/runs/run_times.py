"""When the runs of a schedule begin, and how long each of them waits and may take."""

from datetime import datetime, timedelta

from utilitarian_operator.api.effective import Schedule
from utilitarian_operator.core.sizing.runs import cron_starts
from utilitarian_operator.core.sizing.runs.run_state import OpenRun

NO_MESSAGE_WITHIN = timedelta(minutes=15)
"""A run without any message for so long after its start has probably not been sent: a person must look at beat."""

WITHOUT_A_DEADLINE = timedelta(hours=24)
"""How long the first message of a run without a deadline is waited for, at most."""


def next_start(schedule: Schedule, after: datetime) -> datetime:
    """The first start later than a moment, in UTC; time zone and daylight saving as in Debian's cron."""
    return cron_starts.next_after(schedule.start, schedule.time_zone, after)


def coming_start(schedule: Schedule, now: datetime) -> datetime:
    """The first start later than now, at a fraction of what `next_start` costs each second anew."""
    return next_start(schedule, last_start(schedule, now))


def last_start(schedule: Schedule, at: datetime) -> datetime:
    """The last start that is not later than a moment, in UTC: the same for each second of a minute."""
    return cron_starts.last_until(schedule.start, schedule.time_zone, at.replace(second=0, microsecond=0))


def window(schedule: Schedule, start: datetime) -> timedelta:
    """How long after its start a run waits for messages that come late: without a deadline for half its period."""
    if schedule.until == "Duration" and schedule.duration is not None:
        return schedule.duration
    return schedule.finish_within or min(WITHOUT_A_DEADLINE, (next_start(schedule, start) - start) / 2)


def deadline(schedule: Schedule, run: OpenRun) -> datetime | None:
    """When a run must be done; None if it has no deadline."""
    return None if schedule.finish_within is None else run.start + schedule.finish_within


def tolerance(schedule: Schedule, start: datetime) -> timedelta:
    """How late the first message of a run may be: 15 minutes, a quarter of its period, or half of its deadline."""
    within = (next_start(schedule, start) - start) / 4, (schedule.finish_within or timedelta.max) / 2
    return min(NO_MESSAGE_WITHIN, *within)
