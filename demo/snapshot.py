"""Looks at the fleet from outside, as its owner could: resource, Deployments, pods, queues, ledger; changes nothing."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from demo.bed import DemoError
from demo.broker import Broker, Depth
from demo.cluster import DEPLOYMENTS, PODS, STATEFUL_SETS, Cluster, Object
from utilitarian.reckoning import Ledger
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.resource import parse

EVERY = 0.5  # seconds between two looks
_OVER = {"Succeeded", "Failed"}


@dataclass(frozen=True)
class PoolSnapshot:
    """One pool at one moment.

    Args:
        waiting: messages on its queues that no worker has; None while one of its queues doesn't exist.
        running: tasks that have started and not ended, by the ledger.
        wanted: replicas that its Deployment asks for; None while there is no Deployment.
        ready: pods that are ready.
        pods: that exist, ready or not: what is paid for.
        why: the operator's own sentence.
    """

    name: str
    waiting: int | None
    running: int
    wanted: int | None
    ready: int
    pods: int
    why: str

    @property
    def asleep(self) -> bool:
        """Whether the pool has nothing to do and costs nothing."""
        return self.waiting == 0 and self.running == 0 and self.wanted == 0 and self.pods == 0

    def __str__(self) -> str:
        counts = f"{self.waiting} waiting, {self.running} running, {self.wanted} workers wanted, {self.pods} pods"
        return f"{self.name}: {counts} ({self.why})"


@dataclass(frozen=True)
class Snapshot:
    """The fleet at one moment; `at` in seconds since the epoch, `finished` tasks so far."""

    at: float
    pools: tuple[PoolSnapshot, ...]
    beat_ready: bool
    finished: int

    @property
    def asleep(self) -> bool:
        """Whether every pool is."""
        return all(pool.asleep for pool in self.pools)

    def __str__(self) -> str:
        awake = [str(pool) for pool in self.pools if not pool.asleep]
        return "; ".join(awake) or "all pools asleep"


@dataclass
class Watcher:
    """Eyes on one fleet that remember every look.

    Args:
        resource: the fleet as it is applied; tells which pool consumes which queues.
        show: called with each look.
    """

    cluster: Cluster
    broker: Broker
    resource: Mapping[str, Any]
    show: Callable[[Snapshot], None] = lambda _: None
    history: list[Snapshot] = field(default_factory=list)
    ledger: Ledger = field(default_factory=lambda: Ledger([]))

    def __post_init__(self) -> None:
        fleet = effective_fleet(parse(_placed(self.resource, self.cluster.namespace)).spec)
        self.pools = {pool.name: pool.queues for pool in fleet.pools}
        self.name = str(self.resource["metadata"]["name"])

    def pool_of(self, queue: str) -> str:
        """The pool that consumes a queue."""
        return next(pool for pool, queues in self.pools.items() if queue in queues)

    def until(self, condition: Callable[[Snapshot], bool], *, within: float, what: str) -> Snapshot:
        """Look every half second until the condition holds, and return that look.

        Raises:
            DemoError: it doesn't within so many seconds; the message has the last state.
        """
        deadline = time.monotonic() + within
        while not condition(snapshot := self.look()):
            if time.monotonic() > deadline:
                raise DemoError(
                    f"{what} within {within:.0f} s; {snapshot}. With --keep it can be looked at: `kubectl describe uwp`"
                )
            time.sleep(EVERY)
        return snapshot

    def look(self) -> Snapshot:
        """Look once."""
        self.ledger = self.broker.ledger()
        depths, at = self.broker.depths(), time.time()
        selector = f"app.kubernetes.io/instance={self.name}"
        deployments = {body["metadata"]["name"]: body for body in self.cluster.items(DEPLOYMENTS, selector)}
        pods = Counter[str]()
        ready = Counter[str]()
        for pod in self.cluster.items(PODS, f"{selector},app.kubernetes.io/component=worker"):
            if pod.get("status", {}).get("phase") not in _OVER:
                pool = pod["metadata"]["labels"]["utilitarian.io/pool"]
                pods[pool] += 1
                ready[pool] += _is_ready(pod)
        running = _running(self.ledger)
        whys = _whys(self.cluster.fleet(self.name))
        pools = tuple(
            PoolSnapshot(
                name=pool,
                waiting=_waiting(queues, depths),
                running=sum(running[queue] for queue in queues),
                wanted=_replicas(deployments.get(f"{self.name}-{pool}")),
                ready=ready[pool],
                pods=pods[pool],
                why=whys.get(pool, ""),
            )
            for pool, queues in self.pools.items()
        )
        snapshot = Snapshot(at, pools, self._beat_ready(selector), len(self.ledger.ids("end")))
        self.history.append(snapshot)
        self.show(snapshot)
        return snapshot

    def _beat_ready(self, selector: str) -> bool:
        found = self.cluster.items(STATEFUL_SETS, f"{selector},app.kubernetes.io/component=beat")
        return any(body.get("status", {}).get("readyReplicas") for body in found)


def _placed(resource: Mapping[str, Any], namespace: str) -> Object:
    return {**resource, "metadata": {**resource["metadata"], "namespace": namespace}}


def _waiting(queues: Sequence[str], depths: Mapping[str, Depth]) -> int | None:
    if any(queue not in depths for queue in queues):
        return None
    return sum(depths[queue].ready for queue in queues)


def _running(ledger: Ledger) -> Counter[str]:
    queues = {record.task_id: record.queue for record in ledger.records}
    return Counter(queues[task] for task in ledger.running())


def _replicas(deployment: Object | None) -> int | None:
    return None if deployment is None else int(deployment["spec"].get("replicas", 1))


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _whys(fleet: Object | None) -> dict[str, str]:
    pools = (fleet or {}).get("status", {}).get("pools", [])
    return {pool["name"]: pool.get("message", "") for pool in pools}
