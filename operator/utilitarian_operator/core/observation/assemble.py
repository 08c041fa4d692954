"""What is believed of a fleet after a look: of two sources which one counts, what is in doubt, and what is foreign."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.moments import since
from utilitarian_operator.core.observation.blank_workers import Beginnings, begun, consumers_by_answers, with_blank
from utilitarian_operator.core.observation.broker import Depth, Depths, Unread
from utilitarian_operator.core.observation.foreign_consumers import with_foreign
from utilitarian_operator.core.observation.model.figures import Count, Unknown
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Counted, Missing, Present, QueueSnapshot
from utilitarian_operator.core.observation.own_queues import Learned, learned
from utilitarian_operator.core.observation.queue_trust import Contradiction, believed, contradiction, doubted
from utilitarian_operator.core.wording import plural

_NOTHING = PoolSnapshot({}, 0)
"""A pool of which Kubernetes tells nothing."""

_UNSEEN = Beginnings()
"""Of a pool that was not looked at before."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What each source said at one look, or why it said nothing.

    Args:
        depths: of the queues that were asked for.
        unreachable: why there are no depths.
        counted: the statistics of each queue; empty where nothing counts.
        uncounted: why there are no statistics although something counts.
        consuming: the queues of each worker of the broker, by node name, of whatever fleet.
        mute: why no worker can be asked.
    """

    depths: Depths = field(default_factory=dict)
    unreachable: str | None = None
    counted: Mapping[str, Counted] = field(default_factory=dict)
    uncounted: str | None = None
    consuming: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mute: str | None = None


@dataclass(frozen=True, slots=True)
class Beliefs:
    """What is kept of beliefs from look to look.

    Args:
        unseen: since when something is not known, by what it is.
        contradicted: what is known of a figure of the statistics that a queue contradicts, by queue.
        own_queues: what a catch-all's workers said of its queues.
        beginnings: what is known of the workers that have yet to begin, by pool name.
        single: queues of which workers said last that they hand messages to one consumer at a time.
    """

    unseen: Mapping[str, datetime] = field(default_factory=dict)
    contradicted: Mapping[str, Contradiction | None] = field(default_factory=dict)
    own_queues: Learned = field(default_factory=Learned)
    beginnings: Mapping[str, Beginnings] = field(default_factory=dict)
    single: frozenset[str] = frozenset()

    def silent(self, pod: str, why: str, now: datetime) -> Unknown:
        """What a worker holds that says nothing."""
        return Unknown(why, since(self.unseen.get(f"worker {pod}"), now))

    def queues(self, pool: Pool) -> tuple[str, ...]:
        """The queues of a pool, as far as they are known."""
        return self.own_queues.queues if pool.is_catch_all else pool.queues


@dataclass(frozen=True)
class Assembled:
    """What is believed after a look; without slots, so that one can be made of another (`changed`).

    Args:
        pools: by pool name.
        leftover: pools that the spec no longer has and whose Deployment is there still, by name.
        removed: the same with those of which only pods are.
        broker: why it could not be asked.
        statistics: why they are not known.
        mute: why no worker can be asked.
        beliefs: to keep.
    """

    pools: Mapping[str, PoolSnapshot]
    leftover: Mapping[str, PoolSnapshot]
    removed: Mapping[str, PoolSnapshot]
    broker: Unknown | None
    statistics: Unknown | None
    mute: Unknown | None
    beliefs: Beliefs


def assemble(
    fleet: Fleet,
    sources: Sources,
    objects: Mapping[str, PoolSnapshot],
    before: Beliefs,
    now: datetime,
    neighbours: Mapping[str, str] = MappingProxyType({}),
) -> Assembled:
    """What is believed of a fleet.

    Args:
        fleet: what runs.
        sources: what they said of it.
        objects: the pools without queues, as Kubernetes and their own workers tell of them, also those that the spec
            no longer has. What a silent worker holds is Unknown, since whenever.
        before: beliefs of the look before.
        now: the one clock.
        neighbours: the resource, as `NAMESPACE/NAME`, by node name, of the workers of other resources.
    """
    doubts = _Doubts(dict(before.unseen), now)
    mute = doubts.of("remote control", sources.mute)
    objects = {name: _with_silent(it, doubts) for name, it in objects.items()}
    broker = doubts.of("broker", sources.unreachable)
    statistics = doubts.of("statistics", sources.uncounted)
    look = _Look(fleet, sources, before, doubts, broker, statistics)
    pools = look.pools(objects)
    removed = {name: it for name, it in objects.items() if name not in pools}
    seen = with_foreign(fleet, _with_held_by_removed(pools, removed), sources.consuming, neighbours, removed)
    found = {pool.name: _with_own_alone(pool, seen[pool.name], statistics, doubts) for pool in fleet.pools}
    leftover = {name: it for name, it in removed.items() if it.replicas is not None}
    beliefs = Beliefs(doubts.since, look.contradicted, look.own_queues, look.beginnings, look.single)
    return Assembled(found, leftover, removed, broker, statistics, mute, beliefs)


@dataclass
class _Doubts:
    """Since when each thing is not known."""

    since: dict[str, datetime]
    now: datetime

    def of(self, what: str, why: str | None) -> Unknown | None:
        """Note why something is not known; None: it is known."""
        if why is None:
            self.since.pop(what, None)
            return None
        return self.unknown(what, why)

    def unknown(self, what: str, why: str) -> Unknown:
        self.since[what] = since(self.since.get(what), self.now)
        return Unknown(why, self.since[what])


class _Look:
    """One look that is being assembled."""

    def __init__(
        self,
        fleet: Fleet,
        sources: Sources,
        before: Beliefs,
        doubts: _Doubts,
        broker: Unknown | None,
        statistics: Unknown | None,
    ) -> None:
        self._fleet, self._sources, self._before, self._doubts = fleet, sources, before, doubts
        self._broker, self._statistics = broker, statistics
        self.contradicted, self.beginnings = dict(before.contradicted), dict(before.beginnings)
        self.own_queues = before.own_queues
        self.single = before.single

    def pools(self, objects: Mapping[str, PoolSnapshot]) -> dict[str, PoolSnapshot]:
        """Each pool with its queues and its workers."""
        consumers = consumers_by_answers(pod for pool in objects.values() for pod in pool.pods)
        self.single = self._one_at_a_time(objects)
        named = {queue for pool in self._fleet.pools for queue in pool.queues}
        pools = {}
        for pool in self._fleet.pools:
            there = objects.get(pool.name, _NOTHING)
            serving = sum(pod.serves and not takes_nothing(pod) for pod in there.pods)
            seen = {queue: self._broker or self._queue(queue, serving) for queue in self._before.queues(pool)}
            if pool.is_catch_all:  # its queues are those that its workers share and that no other pool names
                self.own_queues = learned(self.own_queues, there.pods, named)
            known = begun(self.beginnings.get(pool.name, _UNSEEN), there.pods, seen, consumers, self._doubts.now)
            self.beginnings[pool.name] = known
            pods, unlearned = self._with_blank(there.pods, known), self._unlearned(pool)
            unacked = unlearned or self._unacked(pool, seen, pods)
            pools[pool.name] = changed(there, queues=seen, pods=pods, unacked=unacked, unlearned=unlearned)
        return pools

    def _one_at_a_time(self, objects: Mapping[str, PoolSnapshot]) -> frozenset[str]:
        """The fleet's queues that hand messages to one consumer at a time, by the last word of those that consume them.

        It is known when they have gone, too: the pool is advised of it, and the next ones may be silent at first.
        """
        words = [pod.word for pool in objects.values() for pod in pool.pods if pod.word is not None]
        told = {queue for word in words for queue in word.consuming or ()}
        known = (self._before.single - told).union(*(word.single for word in words))
        return known & {queue for pool in self._fleet.pools for queue in self._before.queues(pool)}

    def _with_blank(self, pods: tuple[PodSnapshot, ...], known: Beginnings) -> tuple[PodSnapshot, ...]:
        return with_blank(pods, known, self._doubts.now, self._fleet.patience.starts_within)

    def _unlearned(self, pool: Pool) -> Unknown | None:
        """Why nothing is known of a catch-all's queues: none of its workers has said yet which it consumes."""
        if not pool.is_catch_all or self.own_queues.answered:
            return None
        return self._doubts.unknown(f"catch-all {pool.name}", "no worker has said yet which queues it consumes")

    def _queue(self, name: str, serving: int) -> QueueSnapshot:
        depth, counted = self._sources.depths.get(name), self._sources.counted.get(name)
        if depth is None:
            return Missing()
        if isinstance(depth, Unread):
            return self._doubts.unknown(f"queue {name}", f"queue {name} {depth.why}")
        return self._present(name, depth, counted, serving)

    def _present(self, name: str, depth: Depth, counted: Counted | None, serving: int) -> Present:
        before, now = self._before.contradicted.get(name), self._doubts.now
        self.contradicted[name] = contradiction(before, depth.ready, depth.consumers, counted, now)
        counted = believed(counted, depth.ready, self.contradicted[name])
        ready, why = doubted(name, depth.ready, depth.consumers, counted, serving)
        doubt = self._doubts.of(f"queue {name}", why)
        most = max(ready, counted.ready) if counted else ready
        unacked = counted.unacked if counted else None
        return Present(ready, depth.consumers, unacked, most, doubt, single=name in self.single)

    def _unacked(self, pool: Pool, queues: Mapping[str, QueueSnapshot], pods: tuple[PodSnapshot, ...]) -> Count:
        if self._statistics is not None:
            return self._statistics
        present = {name: snapshot for name, snapshot in queues.items() if isinstance(snapshot, Present)}
        if self._fleet.broker.stats_url is None:
            why = why_not_told(present, pods)
            return self._doubts.of(f"consumers {pool.name}", why) or told_unacked(pods)
        unlisted = [name for name, snapshot in present.items() if snapshot.unacked is None]
        if unlisted:
            return self._doubts.unknown(f"listing {pool.name}", f"queue {unlisted[0]} is not in the statistics")
        return sum(snapshot.unacked or 0 for snapshot in present.values())


def _with_own_alone(pool: Pool, seen: PoolSnapshot, statistics: Unknown | None, doubts: _Doubts) -> PoolSnapshot:
    """The pool, where others consume its queues on purpose, with what its own workers hold: the rest is theirs.

    The broker's count can't be divided between the two, and tasks that theirs run are no work for ours. A message that
    one of ours took since it answered is missed once; the drain, which asks each worker again, is what keeps it.
    """
    if pool.foreign_consumers != "Expected" or not seen.foreign or statistics is not None:
        return seen
    present = {name: it for name, it in seen.queues.items() if isinstance(it, Present)}
    why = why_not_told(present, seen.pods, others=True)
    doubt = seen.unlearned or doubts.of(f"own share of {pool.name}", why)
    return changed(seen, unacked=doubt or told_unacked(seen.pods))


def why_not_told(present: Mapping[str, Present], pods: tuple[PodSnapshot, ...], *, others: bool = False) -> str | None:
    """Why the workers' own words don't tell what is unacknowledged; None: they do.

    They do where the consumers on each queue are exactly the pool's workers; of a queue that hands messages to one at a
    time the others may not be counted. A quorum queue counts a worker that has left it until it has acknowledged all.

    Args:
        present: the pool's queues that answered, by name.
        pods: its workers.
        others: whether more consumers may be there, and what these hold is not asked for.
    """
    workers = [pod for pod in pods if pod.running]
    staying = [pod for pod in workers if pod.staying]
    remedy = "" if others else "; no broker.stats"
    least = sum(not takes_nothing(pod) for pod in staying)
    most = sum(not takes_nothing(pod) or _holds_messages(pod) for pod in workers)
    for name, snapshot in present.items():
        if (snapshot.consumers < least and not snapshot.single) or (snapshot.consumers > most and not others):
            ours = plural(len(staying), "worker")
            return f"queue {name} has {plural(snapshot.consumers, 'consumer')}, the pool {ours}{remedy}"
    limited = next((pod.name for pod in staying if pod.sample is not None and pod.sample.limited), None)
    if limited is not None:
        return f"worker {limited} does not tell of messages that wait for a rate_limit{remedy}"
    return None


def told_unacked(pods: Iterable[PodSnapshot]) -> Count:
    """What is unacknowledged by the workers' own words; Unknown where one that stays is silent."""
    workers = [pod for pod in pods if pod.running]
    silent = next((pod.held for pod in workers if pod.staying and isinstance(pod.held, Unknown)), None)
    return silent or sum(pod.held.unacked for pod in workers if isinstance(pod.held, WorkerLoad))


def takes_nothing(pod: PodSnapshot) -> bool:
    """Whether a worker says itself that it consumes no queue."""
    return isinstance(pod.held, WorkerLoad) and pod.held.consuming == ()


def _holds_messages(pod: PodSnapshot) -> bool:
    return isinstance(pod.held, WorkerLoad) and pod.held.unacked > 0


def _with_held_by_removed(
    pools: Mapping[str, PoolSnapshot], removed: Mapping[str, PoolSnapshot]
) -> dict[str, PoolSnapshot]:
    """The pools, each with what workers of removed ones hold of its queues: it needs no workers for that.

    So it is when a pool is renamed, or two are made one. Where one was split it is not known whose such a task is.

    Args:
        pools: that are asked for, by name.
        removed: that are no longer asked for and whose workers are there still, by name.
    """
    there = (pod for it in removed.values() for pod in it.pods if pod.running)
    going = [(set(it.queues), it.held.unacked) for it in there if isinstance(it.held, WorkerLoad)]
    if not going:
        return dict(pools)
    held = {
        name: sum(number for queues, number in going if queues and queues <= it.queues.keys())
        for name, it in pools.items()
    }
    return {name: changed(it, held_by_removed=held[name]) if held[name] else it for name, it in pools.items()}


def _with_silent(pool: PoolSnapshot, doubts: _Doubts) -> PoolSnapshot:
    """The pool, each silent worker with since when it has been silent."""
    silent = {}
    for pod in pool.pods:
        unknown = doubts.of(f"worker {pod.name}", pod.held.why if isinstance(pod.held, Unknown) else None)
        if unknown is not None and unknown != pod.held:
            silent[pod.name] = changed(pod, held=unknown)
    return changed(pool, pods=tuple(silent.get(pod.name, pod) for pod in pool.pods)) if silent else pool
