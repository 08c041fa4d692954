"""What the operator needs on a broker, what it costs there, and that it leaves nothing."""

import asyncio
import contextlib
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.celery_workers import Application, running
from tests.support.controlplane import REPOSITORY
from tests.support.ports import LOOPBACK
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until, wait_until_async
from utilitarian import routing
from utilitarian_operator.adapters.broker.depths import DepthReader
from utilitarian_operator.adapters.broker.session import BrokerSession, Credentials
from utilitarian_operator.adapters.broker.statistics import Statistics
from utilitarian_operator.adapters.broker.workers.remote_control import RemoteControl
from utilitarian_operator.core.observation.broker import Depth, Questions, Unread
from utilitarian_operator.errors import BrokerUnreachable, LoginRefused, RightMissing

EVERY_RABBITMQ = True
SOON = timedelta(seconds=30)
PASSWORD = "hunter2"
OURS = "utilitarian-operator"
DOCUMENTED = re.search(
    r"set_permissions -p VHOST \S+ \\\n +'(\S+)' \\\n +'(\S+)' \\\n +'(\S+)'",
    (REPOSITORY / "docs" / "install.md").read_text(),
)
TWO = [(f"{OURS} depths", 1, 60), (f"{OURS} remote control", 1, 60)]
"""Connections of a broker that is looked at and whose workers are asked: name, channels, heartbeat in seconds."""

QUEUE, MISSING = routing.DEFAULT_QUEUE, "utilitarian.tasks.missing"
ASKS_FOR_READ = (4, 3, 1)
"""The first RabbitMQ whose passive declare needs a right."""


def rights() -> dict[str, str]:
    assert DOCUMENTED is not None
    return dict(zip(("configure", "write", "read"), DOCUMENTED.groups(), strict=True))


def version(rabbitmq: RabbitMQ) -> tuple[int, ...]:
    return tuple(map(int, rabbitmq.api("GET", "/api/overview")["rabbitmq_version"].split(".")))


def login(rabbitmq: RabbitMQ, vhost: str, *, tags: str = "management", **different: str) -> str:
    """The URL of a user with the rights that docs/install.md names, but for those that differ."""
    rabbitmq.make_user(OURS, PASSWORD, tags=tags)
    rabbitmq.grant(OURS, vhost, **{**rights(), **different})
    return f"amqp://{OURS}:{PASSWORD}@{LOOPBACK}:{rabbitmq.amqp_port}/{quote(vhost, safe='')}"


def management(rabbitmq: RabbitMQ) -> str:
    return f"http://{OURS}:{PASSWORD}@{LOOPBACK}:{rabbitmq.management_port}"


async def test_the_documented_rights_are_enough(rabbitmq: RabbitMQ, vhost: str, tmp_path: Path) -> None:
    url = login(rabbitmq, vhost)
    worker = Application(rabbitmq.amqp_url(vhost), tmp_path).worker("one", queues=[QUEUE], execution="solo")
    with running(worker) as (one,):
        session = BrokerSession(Credentials(url, (management(rabbitmq),)))
        session.start()
        try:
            assert (await session.look([QUEUE, MISSING])).depths == {QUEUE: Depth(0, 1), MISSING: None}
            session.ask("fleet", Questions(frozenset({"celery@one"})))
            await wait_until_async(lambda: session.known.answer("celery@one", 0), within=SOON)
        finally:
            await session.close()
        assert set(await Statistics([management(rabbitmq)], vhost).read()) >= {QUEUE}
        with closing(RemoteControl(url)) as control:
            control.cancel_consumers("celery@one", [QUEUE])
        await wait_until_async(lambda: rabbitmq.depth(vhost, QUEUE).consumers == 0, within=SOON)
        one.kill()


@pytest.mark.parametrize("right", ["configure", "write", "read"])
async def test_a_right_that_is_missing_on_the_mailbox_is_named(rabbitmq: RabbitMQ, vhost: str, right: str) -> None:
    session = BrokerSession(Credentials(login(rabbitmq, vhost, **{right: "^utilitarian"})))
    session.start()
    try:
        session.ask("fleet", Questions(frozenset({"celery@one"})))
        await wait_until_async(
            lambda: isinstance(session.known.mute, RightMissing), within=SOON, describe=lambda: session.known
        )
        assert "remote control needs configure, write and read on celery.pidbox" in str(session.known.mute)
        session.ask("fleet", Questions())
        assert session.known.mute is None
    finally:
        await session.close()


def test_a_right_that_is_missing_on_a_queue_is_named_where_the_broker_asks_for_one(
    rabbitmq: RabbitMQ, vhost: str
) -> None:
    rabbitmq.declare(vhost, QUEUE)
    none = dict.fromkeys(("configure", "write", "read"), "^$")
    with closing(DepthReader(login(rabbitmq, vhost, **none))) as reader:
        if version(rabbitmq) < ASKS_FOR_READ:
            assert reader.read([QUEUE]) == {QUEUE: Depth(0, 0)}
            return
        refused = reader.read([QUEUE])[QUEUE]
        assert isinstance(refused, Unread)
        assert QUEUE in refused.why
        assert "give the user `read` on it" in refused.why


def test_a_queue_that_may_not_be_read_costs_the_others_nothing(rabbitmq: RabbitMQ, vhost: str) -> None:
    rabbitmq.declare(vhost, "ours", "theirs", "ours too")
    rabbitmq.publish(vhost, "ours too", ["{}"] * 3)
    with closing(DepthReader(login(rabbitmq, vhost, read="^ours"))) as reader:
        for _ in range(2):
            answers = reader.read(["ours", "theirs", "ours too"])
            assert (answers["ours"], answers["ours too"]) == (Depth(0, 0), Depth(3, 0))
            assert isinstance(answers["theirs"], Unread) == (version(rabbitmq) >= ASKS_FOR_READ)


async def test_a_tag_that_is_missing_is_named(rabbitmq: RabbitMQ, vhost: str) -> None:
    login(rabbitmq, vhost, tags="")
    with pytest.raises(LoginRefused, match="lacks the tag `management`"):
        await Statistics([management(rabbitmq)], vhost).read()


def connections(rabbitmq: RabbitMQ, vhost: str) -> list[tuple[str, int, int]]:
    """Name, channels and seconds between heartbeats of each of the operator's."""
    rows = rabbitmq.api("GET", f"/api/vhosts/{quote(vhost, safe='')}/connections")
    named = [
        (row["client_properties"].get("connection_name", ""), row.get("channels", 0), row.get("timeout", 0))
        for row in rows
    ]
    return sorted(it for it in named if it[0].startswith(OURS))


def exchanges(rabbitmq: RabbitMQ, vhost: str) -> set[str]:
    return {row["name"] for row in rabbitmq.api("GET", f"/api/exchanges/{quote(vhost, safe='')}")}


@contextlib.contextmanager
def overheard(rabbitmq: RabbitMQ, vhost: str) -> Iterator[list[Any]]:
    """What is published to the workers' mailbox, as each of them gets it; filled by `depth` of the queue `ear`."""
    with rabbitmq.channel(vhost) as channel:
        channel.exchange_declare("celery.pidbox", "fanout", durable=False, auto_delete=False)
        channel.queue_declare("ear", exclusive=True)
        channel.queue_bind("ear", "celery.pidbox")
        yield channel


async def test_a_hundred_pools_cost_a_broker_no_more_than_fourteen_and_nothing_stays(rabbitmq: RabbitMQ) -> None:
    sizes = (14, 100)
    with contextlib.ExitStack() as stack:
        vhosts = [stack.enter_context(rabbitmq.vhost()) for _ in sizes]
        ears = [stack.enter_context(overheard(rabbitmq, vhost)) for vhost in vhosts]
        before = [(rabbitmq.queues(vhost), exchanges(rabbitmq, vhost)) for vhost in vhosts]
        sessions = [BrokerSession(Credentials(rabbitmq.amqp_url(vhost))) for vhost in vhosts]

        def heard() -> list[int]:
            return [ear.queue_declare("ear", passive=True).message_count for ear in ears]

        async def tick() -> list[int]:
            for session, size in zip(sessions, sizes, strict=True):
                await session.look([f"queue-{number}" for number in range(size)])
                session.ask("fleet", Questions(frozenset(f"celery@{number}" for number in range(size))))
            return heard()

        try:
            for session in sessions:
                session.start()
            await wait_until_async(lambda: _at_least(tick(), 4), within=SOON, every=timedelta(seconds=0.5))
            few, many = heard()
            assert many <= 1.5 * few + 3
            await wait_until_async(
                lambda: all(connections(rabbitmq, vhost) == TWO for vhost in vhosts),
                within=SOON,
                describe=lambda: [connections(rabbitmq, vhost) for vhost in vhosts],
            )
        finally:
            await asyncio.gather(*(session.close() for session in sessions))
        after = [(names, there | {"celery.pidbox", "reply.celery.pidbox"}) for names, there in before]
        await wait_until_async(
            lambda: (
                [(rabbitmq.queues(vhost), exchanges(rabbitmq, vhost)) for vhost in vhosts] == after
                and not any(connections(rabbitmq, vhost) for vhost in vhosts)
            ),
            within=SOON,
            describe=lambda: [(rabbitmq.queues(vhost), connections(rabbitmq, vhost)) for vhost in vhosts],
        )


async def _at_least(counts: Any, number: int) -> bool:
    return min(await counts) >= number


@pytest.mark.soak
def test_a_broker_that_is_out_of_memory_is_seen_and_its_workers_are_unknown_until_it_is_not(fragile: RabbitMQ) -> None:
    fragile.declare("/", "queue")
    with closing(DepthReader(fragile.amqp_url())) as reader, closing(RemoteControl(fragile.amqp_url())) as control:
        assert control.holdings(["celery@none"]) == {}
        with fragile.out_of_memory():
            for _ in range(3):
                with pytest.raises(BrokerUnreachable, match="takes no messages"):
                    control.holdings(["celery@none"])
                assert reader.read(["queue"]) == {"queue": Depth(0, 0)}
            # A new connection each time would stay there until the broker reads again.
            wait_until(
                lambda: [name for name, *_ in connections(fragile, "/")] == [name for name, *_ in TWO],
                within=SOON,
                describe=lambda: connections(fragile, "/"),
            )
        assert control.holdings(["celery@none"]) == {}
