"""What the rules of one pool look at, and what is worked out from it: s, the horizon, the window of arrivals."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.sizing import memory as memories
from utilitarian_operator.core.sizing import when_due
from utilitarian_operator.core.sizing.demand import horizon
from utilitarian_operator.core.sizing.eta_sleep import why_awake
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.spec.override import Override

FIRST_GUESS_START_UP = timedelta(seconds=5)
"""Start-up time of a worker before one was measured."""

_SHORTEST_S = memories.SHORTEST_WINDOW.total_seconds()


@dataclass(slots=True)
class RuleInput:
    """All that a rule may look at, never changed; what is worked out from it is worked out once.

    Args:
        pool: the effective spec.
        facts: what was seen.
        memory: what is remembered, brought up to `now`.
        now: the one clock.
        steady: the operator has run long enough, and seen well often enough, to take workers away.
        override: what a person set, or None.
        in_words: whether the sentence on the demand is needed, which is half of what the demand costs.
    """

    pool: Pool
    facts: Facts
    memory: Memory
    now: datetime
    steady: bool = True
    override: Override | None = None
    in_words: bool = True
    _seconds: float | None = field(default=None, init=False, repr=False, compare=False)
    _horizon: float | None = field(default=None, init=False, repr=False, compare=False)
    _leaves: bool | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def seconds_per_task(self) -> float:
        """s, measured or guessed."""
        if self._seconds is None:
            self._seconds = memories.seconds_per_task(self.pool, self.memory, self.now)
        return self._seconds

    @property
    def horizon(self) -> float:
        """H in seconds, by what is known now."""
        if self._horizon is None:
            self._horizon = _horizon(self.pool, self.memory, self.seconds_per_task, self.now)
        return self._horizon

    @property
    def start_up_s(self) -> float:
        """U in seconds, measured or guessed."""
        return memories.start_up_s(self.memory, FIRST_GUESS_START_UP)

    @property
    def leaves(self) -> bool:
        """Whether the workers of a pool that wakes when due may go as soon as no message waits for them."""
        if self._leaves is None:
            self._leaves = self._may_leave()
        return self._leaves

    def remembering(self, memory: Memory) -> "RuleInput":
        """The same with a memory that has the demand in it, on which nothing depends that was worked out before."""
        after = RuleInput(self.pool, self.facts, memory, self.now, self.steady, self.override, self.in_words)
        after._seconds, after._horizon, after._leaves = self._seconds, self._horizon, self._leaves
        return after

    @property
    def idle_for(self) -> timedelta | None:
        """How long nothing has been to do; None while something is, or may be."""
        return None if self.memory.idle_since is None else self.now - self.memory.idle_since

    def _may_leave(self) -> bool:
        pool, facts, memory, s = self.pool, self.facts, self.memory, self.seconds_per_task
        if not when_due.may_leave(pool, facts, memory, s, self.now):
            return False
        if facts.deferred and why_awake(pool, facts, memory.eta_sleep, self.start_up_s, self.now) is not None:
            return False
        return when_due.sleep_pays(pool, memory, s, window_of(self.horizon), self.now)


def horizon_now(pool: Pool, memory: Memory, now: datetime) -> float:
    """H in seconds, by what is known now."""
    return _horizon(pool, memory, memories.seconds_per_task(pool, memory, now), now)


def _horizon(pool: Pool, memory: Memory, seconds_per_task: float, now: datetime) -> float:
    u, rising = memories.start_up_s(memory, FIRST_GUESS_START_UP), memories.is_rising(memory, seconds_per_task, now)
    return horizon(pool.scaling.drain_within.total_seconds(), u, seconds_per_task, rising=rising)


def arrival_window(pool: Pool, memory: Memory, now: datetime, seconds_per_task: float | None = None) -> timedelta:
    """max(H, 60 s): the time over which arrivals are counted; by the seconds per task, where they are known."""
    s = memories.seconds_per_task(pool, memory, now) if seconds_per_task is None else seconds_per_task
    return window_of(_horizon(pool, memory, s, now))


def window_of(over: float) -> timedelta:
    """The time over which arrivals are counted, where H is so many seconds."""
    return timedelta(seconds=over) if over > _SHORTEST_S else memories.SHORTEST_WINDOW
