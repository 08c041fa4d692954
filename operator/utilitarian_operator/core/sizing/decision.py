"""What was decided for a pool and why; status, events, log lines and metrics print these sentences."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Rule(StrEnum):
    """The rules that size a pool; their names stand in status, events, log lines and metrics."""

    UNKNOWN = "unknown"
    HOLD = "hold"
    DEMAND = "demand"
    WAIT = "wait"
    LEAVE = "leave"
    RUN = "run"
    STARVED = "starved"
    MISSING_QUEUE = "missing-queue"
    HELD_UP = "held-up"
    CALM = "calm"
    IDLE = "idle"
    DEFERRED = "deferred"
    BOUNDS = "bounds"
    OVERRIDE = "override"
    SAFETY = "safety"
    BUDGET = "budget"
    QUEUE_TAKEN = "queue-taken"
    PAUSED = "paused"
    CONTESTED = "contested"


_STRONGER = {Rule.OVERRIDE, Rule.QUEUE_TAKEN, Rule.PAUSED, Rule.CONTESTED}
"""Rules that hold for as long as something lasts, whatever the work asks for meanwhile."""


_LIMITS = {Rule.BOUNDS, Rule.BUDGET}


@dataclass(frozen=True, slots=True)
class Step:
    """One rule's word on a pool.

    Args:
        rule: a `Rule`, or the name that another version wrote in a status; no other part becomes a metric's label.
        before: workers before the rule.
        after: workers after it.
        because: one sentence with the numbers it rests on.
        due: when a rule that lets work wait will ask for workers; None for all others.
    """

    rule: str
    before: int
    after: int
    because: str
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """How many workers a pool should have.

    Args:
        replicas: workers wanted.
        trail: the rules that spoke, in order; the first is always there.
    """

    replicas: int
    trail: tuple[Step, ...]

    @property
    def deciding(self) -> Step:
        """The step that set the number: the last that changed it, else the first that spoke.

        What a rule announces for later does not come while a stronger one keeps the number as it is: that one set it.
        """
        kept = None
        for step in reversed(self.trail):
            if step.before != step.after:
                return kept if kept is not None and step.rule == Rule.WAIT else step
            if kept is None and step.rule in _STRONGER:
                kept = step
        return self.trail[0]

    @property
    def rule(self) -> str:
        """Name of the rule that set the number."""
        return self.deciding.rule

    @property
    def message(self) -> str:
        """The sentence of the rule that set the number."""
        return self.deciding.because

    @property
    def due(self) -> datetime | None:
        """When workers are asked for, while the work of the pool may wait; None while it may not."""
        return self.deciding.due

    @property
    def kept_at_zero(self) -> bool:
        """Whether a person or another client keeps the pool without workers, whatever waits."""
        return not self.replicas and self.rule in _STRONGER

    @property
    def limits(self) -> tuple[Step, ...]:
        """The steps by which `max` and the fleet's ceiling keep the pool from what it wants.

        A number by hand may be larger than `max`: then that keeps it from nothing.
        """
        cut = (it for it in self.trail if it.rule in _LIMITS and it.after < it.before)
        return tuple(it for it in cut if self.replicas < it.before)

    def then(self, step: Step | None) -> "Decision":
        """This decision with one more step; None leaves it as it is."""
        return self if step is None else Decision(step.after, (*self.trail, step))


def start(step: Step) -> Decision:
    """A decision that so far rests on one step."""
    return Decision(step.after, (step,))
