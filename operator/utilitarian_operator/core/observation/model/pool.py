"""What was seen of one pool: its queues, its workers and its Deployment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from utilitarian_operator.core.containers import OVERDUE
from utilitarian_operator.core.observation.model.figures import Count, Unknown, add
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.queue import Missing, Present, QueueSnapshot
from utilitarian_operator.core.observation.pod_failures import PodFailure
from utilitarian_operator.core.observation.reported import Reported


@dataclass(frozen=True)
class PoolSnapshot:
    """Everything seen of one pool; without slots, so that one can be made of another (`changed`).

    Args:
        queues: one entry for each of the pool's queues.
        unacked: messages delivered and not yet acknowledged on all of them, those that leaving workers hold included. A
            running task of a worker with Celery's default (early) acknowledgement is not among them.
        pods: of the pool's Deployment.
        replicas: what the Deployment asks for; None while there is no Deployment.
        foreign: consumers that are no workers of this fleet, by queue; a queue without any is not in it.
        strangers: names of workers that consume one of the queues and are not the fleet's, as far as they answer.
        unexplained: whether a queue has more consumers than workers of the fleet that consume it; also where one that
            has left it may be counted still.
        pod_failure: why it can't have the pods that it asks for; None if nothing is wrong.
        arrived: tasks that came to the queues since the last look, by the broker's count; None without statistics.
        left: messages acknowledged since the last look, by the broker's count; None without statistics.
        unlearned: why it is not known yet which its queues are; None where they are known.
        reported: what its Deployment says of its pods; None while there is no Deployment.
        held_by_removed: those of `unacked` that workers of pools hold which are no longer asked for, by their own word.
    """

    queues: Mapping[str, QueueSnapshot]
    unacked: Count
    pods: tuple[PodSnapshot, ...] = ()
    replicas: int | None = None
    foreign: Mapping[str, int] = field(default_factory=dict)
    strangers: tuple[str, ...] = ()
    unexplained: bool = False
    pod_failure: PodFailure | None = None
    arrived: int | None = None
    left: int | None = None
    unlearned: Unknown | None = None
    reported: Reported | None = None
    held_by_removed: int = 0

    @cached_property
    def draining(self) -> int:
        """Workers chosen to leave that the Deployment still asks for."""
        return sum(pod.marked is not None for pod in self.pods if not pod.leaving) - self.deleted_soon

    @cached_property
    def deleted_soon(self) -> int:
        """Released workers that the Deployment asks for no more: a step down is seen before its pods are seen to go."""
        return min(sum(pod.released for pod in self.pods if not pod.leaving), self._beyond)

    @cached_property
    def holding(self) -> int:
        """Workers that are there beside `current`, and hold their places of the fleet until they are gone.

        Those beyond the number that the Deployment asks for are among them: its watch may be older than that of its
        pods. Not during a rollout, which has more of them for a while by right.
        """
        return self.draining + (self.deleted_soon if self.rolling_out else self._beyond)

    @cached_property
    def _beyond(self) -> int:
        return max(sum(not pod.leaving for pod in self.pods) - (self.replicas or 0), 0)

    @cached_property
    def returnable(self) -> int:
        """Workers chosen to leave that surely hold tasks: they are taken back before a new one is started."""
        return sum(pod.returnable for pod in self.pods)

    def finishing(self, at: datetime) -> int:
        """Workers that are being deleted and finish what they hold, as in a rollout; not those that are overdue."""
        leaving = [pod.leaves_by for pod in self.pods if pod.leaving and pod.running]
        return sum(by is not None and at <= by + OVERDUE for by in leaving)

    @cached_property
    def current(self) -> int:
        """Workers asked for now, without those that drain."""
        return max((self.replicas or 0) - self.draining, 0)

    @cached_property
    def ready_workers(self) -> int:
        """Workers that the kubelet calls ready and that stay."""
        return sum(pod.ready and pod.staying for pod in self.pods)

    @cached_property
    def rolling_out(self) -> bool:
        """Whether pods of several templates are there; those asked to go are in no ReplicaSet's hands any more."""
        return len({pod.revision for pod in self.pods if not pod.leaving}) > 1

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Names of the pool's queues that don't exist, sorted."""
        return tuple(sorted(name for name, snapshot in self.queues.items() if isinstance(snapshot, Missing)))

    @cached_property
    def ready(self) -> Count:
        """Messages ready on all the pool's queues; Unknown if one of them is."""
        counts = (snapshot if isinstance(snapshot, Unknown) else _ready(snapshot) for snapshot in self.queues.values())
        return self.unlearned or add(counts)

    @cached_property
    def most_ready(self) -> Count:
        """Messages that may be ready by any source; Unknown if one of the queues is, or its answer is in doubt."""
        counts = (
            snapshot if isinstance(snapshot, Unknown) else _most_ready(snapshot) for snapshot in self.queues.values()
        )
        return self.unlearned or add(counts)

    @cached_property
    def begun_or_next(self) -> Count:
        """Tasks that workers which stay run or are about to, by their own word; Unknown if one did not say."""
        staying = (pod.held for pod in self.pods if pod.running and pod.staying)
        return add(held if isinstance(held, Unknown) else held.active + held.reserved for held in staying)

    @cached_property
    def elsewhere(self) -> Count:
        """Unacknowledged messages that no worker tells of: more of them than there are where one took some since."""
        if isinstance(self.unacked, Unknown):
            return self.unacked
        return max(self.unacked - self.total("unacked") - self.held_by_removed, 0)

    @cached_property
    def surely_held(self) -> int:
        """Tasks that are no longer ready and surely there: by the broker's count or by the workers' word.

        The two are of different moments. A task that begins in between is in both, and one that waits for its ETA and
        was fetched in between only in one: so the larger counts, and never their sum.
        """
        by_answers = self.total("active", going=False) + self.total("reserved", going=False)
        if isinstance(self.unacked, Unknown):
            return by_answers
        return max(by_answers, self.unacked - self.given_up - self.held_by_removed - self._most_deferred)

    @property
    def _most_deferred(self) -> int:
        """Messages that wait for their ETA in workers that stay, by what each said last."""
        words = (pod.held if isinstance(pod.held, WorkerLoad) else pod.sample for pod in self.pods if pod.staying)
        return sum(word.scheduled for word in words if word is not None)

    @cached_property
    def given_up(self) -> int:
        """What workers on their way out hold of any kind, by their own word: no others are needed for it.

        What runs in them now may have been unacknowledged when the broker counted.
        """
        return sum(self.total(what) - self.total(what, going=False) for what in ("active", "reserved", "scheduled"))

    def total(self, what: str, *, going: bool = True) -> int:
        """Sum of one field of `WorkerLoad` over the workers that answered.

        Args:
            what: name of the field.
            going: count those on their way out, too.
        """
        answered = (pod.held for pod in self.pods if isinstance(pod.held, WorkerLoad) and (going or pod.staying))
        return sum(getattr(held, what) for held in answered)

    def said(self, what: str) -> int | None:
        """The same over all workers, by what each said last; None where one of them says nothing."""
        words = [pod.word for pod in self.pods if pod.running]
        return None if None in words else sum(getattr(word, what) for word in words)


def _ready(snapshot: Present | Missing) -> int:
    return snapshot.ready if isinstance(snapshot, Present) else 0


def _most_ready(snapshot: Present | Missing) -> Count:
    if isinstance(snapshot, Missing):
        return 0
    return snapshot.doubt or (snapshot.ready if snapshot.most is None else snapshot.most)
