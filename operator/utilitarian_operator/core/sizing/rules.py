"""The rules that size one pool, in order; each returns the new number with a sentence, or None: nothing to say."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from math import ceil

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.api.units import format_duration as duration
from utilitarian_operator.core.observation.model import Unknown
from utilitarian_operator.core.sizing import memory as memories
from utilitarian_operator.core.sizing import runs
from utilitarian_operator.core.sizing.decision import Decision, Step, start
from utilitarian_operator.core.sizing.demand import demand, horizon, is_cut
from utilitarian_operator.core.sizing.eta_sleep import given_back_too_often, why_awake
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.run_state import OpenRun
from utilitarian_operator.core.spec.override import Override
from utilitarian_operator.core.wording import at, number, plural, seconds

FIRST_GUESS_START_UP = timedelta(seconds=5)
"""Start-up time of a worker before one was measured."""

START_HOLDS = timedelta(days=1)
"""For how long a measured start is a reason to keep a worker awake."""


@dataclass(frozen=True)
class Situation:
    """All that a rule may look at; what is worked out from it is worked out once.

    Args:
        pool: the effective spec.
        facts: what was seen.
        memory: what is remembered, brought up to `now`.
        now: the one clock.
        steady: the operator has run long enough, and seen well often enough, to take workers away.
        override: what a person set, or None.
    """

    pool: Pool
    facts: Facts
    memory: Memory
    now: datetime
    steady: bool = True
    override: Override | None = None

    @cached_property
    def seconds_per_task(self) -> float:
        """s, measured or guessed."""
        return memories.seconds_per_task(self.pool, self.memory, self.now)

    @cached_property
    def horizon(self) -> float:
        """H in seconds, by what is known now."""
        return _horizon(self.pool, self.memory, self.seconds_per_task, self.now)

    @property
    def start_up(self) -> float:
        """U in seconds, measured or guessed."""
        return memories.start_up(self.memory, FIRST_GUESS_START_UP)

    @property
    def idle_for(self) -> timedelta | None:
        """How long nothing has been to do; None while something is, or may be."""
        return None if self.memory.idle_since is None else self.now - self.memory.idle_since


def decide(situation: Situation) -> tuple[Decision, Memory]:
    """All the rules of one pool, without what the fleet's ceiling says; and the memory with the demand in it."""
    asked = start(by_demand(situation))
    for floor in (by_run, not_for_starved_work, declare_missing_queues):
        asked = asked.then(floor(situation, asked.replicas))
    # A floor is no demand: with nothing to do there is none to remember, or each run would be stood by for longer.
    memory = _demanded(situation, asked.replicas if situation.facts.at_least else 0)
    remembering = Situation(
        situation.pool, situation.facts, memory, situation.now, situation.steady, situation.override
    )
    decision = asked
    for rule in (
        ask_for_no_more_in_vain,
        keep_what_is_of_use,
        sleep_when_idle,
        give_back_seldom,
        within_bounds,
        by_override,
        wait_after_a_start,
    ):
        decision = decision.then(rule(remembering, decision.replicas))
    return decision, memory


def horizon_now(pool: Pool, memory: Memory, now: datetime) -> float:
    """H in seconds, by what is known now."""
    return _horizon(pool, memory, memories.seconds_per_task(pool, memory, now), now)


def _horizon(pool: Pool, memory: Memory, seconds_per_task: float, now: datetime) -> float:
    u, rising = memories.start_up(memory, FIRST_GUESS_START_UP), memories.is_rising(memory, seconds_per_task, now)
    return horizon(pool.scaling.drain_within.total_seconds(), u, seconds_per_task, rising=rising)


def arrival_window(pool: Pool, memory: Memory, now: datetime) -> timedelta:
    """max(H, 60 s): the time over which arrivals are counted."""
    return window_of(horizon_now(pool, memory, now))


def window_of(over: float) -> timedelta:
    """The time over which arrivals are counted, where H is so many seconds."""
    return max(timedelta(seconds=over), memories.SHORTEST_WINDOW)


def by_demand(situation: Situation) -> Step:
    """What waits and runs, as far as it is certain, asks for this many workers."""
    pool, facts = situation.pool, situation.facts
    if facts.at_least is None:
        why = facts.ready.why if isinstance(facts.ready, Unknown) else "not seen"
        return Step("unknown", facts.current, facts.current, f"backlog unknown ({why}): nothing changes")
    if holds(situation):
        opens, run = min((runs.coming_start(it, situation.now), it.name) for it in pool.schedule)
        waiting = facts.ready if isinstance(facts.ready, int) else facts.at_least
        some = f"{plural(waiting, 'task')} {'waits' if waiting == 1 else 'wait'}" if waiting else "nothing waits"
        because = f"{some} for the next run, {run} at {at(opens)} (outsideRuns: Hold)"
        return Step("hold", facts.current, 0, because)
    s = situation.seconds_per_task
    result = demand(
        facts.at_least,
        arrivals=memories.arrival_rate(situation.memory, window_of(situation.horizon), situation.now),
        concurrency=pool.worker.concurrency,
        seconds_per_task=s,
        over=situation.horizon,
    )
    if not facts.at_least:
        return Step("demand", facts.current, 0, "nothing to do")
    because = (
        f"{plural(facts.at_least, 'task')} of {seconds(s)}, to be started within "
        f"{duration(pool.scaling.drain_within)}: {plural(round(result.slots, 1), 'slot')}, "
        f"{number(pool.worker.concurrency)} a worker: {plural(result.workers, 'worker')}"
    )
    if result.workers > facts.current and is_cut(pool.scaling.drain_within.total_seconds(), situation.start_up, s):
        because += (
            f"; a start takes {seconds(situation.start_up)} of that, so some begin too late whatever their number: "
            "a longer drainWithin, or workers that stand by (min)"
        )
    return Step("demand", facts.current, result.workers, because)


def holds(situation: Situation) -> bool:
    """Whether the pool leaves work alone now: it has runs, none is open, and `outsideRuns` is Hold.

    Then nothing but `min`, a missing queue, an override or unknown sight keeps a worker: one that is there takes what
    comes, whatever the rules say. It is led out at once, and ends what it holds.
    """
    pool = situation.pool
    return pool.scaling.outside_runs == "Hold" and bool(pool.schedule) and not situation.memory.runs


def by_run(situation: Situation, wanted: int) -> Step | None:
    """An open run with a deadline is sized by it; every open run has its workers ready from its warm-up on."""
    schedules = {schedule.name: schedule for schedule in situation.pool.schedule}
    asked = [(run, _deadline_demand(situation, run)) for run in situation.memory.runs]
    replaced = any(by_deadline is not None for _, by_deadline in asked)
    most = None
    for run, by_deadline in asked:
        schedule = schedules[run.name]
        floor = schedule.workers if runs.stands_by(schedule, run, situation.now) else 0
        # The deadline replaces the promise, but for the tasks of a run that has none; the run that needs most decides.
        promised = wanted if not replaced or run.start <= situation.now else 0
        needed = max(floor, promised if by_deadline is None else by_deadline.workers)
        if most is None or needed > most.after:
            most = Step("run", wanted, needed, _why_run(situation, run, floor, by_deadline))
    return most if most is not None and most.after != wanted else None


def _deadline_demand(situation: Situation, run: OpenRun) -> runs.RunDemand | None:
    return runs.deadline_demand(
        situation.pool,
        situation.facts,
        run,
        situation.memory,
        seconds_per_task=situation.seconds_per_task,
        now=situation.now,
    )


def _why_run(situation: Situation, run: OpenRun, workers: int, asked: runs.RunDemand | None) -> str:
    if situation.now < run.start:
        until = duration(timedelta(seconds=round((run.start - situation.now).total_seconds())))
        learned = asked is not None and asked.workers > workers
        why = f": {plural(runs.expected(run, situation.memory), 'task')} came in the last one" if learned else ""
        ready = asked.workers if asked is not None and learned else workers
        return f"run {run.name} starts in {until} with {plural(ready, 'worker')}{why}"
    if asked is None or asked.workers <= workers:
        return f"run {run.name} is open with {plural(workers, 'worker')} at least"
    left = duration(timedelta(seconds=round((asked.deadline - situation.now).total_seconds())))
    work = situation.facts.at_least or 0
    return (
        f"run {run.name}: {plural(work, 'task')} of {seconds(situation.seconds_per_task)}, deadline in {left}: "
        f"{plural(asked.workers, 'worker')}"
    )


def not_for_starved_work(situation: Situation, wanted: int) -> Step | None:
    """Work that no free worker takes is not answered with more workers; what an open run asked for in advance stays."""
    facts, open_runs = situation.facts, {run.name for run in situation.memory.runs}
    prepared = max((it.workers for it in situation.pool.schedule if it.name in open_runs), default=0)
    enough = max(facts.current, prepared)
    if not facts.starved or wanted <= enough:
        return None
    return Step("starved", wanted, enough, f"{plural(enough, 'worker')} kept: {facts.starved}")


def declare_missing_queues(situation: Situation, wanted: int) -> Step | None:
    """Only the application knows how to declare its queues, so a missing one gets its pool one worker, once."""
    missing = situation.facts.missing
    if wanted or not missing or situation.memory.first_worker_spent:
        return None
    return Step("missing-queue", wanted, 1, f"queue {missing[0]} does not exist yet: one worker declares it")


def _demanded(situation: Situation, demanded: int) -> Memory:
    """The memory with this demand, and since when fewer workers than there are would do."""
    scaling, facts, now = situation.pool.scaling, situation.facts, situation.now
    memory = situation.memory
    if facts.at_least is not None:
        memory = memories.with_demand(memory, demanded, scaling.stabilization, now)
    surplus = max(memories.highest(memory), _useful(situation)) < facts.current
    since = (memory.surplus_since or now) if surplus else None
    return memory if since == memory.surplus_since else memories.changed(memory, surplus_since=since)


def _useful(situation: Situation) -> int:
    """Workers whose slots the work can fill, at most those that are there; all of them while the work is unknown."""
    facts = situation.facts
    if isinstance(facts.work, Unknown):
        return facts.current
    held = facts.work - (facts.ready if holds(situation) and isinstance(facts.ready, int) else 0)
    return min(facts.current, ceil(held / situation.pool.worker.concurrency))


def ask_for_no_more_in_vain(situation: Situation, wanted: int) -> Step | None:
    """While workers can't be had, or fail one like the other, more of them are not asked for: but for `min`."""
    facts = situation.facts
    enough = max(facts.current, 1)
    if wanted <= enough or not facts.held_up:
        return None
    because = f"{plural(enough, 'worker')} and no more, though {number(wanted)} are needed: {facts.held_up}"
    return Step("held-up", wanted, enough, because)


def keep_what_is_of_use(situation: Situation, wanted: int) -> Step | None:
    """No worker goes while its slots have work, nor because of a demand that was higher a moment ago."""
    facts, memory = situation.facts, situation.memory
    current = facts.current
    if wanted >= current:
        return None
    if isinstance(facts.work, Unknown):
        return Step("calm", wanted, current, f"{plural(current, 'worker')} kept: {facts.work.why}")
    if holds(situation):
        return None
    # Idle for idleAfter, it sleeps: what was needed a moment before that says nothing any more.
    idle_long = situation.idle_for is not None and situation.idle_for >= situation.pool.scaling.idle_after
    useful, high = _useful(situation), 0 if idle_long else min(memories.highest(memory), current)
    kept = max(wanted, useful, high)
    if kept > wanted and kept == useful:
        because = f"{plural(kept, 'worker')} kept: {plural(facts.work, 'task')} fill their slots"
    else:
        because = f"{plural(kept, 'worker')} kept: as many were needed within the last {_stabilization(situation)}"
    busy = current - facts.idle
    if kept < busy and not _surplus_lasted(situation):
        kept = min(busy, current)
        because = f"{plural(kept, 'worker')} kept: they hold tasks, and the surplus has not yet lasted one task's time"
    return Step("calm", wanted, kept, because) if kept > wanted else None


def _stabilization(situation: Situation) -> str:
    return duration(situation.pool.scaling.stabilization)


def _surplus_lasted(situation: Situation) -> bool:
    since = situation.memory.surplus_since
    return since is not None and (situation.now - since).total_seconds() >= situation.seconds_per_task


def sleep_when_idle(situation: Situation, wanted: int) -> Step | None:
    """The last worker goes after `idleAfter` without any task, and not if the next run would wake it again at once."""
    facts, idle_for = situation.facts, situation.idle_for
    if wanted or not facts.current or holds(situation):
        return None
    if idle_for is None:
        return Step("idle", wanted, 1, f"1 worker kept: {_not_seen_idle(facts)}")
    if facts.deferred:
        why = why_awake(situation.pool, facts, situation.memory.nap, situation.start_up, situation.now)
        if why is not None:
            return Step("deferred", wanted, 1, f"1 worker kept: {why}")
    if idle_for < situation.pool.scaling.idle_after:
        patience = duration(situation.pool.scaling.idle_after)
        return Step("idle", wanted, 1, f"1 worker kept: nothing to do, but not yet for {patience}")
    for schedule in situation.pool.schedule:
        wake = runs.next_start(schedule, situation.now) - schedule.warm_up - situation.now
        if wake.total_seconds() < situation.start_up and not _start_is_old(situation):
            return Step("idle", wanted, 1, f"1 worker kept: run {schedule.name} would wake it again at once")
    return None


def give_back_seldom(situation: Situation, wanted: int) -> Step | None:
    """A pool that holds its work may give tasks with a later time back, but not so often that a queue drops them."""
    if wanted or not situation.facts.current or not holds(situation):
        return None
    why = given_back_too_often(situation.facts, situation.memory.nap)
    return None if why is None else Step("deferred", wanted, 1, f"1 worker kept: {why}")


def _start_is_old(situation: Situation) -> bool:
    """Whether no start was measured for a day: a pool that stays awake because of a slow one would never learn more."""
    measured = situation.memory.started_at
    return measured is not None and situation.now - measured >= START_HOLDS


def _not_seen_idle(facts: Facts) -> str:
    return facts.work.why if isinstance(facts.work, Unknown) else plural(facts.work, "task") + " left"


def within_bounds(situation: Situation, wanted: int) -> Step | None:
    """`min` holds without any sight; `max` limits what is asked for."""
    scaling = situation.pool.scaling
    if wanted < scaling.min:
        return Step("bounds", wanted, scaling.min, f"min is {number(scaling.min)}")
    if wanted > scaling.max:
        because = f"max is {number(scaling.max)}, {plural(wanted, 'worker')} would be needed"
        return Step("bounds", wanted, scaling.max, because)
    return None


def by_override(situation: Situation, wanted: int) -> Step | None:
    """What a person set, until the moment that they set, replaces demand, runs and bounds."""
    override = situation.override
    if override is None or situation.now >= override.until:
        return None
    until = override.until.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Step(
        "override", wanted, override.workers, f"{plural(override.workers, 'worker')} by annotation until {until}"
    )


def wait_after_a_start(situation: Situation, wanted: int) -> Step | None:
    """After a start of the operator no worker goes before it has seen well, twice and for a while."""
    current = situation.facts.current
    if wanted >= current or situation.steady:
        return None
    return Step("safety", wanted, current, f"{plural(current, 'worker')} kept: the operator has just started")


def held_back(decision: Decision, allowed: int, because: str) -> Decision:
    """The decision cut down by the fleet's ceiling."""
    return decision.then(Step("budget", decision.replicas, allowed, because))
