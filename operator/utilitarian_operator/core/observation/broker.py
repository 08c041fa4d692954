"""What was read of a broker and its workers at one moment, and which workers are asked next, as values."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.labels import node_name
from utilitarian_operator.core.observation.broker_settings import BrokerSettings
from utilitarian_operator.core.observation.counted.worked import Worked
from utilitarian_operator.core.observation.let_in import mark
from utilitarian_operator.core.observation.model.figures import Source
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Counted
from utilitarian_operator.core.wording import plural
from utilitarian_operator.errors import BrokerError


@dataclass(frozen=True, slots=True)
class Depth:
    """What a passive declare says: messages ready and consumers, both of this moment."""

    ready: int
    consumers: int


@dataclass(frozen=True, slots=True)
class Unread:
    """A queue of which the broker won't say anything, while it tells of others.

    Args:
        why: a clause that goes on after the queue's name, with the broker's words.
    """

    why: str


Depths: TypeAlias = Mapping[str, Depth | Unread | None]
"""By queue; None for one that doesn't exist."""


@dataclass(frozen=True, slots=True)
class Questions:
    """What one fleet wants asked of workers from now on.

    Args:
        now: workers that a decision rests on: asked once a second, or as often as their number allows.
        slowly: workers to learn averages from.
        around: whether every worker of the broker shall say, slowly, which queues it consumes.
        beats: whether every beat shall say, seldom, that it is there.
    """

    now: frozenset[str] = frozenset()
    slowly: frozenset[str] = frozenset()
    around: bool = False
    beats: bool = False


NO_QUESTIONS = Questions()


@dataclass(frozen=True, slots=True)
class BrokerName:
    """Which broker a URL names: its addresses, its virtual host, and what the broker calls itself."""

    hosts: frozenset[str]
    vhost: str
    cluster: str | None

    def is_another_than(self, before: "BrokerName") -> bool:
        """Whether the queues are others: one address more, or another name of the same host, makes no other broker."""
        same = self.cluster is not None and self.cluster == before.cluster
        return self.vhost != before.vhost or not (same or self.hosts & before.hosts)


@dataclass(frozen=True, slots=True)
class WorkerAnswer:
    """What a worker said, and when it was asked (monotonic seconds)."""

    held: WorkerLoad
    asked_at: float


@dataclass(frozen=True)
class BrokerSnapshot:
    """What is known of one broker at one moment; nothing in it changes afterwards.

    Without slots, so that one can be made of another (`changed`).

    Args:
        at: the moment, in monotonic seconds.
        depths: of the queues that were asked for, of this moment.
        failed: why there are no depths.
        counted: the statistics of each queue, a few seconds old; why they are not known; None where nothing counts.
        answers: what each worker said of what it holds and consumes, by node name; only what is to be believed.
        samples: the same for averages, also of a worker that has just been asked for something else.
        worked: what each worker has done since it was first asked.
        consuming: the queues of each worker of the broker, when all were asked last.
        beats: node names of all beats that answered when they were asked last, minutes ago perhaps.
        mute: why no worker can be asked; None when they can, whether they answer or not.
        seen_at: when each source was last asked with success (monotonic seconds), None if never; by its name.
        settings: what broker and workers tell of themselves, minutes old; good for advice only.
        cluster: what the broker calls itself; None while it was never connected to.
        hosts: host and port of each address of its URL.
        vhost: of its URL.
    """

    at: float
    depths: Depths = field(default_factory=dict)
    failed: BrokerError | None = None
    counted: Mapping[str, Counted] | BrokerError | None = None
    answers: Mapping[str, WorkerAnswer] = field(default_factory=dict)
    samples: Mapping[str, WorkerAnswer] = field(default_factory=dict)
    worked: Mapping[str, Worked] = field(default_factory=dict)
    consuming: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    beats: tuple[str, ...] = ()
    mute: BrokerError | None = None
    seen_at: Mapping[str, float | None] = field(default_factory=dict)
    settings: BrokerSettings = field(default_factory=BrokerSettings)
    cluster: str | None = None
    hosts: frozenset[str] = frozenset()
    vhost: str = ""

    @property
    def name(self) -> "BrokerName | None":
        """Which broker it is; None while it has not answered."""
        return BrokerName(self.hosts, self.vhost, self.cluster) if self.hosts and self.failed is None else None

    @property
    def let_in(self) -> str:
        """What stands for the addresses by which it lets the operator in; empty while it has not answered."""
        return mark(self.hosts, self.vhost) if self.name is not None else ""

    def of(self, queues: Iterable[str]) -> "BrokerSnapshot":
        """The same of these queues alone: what comes to others of the broker is nothing new to one who has these."""
        counted, declared = self.counted, self.settings.queues
        if isinstance(counted, Mapping):
            counted = {name: counted[name] for name in queues if name in counted}
        settings = self.settings
        if declared:
            settings = changed(settings, queues={name: declared[name] for name in queues if name in declared})
        return changed(self, counted=counted, settings=settings)

    def answer(self, node: str, not_before: float) -> WorkerLoad | None:
        """What a worker said to a question asked after a moment (monotonic seconds); None if it said nothing since."""
        return _since(self.answers.get(node), not_before)

    def sample(self, node: str, not_before: float) -> WorkerLoad | None:
        """What a worker last said of itself and of how much it has done, if it was asked since a moment."""
        return _since(self.samples.get(node), not_before)

    def sources(self) -> Iterable[Source]:
        """How old the last success of each source is."""
        for name, seen_at in self.seen_at.items():
            yield Source(name, None if seen_at is None else timedelta(seconds=self.at - seen_at))


def _since(answer: WorkerAnswer | None, not_before: float) -> WorkerLoad | None:
    return answer.held if answer is not None and answer.asked_at >= not_before else None


def questions(snapshot: FleetSnapshot, shrinking: Container[str]) -> Questions:
    """What is to be asked of workers after a look.

    Args:
        snapshot: of the look.
        shrinking: names of pools with more workers than are wanted: all of them are asked what they hold.
    """
    pools, leftover = snapshot.pools, snapshot.leftover
    soon = (pod for name, pool in pools.items() for pod in _worth_asking(pool, shrinking=name in shrinking))
    going = (pod for pool in leftover.values() for pod in pool.pods if pod.running)
    running = (pod for pool in pools.values() for pod in pool.pods if pod.running)
    around = any(pool.foreign for pool in pools.values())
    return Questions(_nodes((*soon, *going)), _nodes(running), around, snapshot.beat is not None)


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


def moved(before: BrokerName | None, now: BrokerName | None, status: Mapping[str, Any]) -> Iterable[str]:
    """What there is to say where a URL names another broker: what the one before held stays there.

    Args:
        before: the one that answered last.
        now: the one that answers now; None while none does.
        status: of the resource, as it was written last.
    """
    if before is not None and now is not None and now.is_another_than(before):
        waited = status.get("backlog")
        tasks = plural(waited, "task") if isinstance(waited, int) else "an unknown number of tasks"
        yield (
            f"the URL names another broker or virtual host than before: {tasks} waited on the old one and stay there; "
            "workers with the old URL end what they hold, and take no more"
        )
