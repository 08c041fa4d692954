"""Looks at one pool with a schedule, one after the other, as an operator makes them."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.support.pools import NOW, facts, pool
from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext, decide_pool
from utilitarian_operator.core.sizing.runs.run_state import Outcome
from utilitarian_operator.core.spec.by_hand import RunByHand

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
RUN = {"name": "run", "start": "0 12 * * *", "workers": 2, "finishWithin": "2h"}


class Looks:
    """A pool that is looked at each ten seconds.

    Args:
        schedule: of the pool.
        start: of the first look.
        scaling: of the pool.
    """

    def __init__(self, *schedule: dict[str, Any], start: datetime = NOW - 5 * MINUTE, **scaling: Any) -> None:
        self.pool: Pool = pool(schedule=list(schedule), **scaling)
        self.now, self.memory, self.workers = start, Memory(), 0
        self.by_hand: dict[str, RunByHand] = {}

    def until(self, moment: datetime, work: int | None = 0, every: timedelta = 10 * SECOND, **more: Any) -> "Looks":
        """Looks at this work up to a moment; workers come at once, and go when they are not needed."""
        while self.now < moment:
            self.now = min(self.now + every, moment)
            seen: Facts = facts(work, current=self.workers, serving=self.workers, **more)
            context = FleetContext(self.now, runs_by_hand=self.by_hand)
            decision, self.memory = decide_pool(self.pool, seen, self.memory, context)
            self.workers = decision.replicas
        return self

    def restarted(self) -> "Looks":
        """The operator was started anew."""
        self.memory = replace(self.memory, looked_at=None)
        return self

    @property
    def open(self) -> list[tuple[str, datetime]]:
        """The open runs."""
        return [(run.name, run.start) for run in self.memory.runs]

    @property
    def past(self) -> list[tuple[str, Outcome]]:
        """The runs that are over, the newest first."""
        return [(past.name, past.outcome) for past in self.memory.history]


def missed(looks: Looks) -> list[bool]:
    """Which of the open runs were called missed."""
    return [run.missed for run in looks.memory.runs]
