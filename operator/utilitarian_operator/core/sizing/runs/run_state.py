"""What is remembered of a pool's runs, of open ones and of those that are over."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MOST_PAST_RUNS = 12
"""Runs that are over and still in the status, by pool."""


class Outcome(StrEnum):
    """How a run ended."""

    DONE = "Done"
    """All was done, by the deadline if it had one."""
    LATE = "Late"
    """All was done, after the deadline."""
    ENDED = "Ended"
    """Its time was over (`until: Duration`)."""
    MISSED = "Missed"
    """No message came."""
    OVERTAKEN = "Overtaken"
    """The next run of its schedule began before it was done; what was left is that one's."""
    UNSEEN = "Unseen"
    """The operator was away, so that it is not known how it went."""


@dataclass(frozen=True)
class OpenRun:
    """A run that has begun, or is being prepared; without slots, since each look changes some of it (`changed`).

    Args:
        name: of its schedule.
        start: when it is due.
        watched_since: since when it has been watched without a gap; None where it had begun when its schedule came: it
            is not known whether anything was to be sent.
        first_message: when the pool first had work in it; None if it had none yet.
        worked_at: when it last had work, as far as looks were made.
        tasks: seen to arrive in it, as far as arrivals are counted.
        done: tasks seen to end in it, as far as that is counted.
        most_workers: asked for at a time.
        worker_seconds: of the whole pool, from its warm-up on.
        short_since: since when fewer workers are ready than were asked for; None while they all are.
        missed: no message came within the tolerance of its start, nor since.
        at_risk: it will probably not be done by its deadline.
        drained: all that it had to do was done once: it is open for what may still come, without its workers.
    """

    name: str
    start: datetime
    watched_since: datetime | None = None
    first_message: datetime | None = None
    worked_at: datetime | None = None
    tasks: int = 0
    done: int = 0
    most_workers: int = 0
    worker_seconds: float = 0.0
    short_since: datetime | None = None
    missed: bool = False
    at_risk: bool = False
    drained: bool = False


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that is over.

    Args:
        name: of its schedule.
        start: when it was due.
        finished: when it was done, or was given up.
        deadline: when it had to be done; None if it had no deadline.
        outcome: how it ended.
        tasks: done in it: the larger of those seen to arrive and seen to end, so perhaps fewer than there were.
        most_workers: asked for at a time.
        worker_seconds: of the whole pool, from its warm-up on.
    """

    name: str
    start: datetime
    finished: datetime
    deadline: datetime | None
    outcome: Outcome
    tasks: int = 0
    most_workers: int = 0
    worker_seconds: float = 0.0
