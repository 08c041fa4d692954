"""What every broker does, on the fake in memory and on RabbitMQ with Celery's workers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.broker_contract import QUEUE, BrokerContract, Stage
from tests.support.celery_workers import Application, running, send
from tests.support.fake_broker_stage import FakeStage
from tests.support.ports import LOOPBACK, free_port
from tests.support.rabbitmq import RabbitMQ
from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.adapters.broker.session import Credentials, opened

LONG_S = 600.0


@dataclass(frozen=True)
class RealStage:
    """Sessions on RabbitMQ, and Celery's workers."""

    rabbitmq: RabbitMQ
    vhost: str
    directory: Path

    @contextlib.asynccontextmanager
    async def session(self, *, statistics: bool = False) -> AsyncIterator[Broker]:
        async with self._session(self.rabbitmq.amqp_url(self.vhost), statistics=statistics) as broker:
            yield broker

    @contextlib.asynccontextmanager
    async def elsewhere(self) -> AsyncIterator[Broker]:
        with self.rabbitmq.vhost() as other:
            async with self._session(self.rabbitmq.amqp_url(other)) as broker:
                yield broker

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[Broker]:
        async with self._session(f"amqp://guest:guest@{LOOPBACK}:{free_port()}//") as broker:
            yield broker

    @contextlib.asynccontextmanager
    async def workers(self, *nodes: str) -> AsyncIterator[None]:
        application = Application(self.rabbitmq.amqp_url(self.vhost), self.directory)
        made = [application.worker(it.rpartition("@")[2], queues=[QUEUE], concurrency=1) for it in nodes]
        with contextlib.ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, running(*made))
            yield
            for worker in made:
                worker.kill()

    def declare(self, queue: str) -> None:
        self.rabbitmq.declare(self.vhost, queue)

    def publish(self, queue: str) -> None:
        self.rabbitmq.publish(self.vhost, queue)

    def work(self, count: int) -> None:
        send(self.rabbitmq.amqp_url(self.vhost), QUEUE, [LONG_S] * count)

    @contextlib.asynccontextmanager
    async def _session(self, url: str, *, statistics: bool = False) -> AsyncIterator[Broker]:
        broker = opened(Credentials(url, (self.rabbitmq.prometheus_url,) if statistics else ()))
        try:
            yield broker
        finally:
            await broker.close()


@pytest.fixture(params=["fake", "real"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    if request.param == "fake":
        yield FakeStage()
    else:
        yield RealStage(request.getfixturevalue("rabbitmq"), request.getfixturevalue("vhost"), tmp_path)


class TestBroker(BrokerContract):
    """On both."""
