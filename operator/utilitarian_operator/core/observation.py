"""What was seen of a fleet, as values; a figure that could not be read is `Unknown`, never zero and never absent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias


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


@dataclass(frozen=True, slots=True)
class Present:
    """A queue that exists.

    Args:
        ready: messages waiting for delivery.
        consumers: consumers on the queue, whoever they belong to.
        unacked: messages delivered and not yet acknowledged, where the broker's statistics tell it.
    """

    ready: int
    consumers: int
    unacked: int | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A queue that nobody has declared on the broker."""


QueueSight: TypeAlias = Present | Missing | Unknown


@dataclass(frozen=True, slots=True)
class Held:
    """What one worker holds, by its own word (Celery's remote control).

    Args:
        active: tasks running.
        early: those of them already acknowledged: the broker doesn't know of them any more.
        reserved: messages prefetched and not yet started.
        scheduled: messages that wait in the worker for their ETA.
        oldest: seconds that the longest running of them has run.
        begun: tasks begun since the worker started; None where it was not asked for that.
        consuming: queues that it consumes; None where it was not asked for that.
    """

    active: int
    early: int
    reserved: int
    scheduled: int
    oldest: float = 0.0
    begun: int | None = None
    consuming: tuple[str, ...] | None = None

    @property
    def nothing(self) -> bool:
        """Whether the worker holds no task of any kind."""
        return not (self.active or self.reserved or self.scheduled)

    @property
    def unacked(self) -> int:
        """Messages that the broker counts as unacknowledged because of this worker."""
        return self.active - self.early + self.reserved + self.scheduled


@dataclass(frozen=True, slots=True)
class PodSight:
    """One pod of a pool.

    Args:
        name: of the pod; its worker is `celery@NAME`.
        ready: the kubelet's word.
        running: whether its container runs; one that doesn't can hold no task.
        leaving: whether it is being deleted.
        held: what its worker holds; Unknown when it did not answer or was not asked.
        trouble: why its container can't run, in the kubelet's words (`ImagePullBackOff: …`); None if nothing is wrong.
        sample: what its worker last said, some seconds ago perhaps; good for averages, never for stopping it.
        completed: tasks it ended since the last look, by its samples; None while it can't be told.
        started_up: seconds from its creation to its readiness, told once; None before and afterwards.
    """

    name: str
    ready: bool
    running: bool
    leaving: bool
    held: Held | Unknown
    trouble: str | None = None
    sample: Held | None = None
    completed: int | None = None
    started_up: float | None = None

    @property
    def word(self) -> Held | None:
        """What its worker said last, with its queues if possible, some seconds ago perhaps; None if it is silent."""
        held = None if isinstance(self.held, Unknown) else self.held
        return held if held is not None and held.consuming is not None else self.sample or held

    @property
    def serves(self) -> bool:
        """Whether it is ready and stays, so that it ought to consume."""
        return self.ready and self.running and not self.leaving


@dataclass(frozen=True, slots=True)
class PoolSight:
    """Everything seen of one pool.

    Args:
        queues: one entry for each of the pool's queues.
        unacked: messages delivered and not yet acknowledged on all of them. A running task of a worker with Celery's
            default (early) acknowledgement is not among them.
        pods: of the pool's Deployment.
        replicas: what the Deployment asks for; None while there is no Deployment.
        foreign: consumers that are no workers of this fleet, by queue; a queue without any is not in it.
        strangers: names of workers that consume one of the queues and are not the fleet's, as far as they answer.
    """

    queues: Mapping[str, QueueSight]
    unacked: Count
    pods: tuple[PodSight, ...] = ()
    replicas: int | None = None
    foreign: Mapping[str, int] = field(default_factory=dict)
    strangers: tuple[str, ...] = ()

    @property
    def current(self) -> int:
        """Workers asked for now."""
        return self.replicas or 0

    @property
    def ready_workers(self) -> int:
        """Workers that the kubelet calls ready and that are not leaving."""
        return sum(pod.ready and not pod.leaving for pod in self.pods)

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the pool's queues that don't exist, sorted."""
        return tuple(sorted(name for name, sight in self.queues.items() if isinstance(sight, Missing)))

    @property
    def ready(self) -> Count:
        """Messages ready on all the pool's queues; Unknown if one of them is."""
        return add(sight if isinstance(sight, Unknown) else _ready(sight) for sight in self.queues.values())

    @property
    def early(self) -> Count:
        """Tasks that run although the broker has forgotten them; Unknown if a running worker did not say."""
        return add(pod.held if isinstance(pod.held, Unknown) else pod.held.early for pod in self.pods if pod.running)

    @property
    def known_early(self) -> int:
        """The part of `early` that is certain: what the workers that answered said."""
        return sum(pod.held.early for pod in self.pods if isinstance(pod.held, Held))

    def total(self, what: str) -> int:
        """Sum of one field of `Held` over the workers that answered.

        Args:
            what: `active`, `reserved` or `scheduled`.
        """
        return sum(getattr(pod.held, what) for pod in self.pods if isinstance(pod.held, Held))


@dataclass(frozen=True, slots=True)
class BeatSight:
    """What was seen of beat.

    Args:
        ready: whether its pod is.
        trouble: why its container can't run, in the kubelet's words; None if nothing is wrong.
    """

    ready: bool = False
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class FleetSight:
    """Everything seen of one fleet at one moment.

    Args:
        at: when the look was finished.
        pools: by pool name.
        broker: None when the broker answered; else why it did not.
        statistics: whether the broker's statistics are read: None when they were; else why not.
        mute: None when workers can be asked, whether they answer or not; else why not.
        beat: of the fleet; None where it is not asked for.
        rolling_out: names of the Deployments and the StatefulSet whose template has not reached every pod.
    """

    at: datetime
    pools: Mapping[str, PoolSight]
    broker: Unknown | None = None
    statistics: Unknown | None = None
    beat: BeatSight | None = None
    rolling_out: tuple[str, ...] = ()
    mute: Unknown | None = None


def add(counts: Iterable[Count]) -> Count:
    """Sum of counts; the first Unknown among them makes the sum Unknown."""
    total = 0
    for count in counts:
        if isinstance(count, Unknown):
            return count
        total += count
    return total


def _ready(sight: Present | Missing) -> int:
    return sight.ready if isinstance(sight, Present) else 0
