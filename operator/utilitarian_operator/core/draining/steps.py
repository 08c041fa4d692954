"""How workers leave: which one is next, and the next step of each worker that is leaving.

A worker is marked, its consumers are cancelled, it finishes what it holds, it is released (not ready, and cheapest to
delete), and only then the Deployment is scaled down by it. Every step rests on what is seen of the pod, so that an
operator that was restarted goes on where the old one stopped. What is seen may be old: a step down waits until the
Deployment says the same of its pods. Its ready ones are those of the ReplicaSet controller, which chooses who goes.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import TypeAlias

from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import WorkerLoad

LARGEST_STEP = 0.25
"""Part of a pool's workers that may begin to leave at the same look: a mistake then costs a quarter at most."""

MOST_AT_ONCE = 8
"""Workers of one pool that begin to leave at the same look: they cancel in turn, and other pools wait for it."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker, as its drain sees it.

    Args:
        name: of its pod.
        running: whether its container runs; one that doesn't can hold no task.
        ready: the kubelet's word.
        leaving: whether its pod is being deleted.
        held: what it holds, by its own fresh word.
        consuming: queues it consumes, by its own fresh word; None where it did not say.
        marked: when it was chosen to leave; None if it was not.
        released: whether its readiness gate is withdrawn and its deletion cost is the lowest, both shown by the watch.
        blank: whether it should long have started and surely has taken no message: it becomes ready no more.
        stopped: whether its container surely doesn't run, where it is not seen to: what is seen is not older than its
            mark, and none of the consumers that are there may be it.
        withdrawn: whether its readiness gate was withdrawn last, shown or not.
        later: whether all tasks that wait in it for their ETA are due too late to wait for: they go back to the queue.
        takes_nothing: whether it said last that it consumes nothing, and was not just told to consume.
        queues: that its command names: all that is known of a silent one whose pool is no longer asked for.
    """

    name: str
    running: bool
    ready: bool
    leaving: bool
    held: WorkerLoad | Unknown
    consuming: tuple[str, ...] | None = None
    marked: datetime | None = None
    released: bool = False
    later: bool = False
    blank: bool = False
    stopped: bool = True
    withdrawn: bool = False
    takes_nothing: bool = False
    queues: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether it surely holds nothing and will get nothing more."""
        if not self.running:
            return self.stopped
        if self.consuming != () or isinstance(self.held, Unknown):
            return False
        return not (self.held.active or self.held.reserved) and (self.later or not self.held.scheduled)

    @property
    def tasks(self) -> float:
        """Tasks it holds; a worker that doesn't answer holds more than any that does."""
        if not self.running:
            return 0
        return float("inf") if isinstance(self.held, Unknown) else self.held.active + self.held.reserved


@dataclass(frozen=True, slots=True)
class MarkDraining:
    """Choose a worker to leave: written on its pod before anything else is done to it."""

    pod: str


@dataclass(frozen=True, slots=True)
class CancelConsumers:
    """Tell a marked worker to take nothing more from its queues."""

    pod: str
    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """Withdraw an empty worker's readiness gate and give it the lowest deletion cost."""

    pod: str


@dataclass(frozen=True, slots=True)
class ResumeConsumers:
    """Tell a worker to consume again; its mark, if it has one, is lifted when it says that it does."""

    pod: str
    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unmark:
    """Take the mark from a worker that consumes: it is like any other again."""

    pod: str
    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resize:
    """Ask the Deployment for another number of workers.

    Args:
        replicas: wanted.
        going: released pods that a step down must take; empty for a step up.
    """

    replicas: int
    going: tuple[str, ...] = ()


PodStep: TypeAlias = MarkDraining | CancelConsumers | Release | ResumeConsumers | Unmark
DrainStep: TypeAlias = PodStep | Resize


@dataclass(frozen=True, slots=True)
class PoolWorkers:
    """The workers of a pool, and what its Deployment asks for.

    Args:
        workers: all of them, those being deleted included.
        replicas: what the Deployment asks for.
        rolling_out: whether several ReplicaSets have pods: deletion costs count within one of them only.
        may_return: whether a worker that cancelled its consumers may consume again (not with gevent).
        queues: that its workers consume, as far as they are known.
        asked: whether every worker had the time to say what it holds.
        agreed: whether the Deployment says the same of its pods as is seen of them.
        refused: whether the API server refuses pods, so that those that are not there were not made.
        waiting: whether messages wait for its workers, so that one may be on its way to a worker that is to leave.
        departing: names of pods that were just stepped down by.
    """

    workers: Sequence[Worker]
    replicas: int
    rolling_out: bool = False
    may_return: bool = True
    queues: tuple[str, ...] = ()
    asked: bool = True
    agreed: bool = True
    refused: bool = False
    waiting: bool = False
    departing: Collection[str] = ()

    @property
    def staying(self) -> list[Worker]:
        """Workers that are not being deleted."""
        return [worker for worker in self.workers if not worker.leaving]

    @property
    def draining(self) -> list[Worker]:
        """Marked workers that are still there."""
        return [worker for worker in self.staying if worker.marked is not None]

    @property
    def absent(self) -> int:
        """Workers asked for whose pods are not there."""
        return max(self.replicas - len(self.staying), 0)

    @property
    def capacity(self) -> int:
        """Workers asked for that are not on their way out."""
        # In a rollout one too many may be there, and leave as well: none is to fill its place.
        return max(self.replicas - len(self.draining) + self._deleted_soon, 0)

    @property
    def _deleted_soon(self) -> int:
        """Released workers that are asked for no more, and that the ReplicaSet controller has yet to delete."""
        released = sum(worker.released for worker in self.draining)
        return min(released, max(len(self.staying) - self.replicas, 0))

    @property
    def gone_unseen(self) -> int:
        """Released workers that were just stepped down by, where the number of workers has risen since.

        They look as if they held a place, until the watch shows that they are being deleted.
        """
        stepped_down_by = sum(worker.released and worker.name in self.departing for worker in self.draining)
        return max(stepped_down_by - self._deleted_soon, 0)


def steps(pool_workers: PoolWorkers, desired: int) -> list[DrainStep]:
    """What to do now to come to `desired` workers without stopping one that holds anything.

    Args:
        pool_workers: as it is.
        desired: capacity wanted; draining workers are not capacity.
    """
    lacking = desired - pool_workers.capacity - pool_workers.gone_unseen
    returning = _taken_back(pool_workers, lacking, desired)
    missing = lacking - len(returning)
    grow = [Resize(pool_workers.replicas + missing)] if missing > 0 else []
    going = [worker for worker in pool_workers.draining if worker not in returning]
    shrink = _shrink(pool_workers, going, desired) if not grow and not pool_workers.gone_unseen else []
    chosen = list(_choose(pool_workers, desired))
    back = [*(_return(pool_workers, worker) for worker in returning), *_to_consume(pool_workers, chosen)]
    return [*grow, *back, *chosen, *_onwards(pool_workers, going, desired), *shrink]


def keeps_ready(pool_workers: PoolWorkers, desired: int) -> bool:
    """Whether those that leave are ready until something else is over.

    A rollout ends no pod of the old template while one of the new is not ready, so a worker that was made unready to
    leave would keep it from ever ending, and would never leave: the Deployment shrinks only after the rollout. And
    while another worker becomes ready, the Deployment's count of ready pods does not tell whether the controller has
    seen the one go or the other come.

    Args:
        pool_workers: as it is.
        desired: workers wanted; without any all go, whatever the rollout does.
    """
    return (pool_workers.rolling_out and desired > 0) or any(_becomes_ready(worker) for worker in pool_workers.staying)


def _becomes_ready(worker: Worker) -> bool:
    """Whether a worker is not ready and may be in a moment: not one that is to be released, or was."""
    leaves = worker.marked is not None and worker.empty
    return not (worker.ready or worker.withdrawn or worker.released or worker.blank or leaves)


def lifted(pool_workers: PoolWorkers) -> list[DrainStep]:
    """What to do so that no worker is on its way out any more, as far as its kind of worker can return.

    While the ReplicaSet controller has yet to delete some, a released one is left as it is: it is one that will go.
    """
    if not pool_workers.may_return:
        return []
    some_go = len(pool_workers.staying) > pool_workers.replicas
    return [_return(pool_workers, it) for it in pool_workers.draining if not (some_go and it.released)]


def slow(pool_workers: PoolWorkers, patience: timedelta, now: datetime) -> list[str]:
    """Marked workers that still hold something after `patience`: named, counted, and left in peace."""
    return [
        worker.name
        for worker in pool_workers.draining
        if worker.marked is not None and not worker.empty and now - worker.marked >= patience
    ]


def mute(pool_workers: PoolWorkers, patience: timedelta, now: datetime) -> bool:
    """Whether no worker that is left has said anything for `patience`: their drain can't be led."""
    silent = [it.held for it in pool_workers.staying if it.running and isinstance(it.held, Unknown)]
    return len(silent) == len(pool_workers.staying) > 0 and all(now - held.since >= patience for held in silent)


def largest_step(workers: int) -> int:
    """How many of so many workers may begin to leave at the same look: one at least."""
    return max(1, min(ceil(workers * LARGEST_STEP), MOST_AT_ONCE))


def loses_least(worker: Worker) -> tuple[bool, float, int, str]:
    """Order in which workers are chosen: not ready, then idle, then least work held; by name between equals.

    Of two with as much work the one goes first in which fewer tasks wait for their ETA: those are given back.
    """
    waiting = worker.held.scheduled if isinstance(worker.held, WorkerLoad) else 0
    return (worker.ready, worker.tasks, waiting, worker.name)


def _choose(pool_workers: PoolWorkers, desired: int) -> Iterator[MarkDraining]:
    """Choose those that lose least; during a rollout only where all go, since then none is chosen among others."""
    candidates = sorted((worker for worker in pool_workers.staying if worker.marked is None), key=loses_least)
    surplus = pool_workers.capacity - desired - pool_workers.absent
    if pool_workers.rolling_out and not desired:  # one more than are asked for may be there: it takes tasks as well
        surplus = len(candidates)
    if surplus <= 0 or not pool_workers.asked or (pool_workers.rolling_out and desired):
        return
    # What is on its way to one when it cancels its consumers comes back to the head of a quorum queue, and counts as
    # delivered once: the next one cancels a look later, when it has gone to another.
    most = 1 if pool_workers.waiting else largest_step(len(pool_workers.staying))
    yield from (MarkDraining(worker.name) for worker in candidates[: min(surplus, most)])


def _taken_back(pool_workers: PoolWorkers, missing: int, desired: int) -> list[Worker]:
    """Marked workers that are not yet empty are capacity again before new ones are started, the busiest first.

    So are empty ones that may not be released yet: until a rollout is over, say. A new one would come beside them.
    """
    if missing <= 0 or not pool_workers.may_return:
        return []
    stay = [it for it in pool_workers.draining if it.running and not it.released]
    if not keeps_ready(pool_workers, desired):
        stay = [it for it in stay if not it.empty]
    return sorted(stay, key=loses_least, reverse=True)[:missing]


def _return(pool_workers: PoolWorkers, worker: Worker) -> ResumeConsumers | Unmark:
    consumes = bool(worker.consuming) or not worker.running
    return Unmark(worker.name, pool_workers.queues) if consumes else ResumeConsumers(worker.name, pool_workers.queues)


def _to_consume(pool_workers: PoolWorkers, chosen: Iterable[MarkDraining]) -> Iterator[ResumeConsumers]:
    """Let workers consume again that are to stay, and said last that they consume nothing.

    One that was deaf when it was told to take nothing more, and then to consume again, does both when it hears, in any
    order: kombu keeps in a set what its event loop is to do next (`Hub._ready`). Where a watch may stand still, one
    that seems to stay may have been released.
    """
    if not (pool_workers.may_return and pool_workers.agreed):
        return
    leave = {step.pod for step in chosen}
    for worker in pool_workers.staying:
        if worker.takes_nothing and worker.marked is None and worker.name not in leave:
            yield ResumeConsumers(worker.name, pool_workers.queues)


def _onwards(pool_workers: PoolWorkers, going: Iterable[Worker], desired: int) -> Iterator[CancelConsumers | Release]:
    for worker in going:
        if worker.empty:
            if (
                not worker.released
                and pool_workers.agreed
                and not (worker.running and keeps_ready(pool_workers, desired))
            ):
                yield Release(worker.name)
        elif worker.consuming != ():
            # Also a released one: it was empty because its container did not run yet, and has come to life since.
            yield CancelConsumers(worker.name, worker.consuming or pool_workers.queues or worker.queues)


def _shrink(pool_workers: PoolWorkers, going: Sequence[Worker], desired: int) -> list[Resize]:
    """Scale down by the released workers, when nothing but them can be chosen by the ReplicaSet.

    The controller may see its pods later than they are seen here, and a watch may stand still: where the Deployment
    says something else of them, nothing is known of who would go. A pod that is not seen is there all the same, or will
    be in a moment, unless pods are refused.
    """
    if not pool_workers.agreed or (pool_workers.absent and not pool_workers.refused):
        return []
    released = tuple(worker.name for worker in going if worker.released and worker.empty)
    if desired == 0 and len(released) == len(pool_workers.staying):
        return [Resize(0, released)] if pool_workers.replicas else []
    if pool_workers.rolling_out:
        return []
    if pool_workers.absent:
        # Pods that were not even made (a quota, no account) hold nothing: they go first, and no worker is chosen.
        fewer = max(desired + len(going), len(pool_workers.staying))
        return [Resize(fewer)] if fewer < pool_workers.replicas else []
    if not released or _another_may_go(pool_workers, released) or len(pool_workers.staying) > pool_workers.replicas:
        return []
    return [Resize(pool_workers.replicas - len(released), released)]


def _another_may_go(pool_workers: PoolWorkers, released: Sequence[str]) -> bool:
    """Whether the ReplicaSet may choose one that was not released: another that isn't ready, which it prefers.

    Among pods whose containers don't run, or hang while they start, it does not matter which goes. While a released one
    is called ready, the counts agree on what was before: the controller may know nothing of its release.
    """
    unready = [it for it in pool_workers.staying if not (it.ready or it.blank) and it.name not in released]
    going = [worker for worker in pool_workers.staying if worker.name in released]
    if any(worker.ready and worker.withdrawn for worker in going):
        return True
    return bool(unready) and any(worker.running for worker in (*unready, *going))
