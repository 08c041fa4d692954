"""A broker with its Celery workers in memory: it answers as a session on RabbitMQ does, and at once."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.adapters.broker.timing import (
    CLOCK,
)
from utilitarian_operator.adapters.broker.workers.answers import Answers
from utilitarian_operator.core.observation.broker import NO_QUESTIONS, BrokerSnapshot, Depth, Questions
from utilitarian_operator.core.observation.model.pod import WorkerLoad
from utilitarian_operator.core.observation.model.queue import Counted
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
    """One Celery worker.

    Args:
        queues: that it consumes as it starts.
        concurrency: tasks that it runs at a time.
        acks_late: whether it acknowledges a task at its end, and not at its start as Celery's default is.
        silent: whether it answers no question; it works on.
        consuming: queues that it consumes now.
        running, fetched: the queue of each task that runs, and of each message that waits in it; oldest first.
        ended: tasks that it has finished.
    """

    queues: tuple[str, ...]
    concurrency: int = 1
    acks_late: bool = False
    silent: bool = False
    consuming: set[str] = field(default_factory=set)
    running: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    ended: int = 0

    def __post_init__(self) -> None:
        self.consuming |= set(self.queues)

    @property
    def unacked(self) -> list[str]:
        """The queue of each message that comes back if it dies."""
        return [*self.running, *self.fetched] if self.acks_late else self.fetched

    @property
    def room(self) -> int:
        """Messages that it still fetches."""
        return self.concurrency * PREFETCHED_FOR_EACH - len(self.unacked)

    @property
    def load(self) -> WorkerLoad:
        """What it says of itself."""
        return WorkerLoad(
            active=len(self.running),
            acked_early=0 if self.acks_late else len(self.running),
            reserved=len(self.fetched),
            scheduled=0,
            begun=self.ended + len(self.running),
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

    def start(self, node: str, *queues: str, concurrency: int = 1, acks_late: bool = False) -> FakeWorker:
        """Start a worker; it declares its queues, as Celery's do."""
        self.declare(*queues)
        worker = self.workers[node] = FakeWorker(queues, concurrency, acks_late)
        self._deliver()
        return worker

    def stop(self, node: str) -> None:
        """End a worker at once: what it had not acknowledged comes back."""
        for queue in self.workers.pop(node).unacked:
            self.queues[queue].ready += 1
        self._deliver()

    def finish(self, node: str, count: int = 1) -> None:
        """A worker ends its oldest tasks and takes the next."""
        worker = self.workers[node]
        done, worker.running = worker.running[:count], worker.running[count:]
        worker.ended += len(done)
        if worker.acks_late:
            self._acknowledge(done)
        self._deliver()

    def consume(self, node: str, queues: Iterable[str]) -> None:
        """A worker is asked to consume these queues, too."""
        if node in self.workers:
            self.workers[node].consuming |= set(queues)
            self._deliver()

    def cancel(self, node: str, queues: Iterable[str]) -> None:
        """A worker is asked to take nothing more from these queues."""
        if node in self.workers:
            self.workers[node].consuming -= set(queues)

    def depth(self, queue: str) -> Depth | None:
        """Messages that wait and workers that consume; None for a queue that doesn't exist."""
        if queue not in self.queues:
            return None
        return Depth(self.queues[queue].ready, sum(queue in worker.consuming for worker in self.workers.values()))

    def counted(self) -> Mapping[str, Counted]:
        """The statistics of each queue."""
        unacked = Counter(queue for worker in self.workers.values() for queue in worker.unacked)
        return {name: Counted(it.ready, unacked[name], it.arrived, it.left) for name, it in self.queues.items()}

    def _deliver(self) -> None:
        """Workers fetch what they have room for, and begin what they have a slot for, until neither goes on."""
        while sum(self._fetch(worker) + self._begin(worker) for worker in self.workers.values()):
            pass

    def _fetch(self, worker: FakeWorker) -> int:
        before = len(worker.fetched)
        for queue in sorted(worker.consuming & self.queues.keys()):
            taken = max(0, min(worker.room, self.queues[queue].ready))
            self.queues[queue].ready -= taken
            worker.fetched += [queue] * taken
        return len(worker.fetched) - before

    def _begin(self, worker: FakeWorker) -> int:
        free = worker.concurrency - len(worker.running)
        begun, worker.fetched = worker.fetched[:free], worker.fetched[free:]
        worker.running += begun
        if not worker.acks_late:
            self._acknowledge(begun)
        return len(begun)

    def _acknowledge(self, messages: Iterable[str]) -> None:
        for queue in messages:
            self.queues[queue].left += 1


class FakeBroker:
    """A session on a `FakeRabbitMQ`; each worker answers at every look.

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
        clock: Callable[[], float] = CLOCK.monotonic,
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
            answers=self._answers.newest,
            samples=self._answers.samples,
            worked=self._answers.worked,
            consuming=_consuming(place) if any(it.around for it in asks) else {},
            beats=place.beats if any(it.beats for it in asks) else (),
            mute=place.failure if self._wanted else None,
            seen_at=dict(self._seen_at),
            cluster=self._cluster,
        )

    async def look(self, queues: Sequence[str]) -> BrokerSnapshot:
        """What is known of these queues, with messages and consumers of each."""
        place = self.place
        if place.failure is not None:
            return replace(self.known.of(queues), failed=place.failure)
        self._seen_at["depths"], self._cluster = self._clock(), place.cluster
        return replace(self.known.of(queues), depths={name: place.depth(name) for name in queues})

    def ask(self, who: Hashable, questions: Questions) -> None:
        """Ask this at every look; replaces what the same fleet wanted before."""
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
