"""What was seen of a fleet, as values; a figure that could not be read is `Unknown`, never zero and never absent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from utilitarian_operator.core.observation.beat import BeatSnapshot
from utilitarian_operator.core.observation.broker_settings import BrokerSettings
from utilitarian_operator.core.observation.pod_failures import PodFailure
from utilitarian_operator.core.observation.reported import Reported
from utilitarian_operator.core.observation.start_ups import StartUp
from utilitarian_operator.core.pod_usage import PodUsage


@dataclass(frozen=True, slots=True)
class Unknown:
    """A figure that could not be read.

    Args:
        why: one clause that names the cause, fit for a status message.
        since: when it was last known, or when reading it was first tried.
    """

    why: str
    since: datetime


Count: TypeAlias = int | Unknown


LIVE = timedelta(seconds=2)
"""What is not older counts as of this moment: a tick and its answer."""

HOLDS = timedelta(seconds=15)
"""What is older is not believed: three readings of the statistics."""


@dataclass(frozen=True, slots=True)
class Source:
    """One of the sources of a look and how fresh it is.

    Args:
        name: `depths` (ready and consumers), `statistics` (unacknowledged, arrivals) or `workers` (what they hold).
        age: time since it was last asked with success; None if it never answered.
    """

    name: str
    age: timedelta | None

    @property
    def quality(self) -> str:
        """Of its figures: `live`, `sampled`, `stale` or `unknown`."""
        if self.age is None:
            return "unknown"
        return "live" if self.age <= LIVE else "sampled" if self.age <= HOLDS else "stale"


@dataclass(frozen=True, slots=True)
class Present:
    """A queue that exists.

    Args:
        ready: messages waiting for delivery.
        consumers: consumers on the queue, of whatever fleet.
        unacked: messages delivered and not yet acknowledged, where the broker's statistics have it.
        most: messages that may be ready, by the larger of the sources; None where there is only one.
        doubt: why what it says is no reason for a worker to go; None where it is.
    """

    ready: int
    consumers: int
    unacked: int | None = None
    most: int | None = None
    doubt: Unknown | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A queue that is not declared on the broker."""


QueueSnapshot: TypeAlias = Present | Missing | Unknown


@dataclass(frozen=True, slots=True)
class Counted:
    """What the broker's statistics say of one queue.

    Args:
        ready: messages waiting for delivery, a few seconds ago.
        unacked: messages delivered and not yet acknowledged, a few seconds ago.
        arrived: tasks that came since the statistics were first read; never falls; None without statistics.
        left: messages acknowledged, or delivered to one who need not, since then; never falls; None as above.
    """

    ready: int
    unacked: int
    arrived: int | None = None
    left: int | None = None


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """What one worker holds, by its own word (Celery's remote control).

    Args:
        active: tasks running, without `never_begun`.
        acked_early: those of them already acknowledged: the broker doesn't know of them any more.
        reserved: messages prefetched and not yet started.
        scheduled: messages that wait in the worker for their ETA.
        oldest_s: seconds that the longest running of them has run.
        begun: tasks begun since the worker started; None where it was not asked for that.
        consuming: queues that it consumes; None where it was not asked for that.
        first_due: the earliest ETA of those scheduled; None where none is, or it was not said.
        limited: whether it has run a task with a rate limit: messages that wait for that are shown nowhere.
        never_begun: tasks that it calls active and will never run.
        own: those of `consuming` that are surely this worker's alone.
        passing: those of `consuming` that are deleted with their last consumer.
        took_s: seconds until it answered.
        alone: whether it runs its tasks in the thread that answers, one at a time.
        up_s: seconds since it started; None where it does not say.
    """

    active: int
    acked_early: int
    reserved: int
    scheduled: int
    oldest_s: float = 0.0
    begun: int | None = None
    consuming: tuple[str, ...] | None = None
    first_due: datetime | None = None
    limited: bool = False
    never_begun: int = 0
    own: frozenset[str] = frozenset()
    passing: frozenset[str] = frozenset()
    took_s: float = 0.0
    alone: bool = False
    up_s: float | None = None

    @property
    def nothing(self) -> bool:
        """Whether the worker holds no task of any kind."""
        return not (self.active or self.reserved or self.scheduled)

    @property
    def unacked(self) -> int:
        """Messages that the broker counts as unacknowledged because of this worker."""
        return self.active - self.acked_early + self.reserved + self.scheduled


@dataclass(frozen=True, slots=True)
class PodSnapshot:
    """One pod of a pool.

    Args:
        name: of the pod; its worker is `celery@NAME`.
        ready: the kubelet's word.
        running: whether its container runs; one that doesn't can hold no task.
        leaving: whether it is being deleted.
        held: what its worker holds; Unknown when it did not answer or was not asked.
        sample: what its worker last said, some seconds ago perhaps; good for averages, never for stopping it.
        completed: tasks it ended since the last look, by its answers; None while it is not known.
        slot_seconds: what they took since then, and those that run; None as above.
        lasted_s: seconds of the task that it ended since the last look and was silent through; 0 where none was.
        started_up: its start, given once it is ready; None before and afterwards.
        gated: whether its template has the operator's readiness gate.
        gate: what the operator last set it to; None while it has not.
        marked: since when it is chosen to leave; None if it is not.
        cheapest: whether it has the lowest deletion cost.
        revision: of its template, as the Deployment controller numbers it.
        running_since: when its container began to run; None while it doesn't.
        blank: whether it should long have started and surely has taken no message: what it holds is then deduced.
        caught_up: whether the watch has seen all that the operator wrote to it.
        usage: of CPU and memory, given once, after each reading; None at all other looks.
    """

    name: str
    ready: bool
    running: bool
    leaving: bool
    held: WorkerLoad | Unknown
    sample: WorkerLoad | None = None
    completed: int | None = None
    slot_seconds: float | None = None
    lasted_s: float = 0.0
    started_up: StartUp | None = None
    gated: bool = False
    gate: bool | None = None
    marked: datetime | None = None
    cheapest: bool = False
    revision: str = ""
    running_since: datetime | None = None
    blank: bool = False
    caught_up: bool = True
    usage: PodUsage | None = None

    @property
    def staying(self) -> bool:
        """Whether it is neither being deleted nor chosen to leave."""
        return not self.leaving and self.marked is None

    @property
    def released(self) -> bool:
        """Whether the ReplicaSet controller would choose it before any worker that stays, as the watch showed it."""
        return self.caught_up and self.cheapest and (self.gate is False or not self.gated)

    @property
    def word(self) -> WorkerLoad | None:
        """What its worker said last, with its queues if possible, some seconds ago perhaps; None if it is silent."""
        held = None if isinstance(self.held, Unknown) else self.held
        return held if held is not None and held.consuming is not None else self.sample or held

    @property
    def serves(self) -> bool:
        """Whether it is ready and stays, so that it ought to consume."""
        return self.ready and self.running and self.staying


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """Everything seen of one pool.

    Args:
        queues: one entry for each of the pool's queues.
        unacked: messages delivered and not yet acknowledged on all of them, those that leaving workers hold included. A
            running task of a worker with Celery's default (early) acknowledgement is not among them.
        pods: of the pool's Deployment.
        replicas: what the Deployment asks for; None while there is no Deployment.
        foreign: consumers that are no workers of this fleet, by queue; a queue without any is not in it.
        strangers: names of workers that consume one of the queues and are not the fleet's, as far as they answer.
        pod_failure: why it can't have the pods that it asks for; None if nothing is wrong.
        arrived: tasks that came to the queues since the last look, by the broker's count; None without statistics.
        left: messages acknowledged since the last look, by the broker's count; None without statistics.
        unlearned: why it is not known yet which its queues are; None where they are known.
        reported: what its Deployment says of its pods; None while there is no Deployment.
    """

    queues: Mapping[str, QueueSnapshot]
    unacked: Count
    pods: tuple[PodSnapshot, ...] = ()
    replicas: int | None = None
    foreign: Mapping[str, int] = field(default_factory=dict)
    strangers: tuple[str, ...] = ()
    pod_failure: PodFailure | None = None
    arrived: int | None = None
    left: int | None = None
    unlearned: Unknown | None = None
    reported: Reported | None = None

    @property
    def draining(self) -> int:
        """Workers chosen to leave that the Deployment still asks for."""
        return sum(pod.marked is not None for pod in self.pods if not pod.leaving) - self.deleted_soon

    @property
    def deleted_soon(self) -> int:
        """Released workers that the Deployment asks for no more: a step down is seen before its pods are seen to go."""
        there = [pod for pod in self.pods if not pod.leaving]
        return min(sum(pod.released for pod in there), max(len(there) - (self.replicas or 0), 0))

    @property
    def current(self) -> int:
        """Workers asked for now, without those that drain."""
        return max((self.replicas or 0) - self.draining, 0)

    @property
    def ready_workers(self) -> int:
        """Workers that the kubelet calls ready and that stay."""
        return sum(pod.ready and pod.staying for pod in self.pods)

    @property
    def rolling_out(self) -> bool:
        """Whether pods of several templates are there; those asked to go are in no ReplicaSet's hands any more."""
        return len({pod.revision for pod in self.pods if not pod.leaving}) > 1

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the pool's queues that don't exist, sorted."""
        return tuple(sorted(name for name, snapshot in self.queues.items() if isinstance(snapshot, Missing)))

    @property
    def ready(self) -> Count:
        """Messages ready on all the pool's queues; Unknown if one of them is."""
        counts = (snapshot if isinstance(snapshot, Unknown) else _ready(snapshot) for snapshot in self.queues.values())
        return self.unlearned or add(counts)

    @property
    def most_ready(self) -> Count:
        """Messages that may be ready by any source; Unknown if one of the queues is, or its answer is in doubt."""
        counts = (
            snapshot if isinstance(snapshot, Unknown) else _most_ready(snapshot) for snapshot in self.queues.values()
        )
        return self.unlearned or add(counts)

    @property
    def begun_or_next(self) -> Count:
        """Tasks that workers which stay run or are about to, by their own word; Unknown if one did not say."""
        staying = (pod.held for pod in self.pods if pod.running and pod.staying)
        return add(held if isinstance(held, Unknown) else held.active + held.reserved for held in staying)

    @property
    def elsewhere(self) -> Count:
        """Unacknowledged messages that no worker tells of: more of them than there are where one took some since."""
        return self.unacked if isinstance(self.unacked, Unknown) else max(self.unacked - self.total("unacked"), 0)

    @property
    def surely_held(self) -> int:
        """Tasks that are no longer ready and surely there: by the broker's count or by the workers' word.

        The two are of different moments. A task that begins in between is in both, and one that waits for its ETA and
        was fetched in between only in one: so the larger counts, and never their sum.
        """
        by_answers = self.total("active", going=False) + self.total("reserved", going=False)
        if isinstance(self.unacked, Unknown):
            return by_answers
        return max(by_answers, self.unacked - self.given_up - self._most_deferred)

    @property
    def _most_deferred(self) -> int:
        """Messages that wait for their ETA in workers that stay, by what each said last."""
        words = (pod.held if isinstance(pod.held, WorkerLoad) else pod.sample for pod in self.pods if pod.staying)
        return sum(word.scheduled for word in words if word is not None)

    @property
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


@dataclass(frozen=True, slots=True)
class FleetSnapshot:
    """Everything seen of one fleet at one moment.

    Args:
        at: when the look was finished.
        pools: by pool name.
        broker: None when the broker answered; else why it did not.
        statistics: whether the broker's statistics are read: None when they were; else why not.
        mute: None when workers can be asked, whether they answer or not; else why not.
        about: the broker's settings, as far as it tells them.
        let_in: the mark of the addresses by which it let the operator in; empty where it didn't answer.
        beat: of the fleet; None where it is not asked for.
        rolling_out: names of the Deployments and the StatefulSet whose template has not reached every pod.
        leftover: pools that the resource doesn't ask for any more and whose Deployment is still there, by name.
        sources: that were asked, and how fresh each is.
        last_messages: when a message was last seen to come to each queue of a pool with schedules, where one ever was.
    """

    at: datetime
    pools: Mapping[str, PoolSnapshot]
    broker: Unknown | None = None
    statistics: Unknown | None = None
    beat: BeatSnapshot | None = None
    rolling_out: tuple[str, ...] = ()
    mute: Unknown | None = None
    leftover: Mapping[str, PoolSnapshot] = field(default_factory=dict)
    about: BrokerSettings = field(default_factory=BrokerSettings)
    let_in: str = ""
    sources: tuple[Source, ...] = ()
    last_messages: Mapping[str, datetime] = field(default_factory=dict)


def add(counts: Iterable[Count]) -> Count:
    """Sum of counts; the first Unknown among them makes the sum Unknown."""
    total = 0
    for count in counts:
        if isinstance(count, Unknown):
            return count
        total += count
    return total


def _ready(snapshot: Present | Missing) -> int:
    return snapshot.ready if isinstance(snapshot, Present) else 0


def _most_ready(snapshot: Present | Missing) -> Count:
    if isinstance(snapshot, Missing):
        return 0
    return snapshot.doubt or (snapshot.ready if snapshot.most is None else snapshot.most)
