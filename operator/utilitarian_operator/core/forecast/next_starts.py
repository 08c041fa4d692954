"""When the next scheduled run of each pool starts."""

from datetime import datetime

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.sizing.runs.run_times import coming_start


def upcoming(fleet: Fleet, now: datetime) -> dict[str, datetime]:
    """The first start that is to come of each pool with schedules, by its name.

    Args:
        fleet: what runs.
        now: the one clock; where it was set back, what it said before is of no account.
    """
    return {pool.name: min(coming_start(it, now) for it in pool.schedule) for pool in fleet.pools if pool.schedule}
