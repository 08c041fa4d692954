"""Looks at one fleet: broker, workers and the cluster's objects become one `FleetSnapshot`."""

from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeAlias

from utilitarian_operator.adapters.broker.seam import Broker, BrokerSnapshot, Questions
from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, PODS, STATEFUL_SETS, Key, Store
from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.api.names import pool_object
from utilitarian_operator.core.labels import POOL_LABEL, node_name
from utilitarian_operator.core.observation.assemble import Beliefs, Sources, assemble
from utilitarian_operator.core.observation.beat import BeatSnapshot
from utilitarian_operator.core.observation.deltas import Flows, History, LastMessages
from utilitarian_operator.core.observation.model import (
    Counted,
    FleetSnapshot,
    PodSnapshot,
    PoolSnapshot,
)
from utilitarian_operator.core.observation.pod import no_older, pod_snapshot
from utilitarian_operator.core.observation.pod_failures import PodFailure, pod_failure, rolls_out
from utilitarian_operator.core.observation.reported import reported
from utilitarian_operator.errors import BrokerError
from utilitarian_operator.reconcile.observe.starts import Starts

ANSWER_HOLDS_S = 4.0
"""How long a worker's answer is believed: a few rounds of questions, each a second."""

_Pods: TypeAlias = Mapping[str, tuple[PodSnapshot, ...]]


class Observer:
    """Eyes of one fleet; keeps what was counted, and believed, at the last look.

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
        self._history = History(began) if began else History()
        self._starts = Starts(self._history.began)
        self._flows = Flows()
        self._beliefs = Beliefs()
        self._last = LastMessages(last_messages or {})

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
        known, bodies = broker.known, self._bodies()
        # Before the depths: what a worker took in between is then missed once, and not counted on both sides.
        pods = self._pods(bodies, known, now, fleet.patience.sampled.total_seconds())
        queues = [queue for pool in fleet.pools for queue in self._beliefs.queues(pool)]
        after = await broker.look(queues)
        self.failed = after.failed
        sources = _sources_of(known, after)
        failures = {it.name: self._failure(it, deployments, bodies, now, warnings) for it in fleet.pools}
        objects = dict(self._objects(fleet, deployments, pods, failures, sources.counted))
        found = assemble(fleet, sources, objects, self._beliefs, now, self._neighbours)
        self._beliefs = found.beliefs
        self._ask(broker, found.pools, found.leftover, shrinking, beats=beat is not None and fleet.mode != "Preview")
        rolls, ages = tuple(self._rolling_out(deployments)), tuple(after.sources())
        last = self._last_messages(fleet, found.pools, sources.counted, now)
        return FleetSnapshot(
            *(now, found.pools, found.broker, found.statistics, beat, rolls, found.mute, found.leftover),
            about=after.settings,
            sources=ages,
            last_messages=last,
        )

    def _objects(
        self,
        fleet: Fleet,
        deployments: Mapping[str, Any],
        pods: _Pods,
        failures: Mapping[str, PodFailure | None],
        counted: Mapping[str, Counted],
    ) -> Iterator[tuple[str, PoolSnapshot]]:
        """Each pool as its objects tell, without its queues; those that the spec no longer has, too."""
        for pool in fleet.pools:
            name, flow = pool.name, self._flows.since(pool.name, counted, self._beliefs.queues(pool))
            deployment = deployments.get(self._deployment(pool))
            yield name, _of_deployment(deployment, pods.get(name, ()), failures[name], flow)
        labels = ((body["metadata"].get("labels") or {}, body) for body in deployments.values())
        others = {str(it[POOL_LABEL]): body for it, body in labels if POOL_LABEL in it}
        for name in sorted({*others, *pods} - {pool.name for pool in fleet.pools}):
            yield name, _of_deployment(others.get(name), pods.get(name, ()))

    def _failure(
        self,
        pool: Pool,
        deployments: Mapping[str, Any],
        bodies: Mapping[str, list[Mapping[str, Any]]],
        now: datetime,
        warnings: Mapping[str, str],
    ) -> PodFailure | None:
        deployment, hurries = deployments.get(self._deployment(pool)), pool.scaling.wake == "WhenDue"
        return pod_failure(deployment, bodies.get(pool.name, ()), now, warnings, hurries=hurries)

    def _deployment(self, pool: Pool) -> str:
        return pool_object(self._key.name, pool.name)

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
        now: datetime,
        sampled_s: float,
    ) -> dict[str, tuple[PodSnapshot, ...]]:
        there = {
            pool: [it for it in found if it.get("status", {}).get("phase") not in {"Succeeded", "Failed"}]
            for pool, found in bodies.items()
        }
        pods = {
            pool: tuple(self._pod(it, seen, now, sampled_s) for it in found) for pool, found in there.items() if found
        }
        everyone = self._store.children(PODS, self._key)
        self._history.keep_only(everyone)
        return self._starts.see(pods, everyone, now, broker_away=self.failed is not None)

    def _pod(self, body: Mapping[str, Any], seen: BrokerSnapshot, now: datetime, sampled_s: float) -> PodSnapshot:
        name = body["metadata"]["name"]
        held = seen.told(node_name(name), seen.at - ANSWER_HOLDS_S)
        why = f"worker {name} does not answer" if seen.mute is None else str(seen.mute)
        answer = self._beliefs.silent(name, why, now) if held is None else held
        sample = seen.sample(node_name(name), seen.at - sampled_s)
        caught_up = self._store.told(PODS, self._key, name)
        pod = pod_snapshot(name, body, answer, caught_up=caught_up)
        sample = None if sample is None else no_older(sample, pod.running_since, now)
        return self._history.add(pod, body, sample, seen.worked.get(node_name(name)))

    def _rolling_out(self, deployments: Mapping[str, Any]) -> Iterable[str]:
        for name, body in sorted({**deployments, **self._store.children(STATEFUL_SETS, self._key)}.items()):
            if rolls_out(body):
                yield name


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


def _of_deployment(
    deployment: Mapping[str, Any] | None,
    pods: tuple[PodSnapshot, ...],
    failure: PodFailure | None = None,
    flow: tuple[int | None, int | None] = (None, None),
) -> PoolSnapshot:
    """What a pool's Deployment asks for and says of its pods, with what flowed since the last look."""
    replicas = None if deployment is None else int(deployment["spec"].get("replicas", 1))
    said = None if deployment is None else reported(deployment)
    arrived, left = flow
    return PoolSnapshot({}, 0, pods, replicas, pod_failure=failure, arrived=arrived, left=left, reported=said)
