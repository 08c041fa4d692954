"""Says when beat starts which run, in UTC; it starts none."""

from datetime import timedelta
from types import MappingProxyType
from typing import Any

from celery.schedules import crontab, schedule

from utilitarian.routing import CLEANUP_QUEUE, RUN_TASKS, WORK_TASKS

_CRONTABS = MappingProxyType(
    {
        "hourly": crontab(minute="0"),
        "daily": crontab(minute="0", hour="0"),
        "monthly": crontab(minute="0", hour="0", day_of_month="1"),
        "quarterly": crontab(minute="0", hour="0", day_of_month="1", month_of_year="1,4,7,10"),
        "yearly": crontab(minute="0", hour="0", day_of_month="1", month_of_year="1"),
    }
)
# Away from the hours at which runs start.
_CLEANUP_CRONTAB = crontab(minute="30", hour="3")


def beat_schedule(*, meters: int, compressed: timedelta | None) -> dict[str, dict[str, Any]]:
    """Celery's `beat_schedule`: a run of each period and the nightly cleanup.

    Args:
        meters: how many meters each run polls.
        compressed: runs every entry this often instead of by its crontab.
    """
    often = None if compressed is None else schedule(compressed)
    entries: dict[str, dict[str, Any]] = {
        f"poll-{period}": {"task": RUN_TASKS[period], "schedule": often or at, "kwargs": {"meters": meters}}
        for period, at in _CRONTABS.items()
    }
    entries["cleanup"] = {"task": WORK_TASKS[CLEANUP_QUEUE], "schedule": often or _CLEANUP_CRONTAB}
    return entries
