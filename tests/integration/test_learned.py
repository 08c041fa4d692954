"""Seconds per task as they are learned from real workers: every task is counted, also what a worker ends at last."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench.learned import NODE, POOL, QUEUE, Case, Watched, measured, store
from tests.support.celery_workers import Application, running, send
from tests.support.observing import Watcher
from tests.support.pools import fleet
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until_async
from utilitarian_operator.adapters.broker.session import BrokerSession, Credentials
from utilitarian_operator.adapters.cluster.cache import Key

SOON = timedelta(seconds=60)


@pytest.mark.parametrize("execution", ["threads", "solo"])
async def test_every_task_of_two_bursts_is_counted_with_its_time(
    rabbitmq: RabbitMQ, tmp_path: Path, execution: str
) -> None:
    """With statistics of the broker and without; how near it comes is the business of the bench of that name."""
    for row in await measured(rabbitmq, Case(execution, "bursts", 1.0, number=16), tmp_path):
        assert row["counted"] == 16, row
        assert 0.4 <= row["learned_s"] <= 2.5, row


async def test_what_a_worker_ends_after_it_was_told_to_take_nothing_more_is_counted(
    rabbitmq: RabbitMQ, vhost: str, tmp_path: Path
) -> None:
    url, key = rabbitmq.amqp_url(vhost), Key("test", "fleet")
    session = BrokerSession(Credentials(url))
    session.start()
    watched = Watched(
        fleet({"name": POOL, "queues": [QUEUE]}, app="utilitarian", beat={"enabled": False}),
        Watcher(key, store(key), datetime.now(UTC)),
        session,
    )
    worker = Application(url, tmp_path).worker(NODE, queues=[QUEUE], concurrency=2, execution="threads")
    node = f"celery@{NODE}"

    async def led_out() -> bool:
        """Whether it holds nothing any more, which a drain waits for before it releases a worker."""
        await watched.look(1.0)
        said = session.known.answer(node, 0.0)
        if said is not None and said.consuming and said.active and said.reserved:
            await session.cancel_consumers(node, [QUEUE])
        return said is not None and said.consuming == () and said.nothing

    try:
        with running(worker):
            send(url, QUEUE, [1.0] * 4)
            await wait_until_async(led_out, within=SOON, describe=lambda: session.known.answer(node, 0.0))
            assert await watched.look(1.0) == 4
    finally:
        await session.close()
