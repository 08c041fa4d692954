"""Modelled workers and their broker do as real ones do: tests/integration plays the same cases on those."""

import random
from collections.abc import Callable, Iterator

import pytest

from tests.adversary.loop import VirtualLoop
from tests.adversary.rabbitmq import RabbitMQ
from tests.adversary.workers import Kind, Worker
from tests.support.quorum_contract import LongQuorumContract, QuorumContract
from tests.support.workers_contract import Counts, GeventContract, Holds, LostContract, WorkersContract

QUEUE = "work"
SOON_S = 60.0
NOTICED_AFTER_S = 20.0


class Model:
    """The broker and the workers of a world."""

    def __init__(self, seed: int) -> None:
        self.loop = VirtualLoop()
        self._rabbit = RabbitMQ(self.loop, random.Random(seed))
        self._workers: dict[str, Worker] = {}

    def worker(self, name: str, *, late: bool, slots: int = 2, multiplier: int = 1, execution: str = "threads") -> None:
        made = Worker(self._rabbit, name, Kind((QUEUE,), slots, multiplier, execution, late))
        self._workers[name] = self._rabbit.workers[made.node] = made
        made.connect()

    def quorum(self, limit: int) -> None:
        self._rabbit.limits[QUEUE] = limit

    def send(self, count: int, seconds: float, *, due_in_s: float | None = None) -> None:
        for _ in range(count):
            self._rabbit.send(QUEUE, seconds, None if due_in_s is None else self.loop.now + due_in_s)

    def holds(self, name: str) -> Holds | None:
        worker = self._workers[name]
        if not worker.hears:
            return None
        active = worker.answer("active")
        early = sum(it["acknowledged"] for it in active)
        return Holds(len(active), early, len(worker.answer("reserved")), len(worker.answer("scheduled")))

    def counts(self) -> Counts:
        unacked = sum(worker.unacked_of(QUEUE) for worker in self._workers.values())
        return Counts(len(self._rabbit.declare(QUEUE).ready), unacked)

    def cancel(self, name: str) -> None:
        self._order(name, "cancel_consumer")

    def add(self, name: str) -> None:
        self._order(name, "add_consumer")

    def _order(self, name: str, command: str) -> None:
        self._rabbit.order(self._workers[name].node, command, QUEUE)

    def terminate(self, name: str) -> None:
        self._workers[name].sigterm(lambda: None)

    def kill(self, name: str) -> None:
        self._workers[name].kill("the test")

    def lose(self, name: str) -> None:
        self._workers[name].kill("world: the machine was lost", after=NOTICED_AFTER_S)

    def consumers(self) -> int:
        return self._rabbit.consumers_of(self._rabbit.declare(QUEUE))

    def ended(self, name: str) -> bool:
        return not self._workers[name].alive

    def done(self) -> int:
        return sum(task.ended for task in self._rabbit.tasks)

    def wait(self, condition: Callable[[], object]) -> None:
        self.loop.run_until(
            condition, SOON_S, lambda: (self.counts(), {name: self.holds(name) for name in self._workers})
        )


@pytest.fixture
def scene() -> Iterator[Model]:
    """A broker and workers in virtual time."""
    model = Model(1)
    yield model
    model.loop.close()


class TestModelledWorkers(WorkersContract):
    """On a classic queue."""


class TestModelledQuorumQueue(QuorumContract):
    """On a quorum queue."""


class TestModelledQuorumQueueForLong(LongQuorumContract):
    """The same, one after the other."""


class TestModelledLost(LostContract):
    """Whose machine is lost."""


class TestModelledGevent(GeventContract):
    """With gevent."""
