"""A broker with its Celery workers in memory: it answers as a session on RabbitMQ does, and at once."""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from utilitarian_operator.adapters.broker.answers import Answers
from utilitarian_operator.adapters.broker.seam import NO_QUESTIONS, Broker, BrokerSnapshot, Depth, Questions
from utilitarian_operator.core.observation.model import Counted, WorkerLoad
from utilitarian_operator.errors import BrokerError

PREFETCHED_FOR_EACH = 4
"""Messages that a worker fetches ahead for each of its slots: Celery's worker_prefetch_multiplier."""


@dataclass
class FakeQueue:
    """Messages of one queue.

    Args:
        ready: waiting for delivery.
        arrived: that ever came.
        left: that were acknowledged.
    """

    ready: int = 0
    arrived: int = 0
    left: int = 0


@dataclass
class FakeWorker:
    """One Celery worker that acknowledges its tasks late.

    Args:
        queues: that it consumes as it starts.
        concurrency: tasks that it runs at a time.
        silent: whether it answers no question; it works on.
        consuming: queues that it consumes now.
        held: the queue of each message that it has, oldest first; the first `concurrency` of them run.
        ended: tasks that it has finished.
    """

    queues: tuple[str, ...]
    concurrency: int = 1
    silent: bool = False
    consuming: set[str] = field(default_factory=set)
    held: list[str] = field(default_factory=list)
    ended: int = 0

    def __post_init__(self) -> None:
        self.consuming |= set(self.queues)

    @property
    def load(self) -> WorkerLoad:
        """What it says of itself."""
        active = min(len(self.held), self.concurrency)
        return WorkerLoad(
            active=active,
            acked_early=0,
            reserved=len(self.held) - active,
            scheduled=0,
            begun=self.ended + active,
            consuming=tuple(sorted(self.consuming)),
        )


class FakeRabbitMQ:
    """One virtual host: its queues and workers, which several `FakeBroker`s may look at.

    Args:
        cluster: what it calls itself.
    """

    def __init__(self, cluster: str = "rabbit@fake") -> None:
        self.cluster = cluster
        self.queues: dict[str, FakeQueue] = {}
        self.workers: dict[str, FakeWorker] = {}
        self.beats: tuple[str, ...] = ()
        self.failure: BrokerError | None = None
        """Why it can't be reached; None while it can."""

    def declare(self, *queues: str) -> None:
        """Make these queues, as far as they are not there yet."""
        for queue in queues:
            self.queues.setdefault(queue, FakeQueue())

    def publish(self, queue: str, count: int = 1) -> None:
        """Put messages into a queue; workers that consume it take them at once."""
        self.declare(queue)
        self.queues[queue].ready += count
        self.queues[queue].arrived += count
        self._deliver()

    def start(self, node: str, *queues: str, concurrency: int = 1) -> FakeWorker:
        """Start a worker; it declares its queues, as Celery's do."""
        self.declare(*queues)
        worker = self.workers[node] = FakeWorker(queues, concurrency)
        self._deliver()
        return worker

    def stop(self, node: str) -> None:
        """End a worker at once: what it held comes back."""
        for queue in self.workers.pop(node).held:
            self.queues[queue].ready += 1
        self._deliver()

    def finish(self, node: str, count: int = 1) -> None:
        """A worker ends its oldest tasks and takes the next."""
        worker = self.workers[node]
        done, worker.held = worker.held[:count], worker.held[count:]
        worker.ended += len(done)
        for queue in done:
            self.queues[queue].left += 1
        self._deliver()

    def consume(self, node: str, queues: Iterable[str]) -> None:
        """A worker is told to consume these queues, too."""
        if node in self.workers:
            self.workers[node].consuming |= set(queues)
            self._deliver()

    def cancel(self, node: str, queues: Iterable[str]) -> None:
        """A worker is told to take nothing more from these queues."""
        if node in self.workers:
            self.workers[node].consuming -= set(queues)

    def depth(self, queue: str) -> Depth | None:
        """Messages that wait and workers that consume; None for a queue that doesn't exist."""
        if queue not in self.queues:
            return None
        return Depth(self.queues[queue].ready, sum(queue in worker.consuming for worker in self.workers.values()))

    def counted(self) -> Mapping[str, Counted]:
        """The statistics of each queue."""
        unacked = Counter(queue for worker in self.workers.values() for queue in worker.held)
        return {name: Counted(it.ready, unacked[name], it.arrived, it.left) for name, it in self.queues.items()}

    def _deliver(self) -> None:
        for worker in self.workers.values():
            for queue in sorted(worker.consuming & self.queues.keys()):
                room = worker.concurrency * PREFETCHED_FOR_EACH - len(worker.held)
                taken = max(0, min(room, self.queues[queue].ready))
                self.queues[queue].ready -= taken
                worker.held += [queue] * taken


class FakeBroker:
    """A session on a `FakeRabbitMQ`; each worker answers whenever somebody looks.

    Args:
        place: that it looks at.
        statistics: whether it has statistics.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        place: FakeRabbitMQ | None = None,
        *,
        statistics: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.place = place or FakeRabbitMQ()
        self.questions: dict[Hashable, Questions] = {}
        self.closed = False
        self._statistics, self._clock = statistics, clock
        self._answers = Answers()
        self._cluster: str | None = None
        self._seen_at: dict[str, float | None] = {"depths": None, "workers": None}
        if statistics:
            self._seen_at["statistics"] = None

    @property
    def known(self) -> BrokerSnapshot:
        """What is known without a question: everything but depths."""
        asks, place = self.questions.values(), self.place
        self._hear()
        return BrokerSnapshot(
            at=self._clock(),
            counted=self._count(),
            answers=self._answers.told,
            samples=self._answers.samples,
            worked=self._answers.worked,
            consuming=_consuming(place) if any(it.around for it in asks) else {},
            beats=place.beats if any(it.beats for it in asks) else (),
            mute=place.failure if self._wanted else None,
            seen_at=dict(self._seen_at),
            cluster=self._cluster,
        )

    async def look(self, queues: Sequence[str]) -> BrokerSnapshot:
        """What is known, with messages and consumers of each queue."""
        place = self.place
        if place.failure is not None:
            return replace(self.known, failed=place.failure)
        self._seen_at["depths"], self._cluster = self._clock(), place.cluster
        return replace(self.known, depths={name: place.depth(name) for name in queues})

    def ask(self, who: Hashable, questions: Questions) -> None:
        """Ask this whenever somebody looks; replaces what the same one wanted before."""
        self.questions.pop(who, None)
        if questions != NO_QUESTIONS:
            self.questions[who] = questions
        self._answers.keep_only(self._wanted)

    async def cancel_consumers(self, node: str, queues: Sequence[str]) -> None:
        """A worker takes nothing more from these queues; raises what the place fails with."""
        self._reach()
        self.place.cancel(node, queues)
        self._answers.cancelled(node, queues)

    async def add_consumers(self, node: str, queues: Sequence[str]) -> None:
        """A worker consumes these queues again, and those that it left; raises what the place fails with."""
        self._reach()
        self.place.consume(node, self._answers.to_return(node, queues))
        self._answers.returns(node)

    async def is_same(self, other: Broker) -> bool | None:
        """Whether another one looks at the same place; raises what one of them fails with."""
        self._reach()
        if not isinstance(other, FakeBroker):
            return False
        if other.place.failure is not None:
            raise other.place.failure
        return other.place is self.place

    async def close(self) -> None:
        """Ask nothing more."""
        self.closed = True
        self.questions.clear()

    @property
    def _wanted(self) -> frozenset[str]:
        return frozenset().union(*(it.now | it.slowly for it in self.questions.values()))

    def _reach(self) -> None:
        if self.place.failure is not None:
            raise self.place.failure

    def _hear(self) -> None:
        """Every worker that is asked answers, unless it is silent or the broker away."""
        asked, now, away = self._wanted, self._clock(), self.place.failure is not None
        there = {} if away else {node: self.place.workers[node] for node in asked & self.place.workers.keys()}
        said = {node: worker.load for node, worker in there.items() if not worker.silent}
        if said:
            self._seen_at["workers"] = now
        if asked and not away:
            self._answers.take(asked, said, now)

    def _count(self) -> Mapping[str, Counted] | BrokerError | None:
        if not self._statistics:
            return None
        if self.place.failure is not None:
            return self.place.failure
        self._seen_at["statistics"] = self._clock()
        return self.place.counted()


def _consuming(place: FakeRabbitMQ) -> Mapping[str, tuple[str, ...]]:
    """The queues of each worker that answers."""
    heard = {} if place.failure is not None else place.workers
    return {node: tuple(sorted(it.consuming)) for node, it in heard.items() if not it.silent}
