"""When the next scheduled run of each pool starts, worked out again only when one has passed; decides nothing."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

from utilitarian_operator.api.effective import Fleet, Schedule
from utilitarian_operator.core.runs import next_start

Starts: TypeAlias = Mapping[Schedule, datetime]
"""The next start of each schedule."""


def upcoming(fleet: Fleet, known: Starts, now: datetime) -> dict[Schedule, datetime]:
    """The next start of every schedule of a fleet; one that is known and still to come is taken as it is.

    Args:
        fleet: what runs.
        known: of the last time.
        now: the one clock.
    """
    schedules = (schedule for pool in fleet.pools for schedule in pool.schedule)
    return {it: known[it] if it in known and known[it] > now else next_start(it, now) for it in schedules}


def by_pool(fleet: Fleet, starts: Starts) -> dict[str, datetime]:
    """The first of each pool's, by its name."""
    return {pool.name: min(starts[it] for it in pool.schedule) for pool in fleet.pools if pool.schedule}
