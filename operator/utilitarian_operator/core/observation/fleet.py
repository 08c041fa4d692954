"""What is seen of a fleet at one look, made from what was read and from what the looks before have left."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.names import pool_object
from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.core.changed import Kept, changed
from utilitarian_operator.core.labels import POOL_LABEL, node_name
from utilitarian_operator.core.observation.assemble import Assembled, Beliefs, Sources, assemble, takes_nothing
from utilitarian_operator.core.observation.beat import BeatSightings
from utilitarian_operator.core.observation.broker import BrokerName, BrokerSnapshot
from utilitarian_operator.core.observation.counted.deltas import LastMessages, Totals, flowed, totals, used, with_done
from utilitarian_operator.core.observation.counted.dropped import Drops
from utilitarian_operator.core.observation.counted.starts import Starts, with_starts
from utilitarian_operator.core.observation.counted.worked import Worked
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import QueueSnapshot
from utilitarian_operator.core.observation.model.usage import PodUsage
from utilitarian_operator.core.observation.pod import no_older, pod_by_itself
from utilitarian_operator.core.observation.pod_failures import (
    PodFailure,
    is_leaving,
    is_paused,
    is_refused,
    is_sound,
    pod_failure,
)
from utilitarian_operator.core.observation.reported import reported
from utilitarian_operator.core.observation.rollout import is_under_way
from utilitarian_operator.errors import BrokerError

ANSWER_HOLDS_S = 4.0
"""How long a worker's answer is believed: a few rounds of questions, each a second."""

_Bodies: TypeAlias = Mapping[str, list[ReadOnlyObject]]
_Pods: TypeAlias = Mapping[str, tuple[PodSnapshot, ...]]


@dataclass(frozen=True, slots=True)
class Readings:
    """What was read of a fleet at one look, as each source gave it.

    Args:
        at: when the look began.
        resource: the name of the fleet's resource.
        workers: what was known of the broker before the queues were asked: what a worker took in between is then
            missed once, and not counted on both sides.
        broker: the same after that, with their depths.
        deployments: the fleet's, by name.
        stateful_sets: beat's, by name.
        pods: the fleet's, by name.
        behind: names of pods of which the watch has yet to see what the operator wrote to them.
        warnings: what Kubernetes warns of about pods that don't become ready, by the pod's name.
        neighbours: the resource, as `NAMESPACE/NAME`, by node name, of the workers of other resources.
        usage: what the workers of pods used, by the pod's name, where that was read since the look before.
    """

    at: datetime
    resource: str
    workers: BrokerSnapshot
    broker: BrokerSnapshot
    deployments: Mapping[str, ReadOnlyObject] = field(default_factory=dict)
    stateful_sets: Mapping[str, ReadOnlyObject] = field(default_factory=dict)
    pods: Mapping[str, ReadOnlyObject] = field(default_factory=dict)
    behind: frozenset[str] = frozenset()
    warnings: Mapping[str, str] = field(default_factory=dict)
    neighbours: Mapping[str, str] = field(default_factory=dict)
    usage: Mapping[str, PodUsage] = field(default_factory=dict)


@dataclass(frozen=True)
class Sightings:
    """What is kept of what was seen, so that the next look can say what is new, and since when something is so.

    Without slots, so that one can be made of another (`changed`).

    Args:
        began: when this operator began to look; what older pods did before is not counted.
        beliefs: since when something is in doubt, and what workers have said of their queues.
        worked: what the worker of each pod had done, by pod.
        flows: the totals of each pool's queues.
        starts: which workers were starting.
        last_messages: when a message last came to each queue that a schedule feeds.
        metered: what the worker of each pod had done when its usage was last read, by pod.
        drops: what was dropped of queues that nothing consumed.
        beat: what is kept of it.
        broker: that answered last; None while none has.
    """

    began: datetime
    beliefs: Beliefs = field(default_factory=Beliefs)
    worked: Mapping[str, Worked] = field(default_factory=dict)
    flows: Totals = field(default_factory=dict)
    starts: Starts = field(default_factory=Starts)
    last_messages: LastMessages = field(default_factory=LastMessages)
    metered: Mapping[str, Worked] = field(default_factory=dict)
    drops: Drops = field(default_factory=Drops)
    beat: BeatSightings = field(default_factory=BeatSightings)
    broker: BrokerName | None = None

    def queues(self, fleet: Fleet) -> list[str]:
        """Those of a fleet, as far as they are known: the next look asks for their depths."""
        return [queue for pool in fleet.pools for queue in self.beliefs.queues(pool)]


def fleet_snapshot(
    fleet: Fleet, read: Readings, before: Sightings, kept: Kept | None = None
) -> tuple[FleetSnapshot, Sightings]:
    """What is seen but for beat, and what is kept of it for the next look.

    Args:
        fleet: what runs.
        read: at this look.
        before: what the look before has left.
        kept: what the look before has made.
    """
    look = _Look(fleet, read, before, kept or Kept())
    found, last = look.found, look.last_messages()
    named = read.broker.name or before.broker
    moved = before.broker is not None and named is not None and named.is_another_than(before.broker)
    # The queues of another broker are others: what waited on the one before is still there.
    drops = (Drops() if moved else before.drops).seen(look.queues(), read.at, fleet.patience.dropped, look.served())
    snapshot = FleetSnapshot(
        *(read.at, found.pools, found.broker, found.statistics, None, look.rolling_out(), found.mute),
        leftover=found.leftover,
        about=read.broker.settings,
        let_in=read.broker.let_in,
        sources=tuple(read.broker.sources()),
        last_messages=last.known,
        dropped=drops.known,
    )
    worked = {name: it for name, it in before.worked.items() if name in read.pods} | look.worked
    metered = {name: worked[name] for name in read.usage if name in worked} if read.usage else before.metered
    return snapshot, Sightings(
        *(before.began, found.beliefs, worked, look.flows, look.starts, last, metered, drops, before.beat), named
    )


class _Look:
    """One look that is being made sense of."""

    def __init__(self, fleet: Fleet, read: Readings, before: Sightings, kept: Kept) -> None:
        self._fleet, self._read, self._before, self._kept = fleet, read, before, kept
        self._sources = _sources_of(read.workers, read.broker)
        self.worked: dict[str, Worked] = {}
        queues = ((pool.name, before.beliefs.queues(pool)) for pool in fleet.pools)
        self.flows = {**before.flows, **totals(queues, self._sources.counted)}
        self._bodies = bodies = _by_pool(read.pods)
        pods, self.starts = self._pods(bodies)
        objects = dict(self._objects(bodies, pods))
        found = assemble(fleet, self._sources, objects, before.beliefs, read.at, read.neighbours)
        pools = {name: kept.same(name, it) for name, it in found.pools.items()}
        self.found: Assembled = changed(found, pools=pools)

    def rolling_out(self) -> tuple[str, ...]:
        """The objects whose template has not reached every pod, by name."""
        owned = {**self._read.deployments, **self._read.stateful_sets}
        return tuple(sorted(name for name, body in owned.items() if is_under_way(body, self._pods_of(body))))

    def _pods_of(self, body: ReadOnlyObject) -> Sequence[ReadOnlyObject]:
        return self._bodies.get((body["metadata"].get("labels") or {}).get(POOL_LABEL, ""), ())

    def queues(self) -> dict[str, QueueSnapshot]:
        """All of the fleet, by name."""
        return {name: it for pool in self._fleet.pools for name, it in self.found.pools[pool.name].queues.items()}

    def served(self) -> frozenset[str]:
        """Queues whose workers run and don't say that they take nothing; those of removed pools, too."""
        there = (it.queues for it in self.found.pools.values() if any(map(_may_take, it.pods)))
        going = (pod.queues for it in self.found.removed.values() for pod in it.pods if _may_take(pod))
        return frozenset().union(*there, *going)

    def last_messages(self) -> LastMessages:
        """As far as they are known; a catch-all with a schedule may learn its queues only later."""
        scheduled = [pool for pool in self._fleet.pools if pool.schedule]
        last = self._before.last_messages
        if scheduled:
            queues = {queue: it for pool in scheduled for queue, it in self.found.pools[pool.name].queues.items()}
            last = last.seen(queues, self._sources.counted, self._read.at)
        if any(pool.is_catch_all for pool in scheduled):
            return last
        return last.only({queue for pool in scheduled for queue in pool.queues})

    def _objects(self, bodies: _Bodies, pods: _Pods) -> Iterator[tuple[str, PoolSnapshot]]:
        """Each pool as its objects tell, without its queues; those that the spec no longer has, too."""
        deployments, counted, now = self._read.deployments, self._sources.counted, self._read.at
        for pool in self._fleet.pools:
            name, queues = pool.name, self._before.beliefs.queues(pool)
            deployment = deployments.get(pool_object(self._read.resource, name))
            there, hurries = bodies.get(name, ()), pool.scaling.wake == "WhenDue"
            failure = None
            if not self._is_sound(deployment, there):
                failure = pod_failure(deployment, there, now, self._read.warnings, hurries=hurries)
            flow = flowed(name, counted, queues, self._before.flows)
            yield name, self._of_deployment(deployment, pods.get(name, ()), failure, flow)
        labels = ((body["metadata"].get("labels") or {}, body) for body in deployments.values())
        others = {str(it[POOL_LABEL]): body for it, body in labels if POOL_LABEL in it}
        for name in sorted({*others, *pods} - {pool.name for pool in self._fleet.pools}):
            yield name, self._of_deployment(others.get(name), pods.get(name, ()))

    def _is_sound(self, deployment: ReadOnlyObject | None, pods: Sequence[ReadOnlyObject]) -> bool:
        """Whether nothing can keep a pool from its workers, at whatever moment that is asked."""
        if deployment is not None and any(
            self._kept.of(deployment["metadata"]["name"], hindered, deployment)
            for hindered in (is_refused, is_paused, is_leaving)
        ):
            return False
        return all(self._kept.of(pod["metadata"]["name"], is_sound, pod) for pod in pods)

    def _of_deployment(
        self,
        deployment: ReadOnlyObject | None,
        pods: tuple[PodSnapshot, ...],
        failure: PodFailure | None = None,
        flow: tuple[int | None, int | None] = (None, None),
    ) -> PoolSnapshot:
        """What a pool's Deployment asks for and says of its pods, with what flowed since the last look."""
        replicas = None if deployment is None else int(deployment["spec"].get("replicas", 1))
        said = None if deployment is None else self._kept.of(deployment["metadata"]["name"], reported, deployment)
        arrived, left = flow
        return PoolSnapshot({}, 0, pods, replicas, pod_failure=failure, arrived=arrived, left=left, reported=said)

    def _pods(self, bodies: _Bodies) -> tuple[_Pods, Starts]:
        pods = {}
        for pool, found in bodies.items():
            there = [it for it in found if it.get("status", {}).get("phase") not in {"Succeeded", "Failed"}]
            if there:
                pods[pool] = tuple(map(self._pod, there))
        before, away = self._before, "broker" in self._before.beliefs.unseen
        return with_starts(before.starts, pods, self._read.pods, before.began, self._read.at, broker_away=away)

    def _pod(self, body: ReadOnlyObject) -> PodSnapshot:
        name, seen, now = body["metadata"]["name"], self._read.workers, self._read.at
        node, sampled_s = node_name(name), self._fleet.patience.sampled.total_seconds()
        answer = seen.answer(node, seen.at - ANSWER_HOLDS_S)
        why = f"worker {name} does not answer" if seen.mute is None else str(seen.mute)
        held = self._before.beliefs.silent(name, why, now) if answer is None else answer
        by_itself = self._kept.of(name, pod_by_itself, name, body)
        sample = seen.sample(node, seen.at - sampled_s)
        deaf = answer is None and _takes_and_holds_nothing(seen.sample(node, seen.at - ANSWER_HOLDS_S))
        sample = None if sample is None else no_older(sample, by_itself.running_since, now)
        worked = seen.worked.get(node)
        usage = used(self._read.usage.get(name), worked, self._before.metered.get(name))
        behind = name in self._read.behind
        pod = changed(by_itself, held=held, caught_up=not behind, sample=sample, deaf=deaf, usage=usage)
        return self._with_done(pod, body, worked)

    def _with_done(self, pod: PodSnapshot, body: ReadOnlyObject, worked: Worked | None) -> PodSnapshot:
        if worked is None or worked.last is None:
            return pod
        self.worked[pod.name] = worked
        created = datetime.fromisoformat(body["metadata"]["creationTimestamp"])
        return with_done(pod, created, worked, self._before.worked.get(pod.name), self._before.began)


def _takes_and_holds_nothing(said: WorkerLoad | None) -> bool:
    return said is not None and said.consuming == () and said.nothing


def _may_take(pod: PodSnapshot) -> bool:
    return pod.running and not takes_nothing(pod)


def _by_pool(pods: Mapping[str, ReadOnlyObject]) -> dict[str, list[ReadOnlyObject]]:
    """The pods' objects by pool, sorted by name."""
    bodies: dict[str, list[ReadOnlyObject]] = {}
    for _, body in sorted(pods.items()):
        pool = (body["metadata"].get("labels") or {}).get(POOL_LABEL)
        if pool is not None:
            bodies.setdefault(pool, []).append(body)
    return bodies


def _sources_of(before: BrokerSnapshot, after: BrokerSnapshot) -> Sources:
    """What the sources said: of workers before the queues were asked, of all else after it."""
    counted = after.counted
    return Sources(
        depths={} if after.failed is not None else after.depths,
        unreachable=None if after.failed is None else str(after.failed),
        counted={} if counted is None or isinstance(counted, BrokerError) else counted,
        uncounted=str(counted) if isinstance(counted, BrokerError) else None,
        consuming=after.consuming,
        mute=None if before.mute is None else str(before.mute),
    )
