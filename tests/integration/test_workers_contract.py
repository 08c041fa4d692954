"""Real workers keep the contract by which those of the adversary's model are held to them."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.celery_versions import VERSIONS, interpreter
from tests.support.celery_workers import Application, send, wait_worker_ready
from tests.support.ledger import FileLedgerReader
from tests.support.processes import Process
from tests.support.quorum_contract import LongQuorumContract, QuorumContract
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from tests.support.workers_contract import Counts, GeventContract, Holds, LostContract, WorkersContract
from utilitarian import routing
from utilitarian_operator.adapters.broker.workers.remote_control import RemoteControl

SOON = timedelta(seconds=60)
QUEUE = routing.DEFAULT_QUEUE
HEARTBEAT_S = 5


class Real:
    """A virtual host of RabbitMQ and workers of the reference application."""

    def __init__(
        self, rabbitmq: RabbitMQ, vhost: str, directory: Path, stack: ExitStack, python: str | Path = sys.executable
    ) -> None:
        self._rabbitmq, self._vhost, self._stack = rabbitmq, vhost, stack
        self._url = rabbitmq.amqp_url(vhost)
        self._application = Application(self._url, directory, directory / "ledger", python=python)
        self._ledger = FileLedgerReader(directory / "ledger")
        self._workers: dict[str, Process] = {}
        self._queue_type = "classic"
        self._settings: tuple[str, ...] = ()
        self._control = RemoteControl(self._url)
        stack.callback(self._control.close)

    def worker(self, name: str, *, late: bool, slots: int = 2, multiplier: int = 1, execution: str = "threads") -> None:
        made = self._application.worker(
            name,
            f"--prefetch-multiplier={multiplier}",
            *self._settings,
            queues=[QUEUE],
            concurrency=slots,
            execution=execution,
            env={"UTILITARIAN_ACKS_LATE": str(late).lower(), "UTILITARIAN_QUEUE_TYPE": self._queue_type},
        )
        self._workers[name] = self._stack.enter_context(made)
        self._stack.callback(made.kill)
        wait_worker_ready(made)

    def soon_missed(self) -> None:
        """The workers that follow agree with the broker on short heartbeats, in place of its minute."""
        self._settings = ("--", f"broker_heartbeat={HEARTBEAT_S}")

    def quorum(self, limit: int) -> None:
        self._queue_type = "quorum"
        self._rabbitmq.set_policy(self._vhost, QUEUE, {"delivery-limit": limit})

    def send(self, count: int, seconds: float, *, due_in_s: float | None = None) -> None:
        eta = None if due_in_s is None else datetime.now(UTC) + timedelta(seconds=due_in_s)
        send(self._url, QUEUE, [seconds] * count, eta=eta, queue_type=self._queue_type)

    def holds(self, name: str) -> Holds | None:
        node = f"celery@{name}"
        said = self._control.holdings([node]).get(node)
        return said and Holds(said.active, said.acked_early, said.reserved, said.scheduled)

    def counts(self) -> Counts:
        ready, unacked = self._rabbitmq.totals(self._vhost).get(QUEUE, (0, 0))
        return Counts(ready, unacked)

    def cancel(self, name: str) -> None:
        self._control.cancel_consumers(f"celery@{name}", [QUEUE])

    def add(self, name: str) -> None:
        self._control.add_consumers(f"celery@{name}", [QUEUE])

    def terminate(self, name: str) -> None:
        self._workers[name].signal(signal.SIGTERM)

    def kill(self, name: str) -> None:
        self._workers[name].kill()

    def lose(self, name: str) -> None:
        self._workers[name].pause()

    def consumers(self) -> int:
        return self._rabbitmq.depth(self._vhost, QUEUE).consumers

    def ended(self, name: str) -> bool:
        return not self._workers[name].running

    def done(self) -> int:
        return len(self._ledger.read().ids("end"))

    def wait(self, condition: Callable[[], object]) -> None:
        wait_until(
            condition,
            within=SOON,
            describe=lambda: (self.counts(), {name: self.holds(name) for name in self._workers}),
        )


@pytest.fixture
def scene(rabbitmq: RabbitMQ, vhost: str, tmp_path: Path) -> Iterator[Real]:
    """A virtual host of a real broker."""
    with ExitStack() as stack:
        yield Real(rabbitmq, vhost, tmp_path, stack)


class TestWorkers(WorkersContract):
    """On a classic queue."""


class TestQuorumQueue(QuorumContract):
    """On a quorum queue."""


@pytest.mark.soak
class TestQuorumQueueForLong(LongQuorumContract):
    """The same, one after the other."""


@pytest.mark.soak
class TestLost(LostContract):
    """Whose machine is lost."""

    @pytest.fixture
    def scene(self, rabbitmq: RabbitMQ, vhost: str, tmp_path: Path) -> Iterator[Real]:
        with ExitStack() as stack:
            real = Real(rabbitmq, vhost, tmp_path, stack)
            real.soon_missed()
            yield real


@pytest.mark.soak
class TestGevent(GeventContract):
    """With gevent, by an interpreter that has it."""

    @pytest.fixture
    def scene(self, rabbitmq: RabbitMQ, vhost: str, tmp_path: Path) -> Iterator[Real]:
        with ExitStack() as stack:
            yield Real(rabbitmq, vhost, tmp_path, stack, interpreter(VERSIONS[-1]))
