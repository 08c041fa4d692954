"""Where the contract of a broker is played in memory."""

import contextlib
from collections.abc import AsyncIterator

from tests.support.broker_contract import QUEUE
from utilitarian_operator.adapters.broker.fake import FakeBroker, FakeRabbitMQ
from utilitarian_operator.errors import BrokerUnreachable


class FakeStage:
    """Fake brokers and workers."""

    def __init__(self) -> None:
        self._place = FakeRabbitMQ()

    @contextlib.asynccontextmanager
    async def session(self, *, statistics: bool = False) -> AsyncIterator[FakeBroker]:
        """A session on the one place."""
        broker = FakeBroker(self._place, statistics=statistics)
        yield broker
        await broker.close()

    @contextlib.asynccontextmanager
    async def elsewhere(self) -> AsyncIterator[FakeBroker]:
        """A session on another place."""
        yield FakeBroker()

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[FakeBroker]:
        """A session on a place that fails."""
        broker = FakeBroker()
        broker.place.failure = BrokerUnreachable("no answer")
        yield broker

    @contextlib.asynccontextmanager
    async def workers(self, *nodes: str) -> AsyncIterator[None]:
        """Workers of one slot."""
        for node in nodes:
            self._place.start(node, QUEUE)
        yield
        for node in nodes:
            self._place.stop(node)

    def declare(self, queue: str) -> None:
        """Make a queue."""
        self._place.declare(queue)

    def publish(self, queue: str) -> None:
        """Put one message into it."""
        self._place.publish(queue)

    def work(self, count: int) -> None:
        """Put tasks into QUEUE."""
        self._place.publish(QUEUE, count)
