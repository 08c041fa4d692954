"""The rules that size one pool, in order; each returns the new number with a sentence, or None: nothing to say."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.api.units import format_duration as duration
from utilitarian_operator.core.decision import Decision, Step, start
from utilitarian_operator.core.demand import demand
from utilitarian_operator.core.observation import Held, PodSight, PoolSight, Unknown
from utilitarian_operator.core.wording import number, plural

FIRST_GUESS_START_UP = timedelta(seconds=5)
"""Start-up time of a worker before one was measured."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a pool remembers from one decision to the next.

    Args:
        idle_since: since when nothing is to do, seen without a gap; None while something is, or may be.
        first_worker_since: since when a ready worker runs although one of the queues is missing.
        first_worker_spent: that worker had its time and the queue is still missing: it is not given again.
    """

    idle_since: datetime | None = None
    first_worker_since: datetime | None = None
    first_worker_spent: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a rule may look at.

    Args:
        pool: the effective spec.
        sight: what was seen.
        memory: what was remembered, already brought up to `now`.
        now: the one clock.
        steady: the operator has run long enough, and seen well often enough, to take workers away.
    """

    pool: Pool
    sight: PoolSight
    memory: Memory
    now: datetime
    steady: bool


def remember(pool: Pool, sight: PoolSight, memory: Memory, now: datetime) -> Memory:
    """The memory after this look and before the decision."""
    idle_since = (memory.idle_since or now) if nothing_to_do(sight) else None
    if not sight.missing:
        return Memory(idle_since)
    tried = (memory.first_worker_since or now) if sight.ready_workers else None
    spent = memory.first_worker_spent or (tried is not None and now - tried >= pool.scaling.idle_after)
    return Memory(idle_since, tried, spent)


def nothing_to_do(sight: PoolSight) -> bool:
    """Whether broker and workers all say, freshly, that there is no task of any kind."""
    return sight.ready == 0 and sight.unacked == 0 and all(_idle(pod) for pod in sight.pods)


def _idle(pod: PodSight) -> bool:
    """A worker that doesn't answer is busy, not idle; a container that doesn't run can hold no task."""
    return not pod.running or (isinstance(pod.held, Held) and pod.held.nothing)


def decide(situation: Situation) -> Decision:
    """All the rules of one pool, without what the fleet's ceiling says."""
    decision = start(by_demand(situation))
    for rule in (declare_missing_queues, keep_while_there_is_work, unknown_changes_nothing, within_bounds):
        decision = decision.then(rule(situation, decision.replicas))
    return decision


def by_demand(situation: Situation) -> Step:
    """What waits and runs, as far as it is certain, asks for this many workers."""
    pool, sight = situation.pool, situation.sight
    ready, unacked = sight.ready, sight.unacked
    if isinstance(ready, Unknown):
        return Step("unknown", sight.current, sight.current, f"backlog unknown ({ready.why}): nothing changes")
    certain = ready + (0 if isinstance(unacked, Unknown) else unacked) + sight.known_early
    result = demand(
        certain,
        concurrency=pool.worker.concurrency,
        seconds_per_task=pool.scaling.task_duration,
        drain_within=pool.scaling.drain_within,
        start_up=FIRST_GUESS_START_UP,
    )
    if not certain:
        return Step("demand", sight.current, 0, "nothing to do")
    because = (
        f"{plural(certain, 'task')} of {duration(pool.scaling.task_duration)}, to be started within "
        f"{duration(pool.scaling.drain_within)}: {plural(round(result.slots, 1), 'slot')}, "
        f"{pool.worker.concurrency} a worker: {plural(result.workers, 'worker')}"
    )
    return Step("demand", sight.current, result.workers, because)


def declare_missing_queues(situation: Situation, wanted: int) -> Step | None:
    """Only the application knows how to declare its queues, so a missing one gets its pool one worker, once."""
    missing = situation.sight.missing
    if wanted or not missing or situation.memory.first_worker_spent:
        return None
    return Step("missing-queue", wanted, 1, f"queue {missing[0]} does not exist yet: one worker declares it")


def keep_while_there_is_work(situation: Situation, wanted: int) -> Step | None:
    """No worker goes before the whole pool has had nothing to do for a while."""
    current, idle_since = situation.sight.current, situation.memory.idle_since
    if wanted >= current:
        return None
    if idle_since is None:
        return Step("calm", wanted, current, f"{plural(current, 'worker')} kept: {_why_busy(situation.sight)}")
    patience = max(situation.pool.scaling.idle_after, situation.pool.scaling.stabilization)
    waited = situation.now - idle_since
    if waited < patience:
        because = f"{plural(current, 'worker')} kept: nothing to do, but not yet for {duration(patience)}"
        return Step("calm", wanted, current, because)
    return None


def unknown_changes_nothing(situation: Situation, wanted: int) -> Step | None:
    """After a start of the operator no worker goes before it has seen well, twice and for a while."""
    current = situation.sight.current
    if wanted >= current or situation.steady:
        return None
    return Step("safety", wanted, current, f"{plural(current, 'worker')} kept: the operator has just started")


def within_bounds(situation: Situation, wanted: int) -> Step | None:
    """`min` holds without any sight; `max` limits what is asked for, and takes no busy worker away."""
    scaling, current = situation.pool.scaling, situation.sight.current
    if wanted < scaling.min:
        return Step("bounds", wanted, scaling.min, f"min is {number(scaling.min)}")
    ceiling = max(scaling.max, current if situation.memory.idle_since is None else 0)
    if wanted > ceiling:
        return Step(
            "bounds", wanted, ceiling, f"max is {number(scaling.max)}, {plural(wanted, 'worker')} would be needed"
        )
    return None


def held_back(decision: Decision, allowed: int, because: str) -> Decision:
    """The decision cut down by the fleet's ceiling."""
    return decision.then(Step("budget", decision.replicas, allowed, because))


def _why_busy(sight: PoolSight) -> str:
    """The first thing that keeps the pool from being called idle, as a clause."""
    for what, count in (("ready", sight.ready), ("unacknowledged", sight.unacked)):
        if isinstance(count, Unknown):
            return f"messages {what} unknown ({count.why})"
        if count:
            return f"{plural(count, 'message')} {what}"
    busy = next(pod for pod in sight.pods if not _idle(pod))
    if isinstance(busy.held, Unknown):
        return f"worker {busy.name} {busy.held.why}"
    return f"worker {busy.name} holds {plural(busy.held.active + busy.held.reserved + busy.held.scheduled, 'task')}"


def forget_idleness(memory: Memory) -> Memory:
    """The memory of a pool whose workers were just added: they are given their time."""
    return replace(memory, idle_since=None)
