"""What the drains of a fleet need now: the steps of each pool, and which removed pools may go."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.core.changed import Kept
from utilitarian_operator.core.draining import steps as drain
from utilitarian_operator.core.draining.steps import (
    CancelConsumers,
    DrainStep,
    PodStep,
    Release,
    Resize,
    ResumeConsumers,
    Unmark,
)
from utilitarian_operator.core.draining.workers import OpenGate, agreed, gates, pool_workers
from utilitarian_operator.core.labels import POOL_LABEL
from utilitarian_operator.core.moments import apart, length, since
from utilitarian_operator.core.objects.wanted import DEPLOYMENT
from utilitarian_operator.core.observation.broker_settings import delivery_limit
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.sizing.decision import Decision

SingleStep: TypeAlias = PodStep | OpenGate
"""What is done to one pod."""


TOLD_AGAIN_AFTER = timedelta(seconds=10)
"""A worker that is to stay and consumes nothing is told to consume that often: an order may be lost, or be undone."""


SHOWN_WITHIN = timedelta(seconds=5)
"""A pod that a step down has deleted is shown so by then, by a watch that is well."""


@dataclass(frozen=True, slots=True)
class PendingScaleDown:
    """A step down that was asked for.

    Args:
        going: released pods that it must take.
        others: pods that it must not take; one whose container doesn't run may go as well.
        at: the look at which it was asked for.
        done: whether the Deployment has said since that all of them have gone, whatever the watch of pods shows.
    """

    going: frozenset[str]
    others: frozenset[str]
    at: datetime
    done: bool = False


@dataclass(frozen=True)
class Progress:
    """What is kept of a fleet's drains between two looks; nothing is lost with it: the marks are on the pods.

    Args:
        shrinking: since when a pool has more workers than are wanted, by pool name.
        departures: steps down that were asked for and are not over, by pool name.
        slow: pods that were counted as slow.
        told: when workers that are to stay were told to consume, by pod.
    """

    shrinking: Mapping[str, datetime] = field(default_factory=dict)
    departures: Mapping[str, PendingScaleDown] = field(default_factory=dict)
    slow: frozenset[str] = frozenset()
    told: Mapping[str, datetime] = field(default_factory=dict)

    def lately(self, now: datetime) -> dict[str, datetime]:
        """The workers that are not told again yet, of those that were told to consume."""
        return {pod: at for pod, at in self.told.items() if apart(now, at) < TOLD_AGAIN_AFTER}

    def departing(self, pool: str, now: datetime) -> frozenset[str]:
        """The pods that were just stepped down by, or surely have gone, and are not shown to go."""
        last = self.departures.get(pool)
        counts = last is not None and (last.done or apart(now, last.at) < SHOWN_WITHIN)
        return last.going if last is not None and counts else frozenset()

    def after(
        self,
        plans: "Mapping[str, DrainPlan]",
        snapshot: FleetSnapshot,
        departures: Mapping[str, PendingScaleDown],
        slow: Iterable[str],
    ) -> "Progress":
        """What is kept of a look: of its plans, and of what became of the steps down before it."""
        told = self.lately(snapshot.at)
        for pool, plan in plans.items():
            now = {step.pod for step in plan.steps if isinstance(step, ResumeConsumers)}
            if now:
                told |= {pod.name: snapshot.at for pod in snapshot.pools[pool].pods if pod.name in now and pod.staying}
        left = {
            pool: replace(it, others=it.others - plans[pool].released) if pool in plans else it
            for pool, it in departures.items()
        }
        return Progress(self.shrinking, left, frozenset(slow), told)


_NO_PROGRESS = Progress()


@dataclass(frozen=True, slots=True)
class DrainPlan:
    """What one pool needs now.

    Args:
        resize: the Deployment to this, or None.
        steps: for single pods.
        gates: readiness gates to open.
        returns: steps for single pods after which none is on its way out any more: where no worker may be sent away.
        slow: pods that drain for longer than the pool's `drainTimeout`.
        others: pods that a step down must not take.
        farewell: whether it is of a pool that is no longer asked for.
    """

    resize: Resize | None
    steps: tuple[PodStep, ...]
    slow: tuple[str, ...] = ()
    others: frozenset[str] = frozenset()
    gates: tuple[OpenGate, ...] = ()
    returns: tuple[PodStep, ...] = ()
    farewell: bool = False

    def pending(self, at: datetime) -> PendingScaleDown | None:
        """What its step down must take, and what it must not; None where it asks for none.

        Args:
            at: the look at which it is asked for.
        """
        going = self.resize.going if self.resize else ()
        return PendingScaleDown(frozenset(going), self.others - self.released, at) if going else None

    @property
    def released(self) -> frozenset[str]:
        """The pods that are released now: a step down that goes on may take them as well."""
        return frozenset(step.pod for step in self.steps if isinstance(step, Release))


def drain_plans(
    fleet: Fleet,
    snapshot: FleetSnapshot,
    decisions: Mapping[str, Decision],
    before: Progress = _NO_PROGRESS,
    kept: Kept | None = None,
) -> dict[str, DrainPlan]:
    """What each pool with a Deployment needs now, those included that the spec no longer has.

    Args:
        fleet: what runs.
        snapshot: of this look.
        decisions: by pool name.
        before: what is kept of the look before, with `shrinking` of this one.
        kept: what the look before has made.
    """
    kept, found = kept or Kept(), {}
    for pool in fleet.pools:
        seen = snapshot.pools[pool.name]
        if seen.replicas is not None and kept.of(pool.name, _stands, seen, decisions[pool.name].replicas):
            found[pool.name] = kept.of(pool.name, _standing, seen)
        elif seen.replicas is not None:
            found[pool.name] = _drain_plan(pool, snapshot, decisions[pool.name].replicas, before)
    return found | {name: _farewell(seen, snapshot) for name, seen in snapshot.leftover.items()}


def shrinking(
    snapshot: FleetSnapshot, decisions: Mapping[str, Decision], before: Mapping[str, datetime]
) -> dict[str, datetime]:
    """Since when each pool that has more workers than are wanted has them."""
    return {
        name: since(before.get(name), snapshot.at)
        for name, decision in decisions.items()
        if decision.replicas < snapshot.pools[name].current or snapshot.pools[name].draining
    }


def reviewed(
    pending: Mapping[str, PendingScaleDown], snapshot: FleetSnapshot
) -> tuple[dict[str, PendingScaleDown], dict[str, tuple[str, ...]]]:
    """The steps down that are not over yet, and the pods that went although they were not to; by pool name."""
    left, wrong = {}, {}
    for pool, departure in pending.items():
        seen = snapshot.pools.get(pool) or snapshot.leftover.get(pool)
        victims = wrong_victims(departure, seen) if seen else ()
        if victims:
            wrong[pool] = victims
        elif seen is not None and not is_over(departure, seen):
            left[pool] = departure if departure.done or not is_done(departure, seen) else replace(departure, done=True)
    return left, wrong


def wrong_victims(departure: PendingScaleDown, seen: PoolSnapshot) -> tuple[str, ...]:
    """Pods that went although they were not to: only where one that was to go was spared is it the scale's doing."""
    left = {pod.name for pod in seen.pods if not pod.leaving}
    return tuple(sorted(departure.others - left)) if departure.going & left else ()


def is_over(departure: PendingScaleDown, seen: PoolSnapshot) -> bool:
    """Whether all pods that were to go have gone, or are on their way."""
    return not departure.going & {pod.name for pod in seen.pods if not pod.leaving}


def is_done(departure: PendingScaleDown, seen: PoolSnapshot) -> bool:
    """Whether a step down is done by the Deployment's word, which comes by a watch of its own.

    It counted each pod that was there when the step down was asked for.
    """
    there = [pod.name for pod in seen.pods if not pod.leaving]
    before = sum(name in departure.going or name in departure.others for name in there)
    still = sum(name in departure.going for name in there)
    return seen.reported is not None and seen.reported.observed and seen.reported.pods <= before - still


def may_go(seen: PoolSnapshot, grace: timedelta, now: datetime) -> bool:
    """Whether the Deployment of a removed pool may be deleted: no worker is there, or none can be drained.

    Args:
        seen: of the pool.
        grace: of its pods: after so much silence their own preStop hook is left to it.
        now: the one clock.
    """
    idle = agreed(seen) and not any(pod.running for pod in seen.pods)
    return idle or drain.mute(pool_workers(None, seen, now), grace, now)


def works_still(live: Mapping[str, Any], snapshot: FleetSnapshot) -> bool:
    """Whether an object is the Deployment of a removed pool whose workers are still being led out."""
    pool = snapshot.leftover.get(live["metadata"]["labels"].get(POOL_LABEL, ""))
    if pool is None or live["kind"] != DEPLOYMENT:
        return False
    grace = live["spec"]["template"]["spec"].get("terminationGracePeriodSeconds", 30)
    return not may_go(pool, length(grace), snapshot.at)


def _drain_plan(pool: Pool, snapshot: FleetSnapshot, desired: int, before: Progress) -> DrainPlan:
    seen, at = snapshot.pools[pool.name], snapshot.at
    shrinking_for = at - before.shrinking.get(pool.name, at)
    # A pool that goes to zero has its own count of what it gave back.
    counted = desired > 0 and any(delivery_limit(snapshot.about, queue) is not None for queue in pool.queues)
    workers = pool_workers(pool, seen, at, shrinking_for, gives_back=not counted, told=before.lately(at))
    workers = replace(workers, departing=before.departing(pool.name, at))
    steps = list(drain.steps(workers, desired))
    return DrainPlan(
        resize := _resize(steps),
        _single(steps, snapshot),
        slow=tuple(drain.slow(workers, pool.drain_timeout, at)),
        others=_others(resize, seen),
        gates=tuple(gates(seen, at, workers, desired)),
        returns=_single(drain.lifted(workers), snapshot),
    )


def _stands(seen: PoolSnapshot, desired: int) -> bool:
    """Whether there is nothing to lead: as many workers as are wanted, of which none leaves and each is called ready.

    Where the controller has yet to make or to end some, or one says that it consumes nothing, the steps say what that
    means.
    """
    staying = all(pod.marked is None and not pod.leaving and not pod.released for pod in seen.pods)
    called_ready = all(pod.gate is True or not pod.gated for pod in seen.pods)
    consuming = not any(pod.takes_nothing for pod in seen.pods)
    return staying and called_ready and consuming and seen.replicas == desired == len(seen.pods)


def _standing(seen: PoolSnapshot) -> DrainPlan:
    return DrainPlan(None, (), others=_others(None, seen))


def _farewell(seen: PoolSnapshot, snapshot: FleetSnapshot) -> DrainPlan:
    workers = pool_workers(None, seen, snapshot.at, timedelta.max)
    steps = list(drain.steps(workers, 0))
    resize = _resize(steps)
    single, slow = _single(steps, snapshot), slow_farewell(seen, snapshot.at)
    return DrainPlan(resize, single, slow, others=_others(resize, seen), farewell=True)


def slow_farewell(seen: PoolSnapshot, now: datetime) -> tuple[str, ...]:
    """The workers of a removed pool that are led out for longer than its pods have grace.

    Args:
        seen: of the pool.
        now: the one clock.
    """
    if seen.reported is None:
        return ()
    return tuple(drain.slow(pool_workers(None, seen, now), seen.reported.grace, now))


def _resize(steps: Iterable[DrainStep]) -> Resize | None:
    return next((step for step in steps if isinstance(step, Resize)), None)


def _single(steps: Iterable[DrainStep], snapshot: FleetSnapshot) -> tuple[PodStep, ...]:
    """Those for single pods; those that need the broker are left out while it is away."""
    left_out: tuple[type, ...] = (CancelConsumers, ResumeConsumers, Unmark) if snapshot.broker is not None else ()
    return tuple(step for step in steps if not isinstance(step, Resize) and not isinstance(step, left_out))


def _others(resize: Resize | None, seen: PoolSnapshot) -> frozenset[str]:
    """The pods that a step down must not take."""
    going = resize.going if resize else ()
    return frozenset(pod.name for pod in seen.pods if pod.running and not pod.leaving and pod.name not in going)
