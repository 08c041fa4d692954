"""One session per broker: who is asked, how old an answer may be, what happens in an outage, and a clean end."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from tests.support.celery_workers import Application, running
from tests.support.pace import takes_at_most
from tests.support.ports import LOOPBACK, free_port
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until_async
from utilitarian import routing
from utilitarian_operator.adapters.broker.bounded.brokers import Brokers
from utilitarian_operator.adapters.broker.session import BrokerSession, Credentials
from utilitarian_operator.core.observation.broker import Depth, Questions
from utilitarian_operator.core.observation.model.queue import Counted
from utilitarian_operator.errors import BrokerUnreachable

EVERY_RABBITMQ = True
SOON = timedelta(seconds=20)
UNKNOWN = Questions(frozenset({"celery@none"}))
FLAGS = ("--without-gossip", "--without-mingle", "--without-heartbeat")


@contextlib.asynccontextmanager
async def session(url: str, *stats: str) -> AsyncIterator[BrokerSession]:
    made = BrokerSession(Credentials(url, stats))
    made.start()
    try:
        yield made
    finally:
        await made.close()


def ours(rabbitmq: RabbitMQ, vhost: str) -> set[str]:
    rows = rabbitmq.api("GET", f"/api/vhosts/{vhost}/connections")
    names = {row["client_properties"].get("connection_name", "") for row in rows}
    return {name for name in names if name.startswith("utilitarian-operator")}


async def test_depths_are_of_this_moment(rabbitmq: RabbitMQ, vhost: str) -> None:
    rabbitmq.declare(vhost, "queue")
    async with session(rabbitmq.amqp_url(vhost)) as broker:
        for count in (1, 2, 3):
            rabbitmq.publish(vhost, "queue")
            assert (await broker.look(["queue", "missing"])).depths == {"queue": Depth(count, 0), "missing": None}
        assert broker.known.counted is None  # no counts without statistics


async def test_a_worker_that_is_taken_back_has_its_own_queue_again(
    rabbitmq: RabbitMQ, vhost: str, tmp_path: Path
) -> None:
    application, queue, node = Application(rabbitmq.amqp_url(vhost), tmp_path), routing.DEFAULT_QUEUE, "celery@one"
    both = tuple(sorted((queue, f"{node}.dq2")))
    worker = application.worker("one", *FLAGS, "--", "worker.direct=true", queues=[queue], quiet=False)
    async with session(rabbitmq.amqp_url(vhost)) as broker:
        with running(worker):
            broker.ask("fleet", Questions(frozenset({node})))

            def consuming() -> tuple[str, ...] | None:
                held = broker.known.answer(node, time.monotonic() - 2)
                return None if held is None else held.consuming

            await wait_until_async(lambda: consuming() == both, within=SOON, describe=consuming)
            await broker.cancel_consumers(node, both)
            await wait_until_async(lambda: consuming() == (), within=SOON, describe=consuming)
            # The operator names the pool's queues alone.
            await broker.add_consumers(node, [queue])
            await wait_until_async(lambda: consuming() == both, within=SOON, describe=consuming)


async def test_a_worker_that_was_told_to_consume_again_is_not_believed_to_be_empty(
    rabbitmq: RabbitMQ, vhost: str, tmp_path: Path
) -> None:
    application = Application(rabbitmq.amqp_url(vhost), tmp_path)
    queue = routing.DEFAULT_QUEUE
    async with session(rabbitmq.amqp_url(vhost)) as broker:
        with running(application.worker("one", *FLAGS, queues=[queue])):
            node = "celery@one"
            broker.ask("fleet", Questions(frozenset({node})))

            def consuming() -> tuple[str, ...] | None:
                said = broker.known.answer(node, time.monotonic() - SOON.total_seconds())
                return said.consuming if said else None

            await wait_until_async(lambda: consuming() == (queue,), within=SOON, describe=consuming)
            await broker.cancel_consumers(node, [queue])
            await wait_until_async(lambda: consuming() == (), within=SOON, describe=consuming)
            await broker.add_consumers(node, [queue])
            assert consuming() is None  # what it said before is no word on what it does now
            await broker.cancel_consumers(node, [queue])
            assert consuming() is None
            await wait_until_async(lambda: consuming() == (), within=SOON, describe=consuming)
            await broker.add_consumers(node, [queue])
            await wait_until_async(lambda: consuming() == (queue,), within=SOON, describe=consuming)


async def test_statistics_come_by_themselves_and_say_when_they_do_not(rabbitmq: RabbitMQ, vhost: str) -> None:
    rabbitmq.declare(vhost, "queue")
    nothing = {"queue": Counted(0, 0, 0, 0)}
    async with session(rabbitmq.amqp_url(vhost), rabbitmq.prometheus_url) as broker:
        await wait_until_async(lambda: broker.known.counted == nothing, within=SOON, describe=lambda: broker.known)
        read_at = broker.known.seen_at["statistics"]
        assert read_at is not None
        assert time.monotonic() - read_at < SOON.total_seconds()
    async with session(rabbitmq.amqp_url(vhost), f"http://{LOOPBACK}:{free_port()}") as broker:
        await wait_until_async(lambda: isinstance(broker.known.counted, BrokerUnreachable), within=SOON)
        assert broker.known.seen_at["statistics"] is None


async def test_only_who_is_named_is_asked_and_an_answer_ages(rabbitmq: RabbitMQ, vhost: str, tmp_path: Path) -> None:
    application = Application(rabbitmq.amqp_url(vhost), tmp_path)
    workers = [
        application.worker(name, *FLAGS, queues=[routing.DEFAULT_QUEUE], execution="solo") for name in ("one", "two")
    ]
    with running(*workers) as (one, two):
        async with session(rabbitmq.amqp_url(vhost)) as broker:
            assert ours(rabbitmq, vhost) == set()  # no worker named: not even a connection
            asked_at = time.monotonic()
            broker.ask("fleet", Questions(frozenset({"celery@one"})))
            assert broker.known.answer("celery@one", 0) is None
            await wait_until_async(lambda: broker.known.answer("celery@one", asked_at), within=SOON)
            assert broker.known.answer("celery@one", asked_at).nothing
            assert broker.known.answer("celery@two", 0) is None
            assert broker.known.answer("celery@one", time.monotonic()) is None  # nothing was asked since this moment

            broker.ask("another", Questions(frozenset({"celery@two"})))
            await wait_until_async(lambda: broker.known.answer("celery@two", 0), within=SOON)
            again = time.monotonic()
            await wait_until_async(
                lambda: broker.known.answer("celery@one", again), within=SOON
            )  # asked by the first still

            one.pause()
            silent_since = time.monotonic()
            await wait_until_async(lambda: broker.known.answer("celery@two", silent_since + 1), within=SOON)
            assert broker.known.answer("celery@one", silent_since + 1) is None
            one.resume()

            broker.ask("fleet", Questions())
            assert broker.known.answer("celery@one", 0) is None  # forgotten at once
            assert broker.known.answer("celery@two", 0) is not None
        one.kill()
        two.kill()


async def test_closing_leaves_nothing_on_the_broker(rabbitmq: RabbitMQ, vhost: str) -> None:
    async with session(rabbitmq.amqp_url(vhost)) as broker:
        assert (await broker.look(["queue"])).failed is None
        broker.ask("fleet", UNKNOWN)
        await wait_until_async(
            lambda: len(ours(rabbitmq, vhost)) == 2, within=SOON, describe=lambda: ours(rabbitmq, vhost)
        )
    await wait_until_async(lambda: not ours(rabbitmq, vhost), within=SOON, describe=lambda: ours(rabbitmq, vhost))
    assert rabbitmq.queues(vhost) == set()


async def test_equal_credentials_share_a_session_while_it_is_used(rabbitmq: RabbitMQ, vhost: str) -> None:
    brokers = Brokers()
    credentials = Credentials(rabbitmq.amqp_url(vhost))
    one = brokers.session(credentials, "ns")
    assert brokers.session(Credentials(rabbitmq.amqp_url(vhost)), "ns") is one
    await brokers.keep_only({"fleet": credentials})
    assert brokers.session(credentials, "ns") is one
    await brokers.keep_only({})
    another = brokers.session(credentials, "ns")
    assert another is not one
    assert (await another.look(["queue"])).depths == {"queue": None}
    await brokers.keep_only({})


async def test_in_an_outage_it_fails_at_once_recovers_by_itself_and_can_be_closed(fragile: RabbitMQ) -> None:
    closed_in_between = BrokerSession(Credentials(fragile.amqp_url()))
    closed_in_between.start()
    async with session(fragile.amqp_url()) as broker:
        for one in (broker, closed_in_between):
            one.ask("fleet", UNKNOWN)
            assert (await one.look(["queue"])).failed is None
        fragile.kill()
        try:
            error = (await broker.look(["queue"])).failed
            assert error is not None
            assert (await broker.look(["queue"])).failed is error, "it is left alone for a moment, and not tried again"
            with takes_at_most(5):
                await closed_in_between.close()
        finally:
            await asyncio.to_thread(fragile.start)

        async def answers() -> bool:
            return (await broker.look(["queue"])).failed is None

        await wait_until_async(answers, within=SOON)
        assert not [task for task in broker._tasks if task.done()]
