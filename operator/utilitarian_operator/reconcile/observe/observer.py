"""Looks at one fleet: broker, workers and the cluster's objects become one `FleetSnapshot`."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeAlias

from utilitarian_operator.adapters.broker.seam import Broker, BrokerSnapshot, Depth, Depths, Questions, Untold
from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, PODS, STATEFUL_SETS, Key, Store
from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.api.names import pool_object
from utilitarian_operator.core.labels import POOL_LABEL, node_name
from utilitarian_operator.core.moments import since
from utilitarian_operator.core.observation.beat import BeatSnapshot
from utilitarian_operator.core.observation.blank_workers import Beginnings, begun, consumers_by_answers, with_blank
from utilitarian_operator.core.observation.deltas import Flows, History, LastMessages
from utilitarian_operator.core.observation.foreign_consumers import with_foreign
from utilitarian_operator.core.observation.model import (
    Count,
    Counted,
    FleetSnapshot,
    Missing,
    PodSnapshot,
    PoolSnapshot,
    Present,
    QueueSnapshot,
    Unknown,
    WorkerLoad,
)
from utilitarian_operator.core.observation.own_queues import Learned, learned
from utilitarian_operator.core.observation.pod import no_older, pod_snapshot
from utilitarian_operator.core.observation.pod_failures import pod_failure, rolls_out
from utilitarian_operator.core.observation.queue_trust import Contradiction, believed, contradiction, doubted
from utilitarian_operator.core.observation.reported import reported
from utilitarian_operator.core.wording import plural
from utilitarian_operator.errors import BrokerError
from utilitarian_operator.reconcile.observe.starts import Starts

ANSWER_HOLDS_S = 4.0
"""How long a worker's answer is believed: a few rounds of questions, each a second."""

SAMPLE_HOLDS_S = 25.0
"""How long a sample counts in averages: two of the slow rounds."""

Answers: TypeAlias = tuple[Depths, Unknown | None]
"""Depths by queue, and why there are none."""

_Pods: TypeAlias = Mapping[str, tuple[PodSnapshot, ...]]


class Observer:
    """Eyes of one fleet; keeps only since when something is unknown, and what was counted at the last look.

    Args:
        key: of the fleet.
        store: of the cluster's objects.
        last_messages: by queue, as the resource's status has them.
        began: when this operator began to look; without it, now.
    """

    def __init__(
        self,
        key: Key,
        store: Store,
        last_messages: Mapping[str, datetime] | None = None,
        began: datetime | None = None,
    ) -> None:
        self._key, self._store = key, store
        self.failed: BrokerError | None = None
        """Why the broker could not be seen at the last look."""
        self._unseen: dict[str, datetime] = {}
        self._history = History(began) if began else History()
        self._starts = Starts(self._history.began)
        self._flows = Flows()
        self._contradicted: dict[str, Contradiction | None] = {}
        self._last = LastMessages(last_messages or {})
        self._caught = Learned()
        self._beginnings: dict[str, Beginnings] = {}

    async def look(
        self,
        fleet: Fleet,
        broker: Broker,
        now: datetime,
        shrinking: Container[str] = frozenset(),
        beat: BeatSnapshot | None = None,
        warnings: Mapping[str, str] = MappingProxyType({}),
    ) -> FleetSnapshot:
        """See everything once.

        Args:
            fleet: what runs.
            broker: to look at it through.
            now: the one clock.
            shrinking: names of pools with more workers than are wanted: all of them are asked what they hold.
            beat: what was seen of it, by eyes of its own.
            warnings: what Kubernetes warns of about pods that don't become ready, by the pod's name.
        """
        deployments = self._store.children(DEPLOYMENTS, self._key)
        before, bodies = broker.known, self._bodies()
        mute = self._mute(before, now)
        # Before the depths: what a worker took in between is then missed once, and not counted on both sides.
        pods = self._pods(bodies, before, mute, now)
        queues = [queue for pool in fleet.pools for queue in self._queues(pool)]
        after = await broker.look(queues)
        answers = self._depths(after, now)
        counted, statistics = self._statistics(after, now)
        pools = {}
        for pool, seen, mine in self._each(fleet, answers, counted, pods, now):
            deployment = deployments.get(pool_object(self._key.name, pool.name))
            replicas = None if deployment is None else int(deployment["spec"].get("replicas", 1))
            unlearned, counts = self._unlearned(pool, now), fleet.broker.stats_url is not None
            unacked = unlearned or self._unacked(pool, seen, mine, statistics, counts, now)
            arrived, left = self._flows.since(pool.name, counted, seen)
            failure = pod_failure(deployment, bodies.get(pool.name, ()), now, warnings)
            snapshot = PoolSnapshot(seen, unacked, mine, replicas, pod_failure=failure, unlearned=unlearned)
            said = None if deployment is None else reported(deployment)
            pools[pool.name] = replace(snapshot, arrived=arrived, left=left, reported=said)
        pools = with_foreign(fleet, pools, after.consuming, self._neighbours)
        leftover = _leftover(deployments, pods, pools)
        self._ask(broker, pools, leftover, shrinking, beats=beat is not None and fleet.mode != "Preview")
        rolls, sources = tuple(self._rolling_out(deployments)), tuple(after.sources())
        about, last = after.settings, self._last_messages(fleet, pools, counted, now)
        return FleetSnapshot(now, pools, answers[1], statistics, beat, rolls, mute, leftover, about, sources, last)

    def _each(
        self, fleet: Fleet, answers: Answers, counted: Mapping[str, Counted], pods: _Pods, now: datetime
    ) -> Iterator[tuple[Pool, dict[str, QueueSnapshot], tuple[PodSnapshot, ...]]]:
        """Each pool with its queues and its workers."""
        depths, unreachable = answers
        told = consumers_by_answers(pod for found in pods.values() for pod in found)
        for pool in fleet.pools:
            mine = pods.get(pool.name, ())
            serving = sum(pod.serves and not _takes_nothing(pod) for pod in mine)
            seen = {
                queue: unreachable or self._queue(queue, depths.get(queue), counted.get(queue), serving, now)
                for queue in self._queues(pool)
            }
            if pool.is_catch_all:
                self._learn_queues(fleet, mine)
            known = begun(self._beginnings.get(pool.name, Beginnings()), mine, seen, told, now)
            self._beginnings[pool.name] = known
            yield pool, seen, with_blank(mine, known, now)

    def _depths(self, seen: BrokerSnapshot, now: datetime) -> Answers:
        """The broker's answers, or why there are none."""
        self.failed = seen.failed
        if seen.failed is not None:
            return {}, self._unknown("broker", str(seen.failed), now)
        self._unseen.pop("broker", None)
        return seen.depths, None

    def _ask(
        self,
        broker: Broker,
        pools: Mapping[str, PoolSnapshot],
        leftover: Mapping[str, PoolSnapshot],
        shrinking: Container[str],
        *,
        beats: bool,
    ) -> None:
        soon = (pod for name, pool in pools.items() for pod in _worth_asking(pool, shrinking=name in shrinking))
        going = (pod for pool in leftover.values() for pod in pool.pods if pod.running)
        running = (pod for pool in pools.values() for pod in pool.pods if pod.running)
        around = any(pool.foreign for pool in pools.values())
        broker.ask(self._key, Questions(_nodes((*soon, *going)), _nodes(running), around, beats))

    def _neighbours(self) -> dict[str, str]:
        return {node_name(pod): str(key) for pod, key in self._store.neighbours(self._key).items()}

    def _queues(self, pool: Pool) -> tuple[str, ...]:
        return self._caught.queues if pool.is_catch_all else pool.queues

    def _last_messages(
        self, fleet: Fleet, pools: Mapping[str, PoolSnapshot], counted: Mapping[str, Counted], now: datetime
    ) -> Mapping[str, datetime]:
        """As far as they are known; a catch-all with a schedule may learn its queues only later."""
        scheduled = [pool for pool in fleet.pools if pool.schedule]
        for pool in scheduled:
            self._last.see(pools[pool.name].queues, counted, now)
        if not any(pool.is_catch_all for pool in scheduled):
            self._last.keep_only({queue for pool in scheduled for queue in pool.queues})
        return dict(self._last.known)

    def _learn_queues(self, fleet: Fleet, workers: Iterable[PodSnapshot]) -> None:
        """The catch-all's queues are those that its workers share and that no other pool names."""
        self._caught = learned(self._caught, workers, {queue for pool in fleet.pools for queue in pool.queues})

    def _unlearned(self, pool: Pool, now: datetime) -> Unknown | None:
        """Why nothing is known of a catch-all's queues: none of its workers has said yet which it consumes."""
        if not pool.is_catch_all or self._caught.told:
            return None
        return self._unknown(f"catch-all {pool.name}", "no worker has said yet which queues it consumes", now)

    def _statistics(self, seen: BrokerSnapshot, now: datetime) -> tuple[Mapping[str, Counted], Unknown | None]:
        counted = seen.counted
        if isinstance(counted, BrokerError):
            return {}, self._unknown("statistics", str(counted), now)
        self._unseen.pop("statistics", None)
        return counted or {}, None

    def _mute(self, seen: BrokerSnapshot, now: datetime) -> Unknown | None:
        if seen.mute is not None:
            return self._unknown("remote control", str(seen.mute), now)
        self._unseen.pop("remote control", None)
        return None

    def _queue(
        self, name: str, depth: Depth | Untold | None, counted: Counted | None, serving: int, now: datetime
    ) -> QueueSnapshot:
        if depth is None:
            return Missing()
        if isinstance(depth, Untold):
            return self._unknown(f"queue {name}", f"queue {name} {depth.why}", now)
        self._contradicted[name] = contradiction(
            self._contradicted.get(name), depth.ready, depth.consumers, counted, now
        )
        counted = believed(counted, depth.ready, self._contradicted[name])
        ready, why = doubted(name, depth.ready, depth.consumers, counted, serving)
        if why is None:
            self._unseen.pop(f"queue {name}", None)
        doubt = None if why is None else self._unknown(f"queue {name}", why, now)
        most = max(ready, counted.ready) if counted else ready
        return Present(ready, depth.consumers, counted.unacked if counted else None, most, doubt)

    def _unacked(
        self,
        pool: Pool,
        queues: Mapping[str, QueueSnapshot],
        pods: tuple[PodSnapshot, ...],
        statistics: Unknown | None,
        counted: bool,
        now: datetime,
    ) -> Count:
        if statistics is not None:
            return statistics
        present = {name: snapshot for name, snapshot in queues.items() if isinstance(snapshot, Present)}
        if counted:
            unlisted = [name for name, snapshot in present.items() if snapshot.unacked is None]
            if unlisted:
                return self._unknown(f"listing {pool.name}", f"queue {unlisted[0]} is not in the statistics", now)
            return sum(snapshot.unacked or 0 for snapshot in present.values())
        return self._told_unacked(pool, present, pods, now)

    def _told_unacked(
        self, pool: Pool, present: Mapping[str, Present], pods: tuple[PodSnapshot, ...], now: datetime
    ) -> Count:
        """Without statistics: what the pool's workers say, if the consumers on each queue are exactly they."""
        workers = [pod for pod in pods if pod.running]
        staying = [pod for pod in workers if pod.staying]
        least, most = (sum(not _takes_nothing(pod) for pod in pods) for pods in (staying, workers))
        for name, snapshot in present.items():
            if not least <= snapshot.consumers <= most:
                ours = plural(len(staying), "worker")
                why = f"queue {name} has {plural(snapshot.consumers, 'consumer')}, the pool {ours}; no broker.stats"
                return self._unknown(f"consumers {pool.name}", why, now)
        limited = next((pod.name for pod in staying if pod.sample is not None and pod.sample.limited), None)
        if limited is not None:
            why = f"worker {limited} does not tell of messages that wait for a rate_limit; no broker.stats"
            return self._unknown(f"consumers {pool.name}", why, now)
        self._unseen.pop(f"consumers {pool.name}", None)
        silent = next((pod.held for pod in staying if isinstance(pod.held, Unknown)), None)
        return silent or sum(pod.held.unacked for pod in workers if isinstance(pod.held, WorkerLoad))

    def _bodies(self) -> dict[str, list[Mapping[str, Any]]]:
        """The pods' objects by pool, sorted by name."""
        bodies: dict[str, list[Mapping[str, Any]]] = {}
        for _, body in sorted(self._store.children(PODS, self._key).items()):
            pool = (body["metadata"].get("labels") or {}).get(POOL_LABEL)
            if pool is not None:
                bodies.setdefault(pool, []).append(body)
        return bodies

    def _pods(
        self,
        bodies: Mapping[str, Iterable[Mapping[str, Any]]],
        seen: BrokerSnapshot,
        mute: Unknown | None,
        now: datetime,
    ) -> dict[str, tuple[PodSnapshot, ...]]:
        there = {
            pool: [it for it in found if it.get("status", {}).get("phase") not in {"Succeeded", "Failed"}]
            for pool, found in bodies.items()
        }
        pods = {pool: tuple(self._pod(it, seen, mute, now) for it in found) for pool, found in there.items() if found}
        everyone = self._store.children(PODS, self._key)
        self._history.keep_only(everyone)
        return self._starts.see(pods, everyone, now, broker_away=self.failed is not None)

    def _pod(self, body: Mapping[str, Any], seen: BrokerSnapshot, mute: Unknown | None, now: datetime) -> PodSnapshot:
        name = body["metadata"]["name"]
        held = seen.told(node_name(name), seen.at - ANSWER_HOLDS_S)
        why = mute.why if mute else f"worker {name} does not answer"
        answer = self._unknown(f"worker {name}", why, now) if held is None else held
        if held is not None:
            self._unseen.pop(f"worker {name}", None)
        sample = seen.sample(node_name(name), seen.at - SAMPLE_HOLDS_S)
        told = self._store.told(PODS, self._key, name)
        pod = pod_snapshot(name, body, answer, told=told)
        sample = None if sample is None else no_older(sample, pod.running_since, now)
        return self._history.add(pod, body, sample, seen.worked.get(node_name(name)))

    def _rolling_out(self, deployments: Mapping[str, Any]) -> Iterable[str]:
        for name, body in sorted({**deployments, **self._store.children(STATEFUL_SETS, self._key)}.items()):
            if rolls_out(body):
                yield name

    def _unknown(self, what: str, why: str, now: datetime) -> Unknown:
        self._unseen[what] = since(self._unseen.get(what), now)
        return Unknown(why, self._unseen[what])


def _nodes(pods: Iterable[PodSnapshot]) -> frozenset[str]:
    return frozenset(node_name(pod.name) for pod in pods)


def _worth_asking(pool: PoolSnapshot, *, shrinking: bool) -> Iterable[PodSnapshot]:
    """The workers whose state matters now: a pool with messages waiting stays as it is whatever most of them say."""
    for pod in pool.pods:
        unopened = pod.gated and pod.gate is not True
        # One that was chosen because its container didn't run may have come to life since, and says so first.
        leaves = pod.marked is not None and not pod.leaving
        matters = shrinking or pool.ready == 0 or pool.unlearned or unopened or not pod.staying
        if leaves or (pod.running and matters):
            yield pod


def _takes_nothing(pod: PodSnapshot) -> bool:
    return isinstance(pod.held, WorkerLoad) and pod.held.consuming == ()


def _leftover(
    deployments: Mapping[str, Any], pods: Mapping[str, tuple[PodSnapshot, ...]], asked_for: Container[str]
) -> dict[str, PoolSnapshot]:
    """Pools that the spec no longer has, by name, as long as their Deployments are there."""
    found = {}
    for body in deployments.values():
        name = (body["metadata"].get("labels") or {}).get(POOL_LABEL)
        if name is not None and name not in asked_for:
            replicas = int(body["spec"].get("replicas", 1))
            found[name] = PoolSnapshot({}, 0, pods.get(name, ()), replicas, reported=reported(body))
    return found
