"""From a pool's pods to the workers that can be drained, and to those whose readiness gate is due."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.draining import steps as drain
from utilitarian_operator.core.draining.steps import PoolWorkers, Worker
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.sizing.fleet_limits import takes_back

ASKED_AFTER = timedelta(seconds=3)
"""Time in which a worker that was not asked before has said what it holds, or is one that doesn't answer."""

NEVER = datetime.max.replace(tzinfo=UTC)
MAY_BE_UNHEARD = timedelta(minutes=1)
"""A consumer that no worker tells of may be one whose start no watch has shown yet, and that has yet to be asked."""

ABOUT_TO_RUN = timedelta(seconds=10)
"""A task whose ETA comes sooner may run by now, or before its worker has gone: what was said is some seconds old."""

MUTE_BUT_CONSUMING_AFTER = timedelta(seconds=30)
"""A worker that can't answer (remote control refused, or busy in a solo pool) is believed by its consumers then."""


@dataclass(frozen=True, slots=True)
class OpenGate:
    """Say to Kubernetes that a worker consumes, which makes it ready."""

    pod: str


def pool_workers(
    pool: Pool | None,
    snapshot: PoolSnapshot,
    now: datetime,
    shrinking_for: timedelta = timedelta(),
    *,
    gives_back: bool = True,
    told: Container[str] = (),
) -> PoolWorkers:
    """The workers of a pool, as its drain sees them.

    Args:
        pool: the effective spec; None for a pool that is no longer asked for.
        snapshot: of its pods.
        now: the one clock.
        shrinking_for: since when it has more workers than are wanted.
        gives_back: whether what waits in a worker for an ETA may go back to the queue if it is due late.
        told: pods whose workers were just told to consume.
    """
    patience = now + ABOUT_TO_RUN if pool is None else now + pool.drain_timeout if gives_back else NEVER
    since = now - MAY_BE_UNHEARD if snapshot.unexplained else now
    workers = [_worker(pod, _later(pod, patience, gone=pool is None), told, since, now) for pod in snapshot.pods]
    silent = any(pod.running and pod.staying and not isinstance(pod.held, WorkerLoad) for pod in snapshot.pods)
    return PoolWorkers(
        workers,
        snapshot.replicas or 0,
        rolling_out=_rolling_out(snapshot),
        may_return=pool is not None and takes_back(pool),
        queues=tuple(snapshot.queues),
        asked=not silent or shrinking_for >= ASKED_AFTER,
        agreed=agreed(snapshot),
        refused=snapshot.reported is not None and snapshot.reported.refused,
        waiting=any(isinstance(queue, Present) and queue.ready > 0 for queue in snapshot.queues.values()),
    )


def agreed(snapshot: PoolSnapshot) -> bool:
    """Whether the Deployment, in its own word on the spec as it is now, has the pods that are seen, and as many ready.

    Pods and Deployments come by watches of their own, each of which may stand still or come late.
    """
    said, there = snapshot.reported, [pod for pod in snapshot.pods if not pod.leaving]
    if said is None or not said.observed or not all(pod.caught_up for pod in there):
        return False
    return (said.pods, said.ready) == (len(there), sum(pod.ready for pod in there))


def gates(snapshot: PoolSnapshot, now: datetime, workers: PoolWorkers, desired: int) -> Iterator[OpenGate]:
    """Workers that are to be called ready and are not yet: those that consume, and of those that leave some.

    Args:
        snapshot: of the pool.
        now: the one clock.
        workers: of the pool, as its drain sees them.
        desired: workers wanted.
    """
    keeping = drain.keeps_ready(workers, desired)
    for pod, worker in zip(snapshot.pods, workers.workers, strict=True):
        if not pod.gated or pod.gate is True or pod.leaving or not pod.running:
            continue
        # One that was released before its container ran is drained like any other, and others don't wait for it.
        alive = isinstance(pod.held, WorkerLoad) and not worker.empty
        if _consumes(pod, snapshot, now) if pod.staying else keeping or alive:
            yield OpenGate(pod.name)


def _rolling_out(snapshot: PoolSnapshot) -> bool:
    """Whether pods of several templates are there, by their own labels or by the Deployment's word."""
    return snapshot.rolling_out or (
        snapshot.reported is not None and snapshot.reported.updated < snapshot.reported.pods
    )


def _consumes(pod: PodSnapshot, snapshot: PoolSnapshot, now: datetime) -> bool:
    if isinstance(pod.held, WorkerLoad):
        return bool(pod.held.consuming)
    if pod.running_since is None or now - pod.running_since < MUTE_BUT_CONSUMING_AFTER:
        return False
    running = sum(other.running for other in snapshot.pods)
    seen = [queue for queue in snapshot.queues.values() if isinstance(queue, Present)]
    return bool(seen) and all(queue.consumers >= running for queue in seen)


def _later(pod: PodSnapshot, patience: datetime, *, gone: bool) -> bool:
    """Whether what waits in a worker for an ETA may be given back: what is due after `patience`.

    It is waited for where it is not said when it is due, but not in a pool that goes for good.
    """
    due = pod.held.first_due if isinstance(pod.held, WorkerLoad) else None
    return gone if due is None else due > patience


def _worker(pod: PodSnapshot, later: bool, told: Container[str], since: datetime, now: datetime) -> Worker:
    """A worker; one that was marked after `since` may run although it is not seen to."""
    unheard = pod.marked is not None and since < pod.marked <= now
    return Worker(
        name=pod.name,
        running=pod.running
        or isinstance(pod.held, WorkerLoad),  # who answers runs, whatever the watch has shown so far
        ready=pod.ready,
        leaving=pod.leaving,
        held=pod.held,
        consuming=pod.held.consuming if isinstance(pod.held, WorkerLoad) else None,
        marked=pod.marked,
        released=pod.released,
        blank=pod.blank,
        stopped=pod.caught_up and not unheard,
        withdrawn=pod.gated and pod.gate is False,
        later=later,
        takes_nothing=pod.takes_nothing and pod.name not in told,
        queues=pod.queues,
    )
