"""Depths of queues as a real broker tells them, and what is said when it doesn't."""

import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from urllib.parse import quote

import amqp
import pytest

from tests.support.pace import takes_at_most
from tests.support.ports import LOOPBACK, free_port
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian_operator.adapters.broker.depths import BATCH, DELAYED, MISSING_ASKED_AT_A_TIME, DepthReader
from utilitarian_operator.core.observation.broker import Depth, Unread
from utilitarian_operator.errors import BrokerError, BrokerUnreachable, LoginRefused

EVERY_RABBITMQ = True
SOON = timedelta(seconds=10)
GIVEN_UP_WITHIN_S = 5.0
PASSWORD = "hunter2/@:%"


@pytest.fixture
def reader(rabbitmq: RabbitMQ, vhost: str) -> Iterator[DepthReader]:
    with closing(DepthReader(rabbitmq.amqp_url(vhost))) as made:
        yield made


def test_ready_messages_and_consumers(rabbitmq: RabbitMQ, vhost: str, reader: DepthReader) -> None:
    rabbitmq.declare(vhost, "full", "empty", "consumed")
    rabbitmq.publish(vhost, "full", ["{}"] * 3)
    rabbitmq.publish(vhost, "consumed", ["{}"] * 2)
    with rabbitmq.channel(vhost) as channel:
        channel.basic_qos(0, 1, a_global=False)
        channel.basic_consume("consumed", callback=lambda _: None)
        # One of the two is delivered and not acknowledged: neither ready nor gone.
        wait_until(lambda: reader.read(["consumed"]) == {"consumed": Depth(1, 1)}, within=SOON)
        queues = ["full", "empty", "consumed", "missing"]
        assert reader.read(queues) == {
            "full": Depth(3, 0),
            "empty": Depth(0, 0),
            "consumed": Depth(1, 1),
            "missing": None,
        }
        assert list(reader.read(queues)) == queues


@pytest.mark.parametrize("kind, counted", [("classic", 0), ("quorum", 1)])
def test_a_quorum_queue_counts_a_consumer_that_was_cancelled_until_it_has_acknowledged_all(
    rabbitmq: RabbitMQ, vhost: str, reader: DepthReader, kind: str, counted: int
) -> None:
    """As a worker that takes nothing more, and finishes what it holds."""
    rabbitmq.declare(vhost, kind, arguments={"x-queue-type": kind})
    rabbitmq.publish(vhost, kind, ["{}"] * 2)
    with rabbitmq.connection(vhost) as connection, connection.channel() as channel:
        held: list[amqp.Message] = []
        channel.basic_qos(0, 1, a_global=False)
        tag = channel.basic_consume(kind, callback=held.append)
        while not held:
            connection.drain_events(timeout=SOON.total_seconds())
        channel.basic_cancel(tag)
        assert reader.read([kind]) == {kind: Depth(1, counted)}
        channel.basic_ack(held[0].delivery_tag)
        wait_until(lambda: reader.read([kind]) == {kind: Depth(1, 0)}, within=SOON)


def test_a_thousand_queues_in_one_read(rabbitmq: RabbitMQ, vhost: str, reader: DepthReader) -> None:
    queues = [f"queue-{number:04}" for number in range(2 * BATCH)]
    rabbitmq.declare(vhost, *queues)
    rabbitmq.publish(vhost, queues[-1], ["{}"] * 7)
    assert reader.read(queues) == dict.fromkeys(queues, Depth(0, 0)) | {queues[-1]: Depth(7, 0)}
    # 50 ms on an idle machine; one by one it would be fifteen times as long.
    with takes_at_most(1.0):
        reader.read(queues)


def test_nothing_asked_is_nothing_answered(reader: DepthReader) -> None:
    assert reader.read([]) == {}


def test_a_name_that_needs_no_mercy(rabbitmq: RabbitMQ, vhost: str, reader: DepthReader) -> None:
    names = ["with space", "mätare/år", "a" * 255]
    rabbitmq.declare(vhost, *names)
    assert reader.read(names) == dict.fromkeys(names, Depth(0, 0))


def test_what_the_broker_keeps_for_later_is_counted_apart(rabbitmq: RabbitMQ, vhost: str, reader: DepthReader) -> None:
    rabbitmq.declare(vhost, "queue")
    assert reader.delayed() is None  # no client has connected yet
    assert reader.read(["queue"]) == {"queue": Depth(0, 0)}
    assert reader.delayed() is None
    rabbitmq.declare(vhost, *DELAYED)
    rabbitmq.publish(vhost, DELAYED[0], ["{}"])
    rabbitmq.publish(vhost, DELAYED[-1], ["{}"] * 2)
    assert reader.delayed() == 3
    assert reader.read(["queue"]) == {"queue": Depth(0, 0)}


def test_missing_queues_cost_the_others_nothing_and_are_seen_when_they_come(
    rabbitmq: RabbitMQ, vhost: str, reader: DepthReader
) -> None:
    queues = [f"queue-{number:03}" for number in range(MISSING_ASKED_AT_A_TIME + 10)]
    assert reader.read(queues) == dict.fromkeys(queues)
    rabbitmq.declare(vhost, queues[0], queues[-1])
    # Missing ones are asked in turn, a part of them each time.
    wait_until(
        lambda: {name for name, depth in reader.read(queues).items() if depth} == {queues[0], queues[-1]},
        within=SOON,
        describe=lambda: reader.read(queues),
    )
    assert reader.read(queues[:1]) == {queues[0]: Depth(0, 0)}


def test_a_missing_queue_is_not_forgotten_by_a_reading_for_other_looks(
    rabbitmq: RabbitMQ, vhost: str, reader: DepthReader
) -> None:
    """Else it would end each batch that it is in, and all queues behind it would be asked a second time."""
    rabbitmq.declare(vhost, "there")
    assert reader.read(["gone"], ["there"]) == {"gone": None, "there": Depth(0, 0)}
    reader.read(["there"])
    assert list(reader._apart) == ["gone"]
    assert reader.read(["there"], ["gone"]) == {"gone": None, "there": Depth(0, 0)}
    rabbitmq.declare(vhost, "gone")
    assert reader.read(["gone"], ["there"]) == {"gone": Depth(0, 0), "there": Depth(0, 0)}


def test_a_queue_that_is_exclusive_costs_the_others_nothing(
    rabbitmq: RabbitMQ, vhost: str, reader: DepthReader
) -> None:
    """A fleet that named one had all fleets of its broker call it unreachable."""
    rabbitmq.declare(vhost, "there", "also-there")
    looks = [["there"], ["locked", "also-there"]]
    with rabbitmq.channel(vhost) as channel:
        channel.queue_declare("locked", exclusive=True)
        for _ in range(2):
            found = reader.read(*looks)
            assert isinstance(locked := found.pop("locked"), Unread)
            assert "not exclusive" in locked.why
            assert found == {"there": Depth(0, 0), "also-there": Depth(0, 0)}
    wait_until(lambda: reader.read(*looks)["locked"] is None, within=SOON)  # it went with its connection


def test_a_queue_deleted_between_two_reads_is_missing_and_the_others_are_right(
    rabbitmq: RabbitMQ, vhost: str, reader: DepthReader
) -> None:
    queues = [f"queue-{number}" for number in range(5)]
    rabbitmq.declare(vhost, *queues)
    for number, name in enumerate(queues):
        rabbitmq.publish(vhost, name, ["{}"] * number)
    reader.read(queues)
    with rabbitmq.channel(vhost) as channel:
        channel.queue_delete(queues[1])
        channel.queue_delete(queues[3])
    expected = {name: Depth(number, 0) for number, name in enumerate(queues)} | dict.fromkeys(queues[1:4:2])
    assert reader.read(queues) == expected
    rabbitmq.declare(vhost, queues[1])
    assert reader.read(queues) == expected | {queues[1]: Depth(0, 0)}


def test_one_connection_however_often_it_reads_and_none_afterwards(
    rabbitmq: RabbitMQ, vhost: str, reader: DepthReader
) -> None:
    def connections() -> list[str]:
        rows = rabbitmq.api("GET", f"/api/vhosts/{vhost}/connections")
        return [row["client_properties"].get("connection_name", "") for row in rows]

    for _ in range(5):
        reader.read(["missing"])
    wait_until(lambda: connections() == ["utilitarian-operator depths"], within=SOON, describe=connections)
    reader.close()
    wait_until(lambda: connections() == [], within=SOON, describe=connections)


@pytest.mark.parametrize(
    "user,password,vhost_asked",
    [
        pytest.param("limited", "wrong" + PASSWORD, None, id="wrong-password"),
        pytest.param("stranger", PASSWORD, None, id="unknown-user"),
        pytest.param("limited", PASSWORD, "no such vhost", id="unknown-vhost"),
        pytest.param("limited", PASSWORD, "/", id="vhost-of-others"),
    ],
)
def test_a_refused_login_says_so_without_the_password(
    rabbitmq: RabbitMQ, vhost: str, user: str, password: str, vhost_asked: str | None
) -> None:
    rabbitmq.make_user("limited", PASSWORD)
    rabbitmq.grant("limited", vhost)
    with closing(DepthReader(url(rabbitmq, user, password, vhost_asked or vhost))) as reader:
        with pytest.raises(LoginRefused) as refused:
            reader.read(["queue"])
        assert "hunter2" not in str(refused.value)
    with closing(DepthReader(url(rabbitmq, "limited", PASSWORD, vhost))) as reader:
        assert reader.read(["queue"]) == {"queue": None}


@pytest.mark.parametrize(
    "limit,says",
    [
        pytest.param("vhost-limits/{vhost}/max-connections", "the limit of the vhost is reached", id="of-the-vhost"),
        pytest.param("user-limits/limited/max-connections", "the limit of its user is reached", id="of-the-user"),
    ],
)
def test_a_limit_of_connections_is_named_with_what_to_do(rabbitmq: RabbitMQ, vhost: str, limit: str, says: str) -> None:
    rabbitmq.make_user("limited", PASSWORD)
    rabbitmq.grant("limited", vhost)
    path = f"/api/{limit.format(vhost=vhost)}"
    rabbitmq.api("PUT", path, {"value": 0})
    try:
        with (
            closing(DepthReader(url(rabbitmq, "limited", PASSWORD, vhost))) as reader,
            pytest.raises(BrokerUnreachable, match=f"{says}; raise it"),
        ):
            reader.read(["queue"])
    finally:
        rabbitmq.api("DELETE", path)


def test_looking_at_a_queue_keeps_it_from_expiring(rabbitmq: RabbitMQ, vhost: str) -> None:
    """As docs/sight.md says: a passive declare is a use of the queue to RabbitMQ."""
    rabbitmq.declare(vhost, "short-lived", "looked-at", arguments={"x-expires": 5000})
    with closing(DepthReader(rabbitmq.amqp_url(vhost))) as reader:

        def other_is_gone() -> bool:
            assert reader.read(["looked-at"]) == {"looked-at": Depth(0, 0)}
            return rabbitmq.queues(vhost) == {"looked-at"}

        wait_until(other_is_gone, within=2 * SOON, describe=lambda: rabbitmq.queues(vhost))
    wait_until(lambda: not rabbitmq.queues(vhost), within=2 * SOON, describe=lambda: rabbitmq.queues(vhost))


def url(rabbitmq: RabbitMQ, user: str, password: str, vhost: str) -> str:
    escaped = quote(password, safe="")
    return f"amqp://{user}:{escaped}@{LOOPBACK}:{rabbitmq.amqp_port}/{quote(vhost, safe='')}"


def test_of_several_addresses_one_that_answers_is_enough(rabbitmq: RabbitMQ, vhost: str) -> None:
    rabbitmq.declare(vhost, "queue")
    with socket.create_server((LOOPBACK, 0)) as mute:  # the kernel accepts, no broker speaks
        ports = [free_port(), mute.getsockname()[1], free_port()]
        others = "".join(f"amqp://u:p@{LOOPBACK}:{port}/{vhost};" for port in ports)
        with closing(DepthReader(others + rabbitmq.amqp_url(vhost))) as reader:
            assert reader.read(["queue"]) == {"queue": Depth(0, 0)}


def test_a_broker_that_is_not_there_is_said_at_once() -> None:
    port = free_port()
    with (
        takes_at_most(GIVEN_UP_WITHIN_S),
        closing(DepthReader(f"amqp://user:hunter2@{LOOPBACK}:{port}//")) as reader,
        pytest.raises(BrokerUnreachable) as unreachable,
    ):
        reader.read(["queue"])
    assert "refused" in str(unreachable.value)
    assert "hunter2" not in str(unreachable.value)


def given_up(reader: DepthReader) -> BrokerError:
    with takes_at_most(GIVEN_UP_WITHIN_S), pytest.raises(BrokerUnreachable) as unreachable:
        reader.read(["queue"])
    return unreachable.value


def test_a_frozen_broker_is_given_up_and_read_again_when_it_goes_on(fragile: RabbitMQ) -> None:
    fragile.declare("/", "queue")
    with closing(DepthReader(fragile.amqp_url())) as reader:
        reader.read(["queue"])
        fragile.pause()
        try:
            given_up(reader)  # on the connection that stood
            given_up(reader)  # on a new one: the kernel accepts it, no broker speaks
        finally:
            fragile.resume()
        wait_until(lambda: reader.read(["queue"]), within=SOON, ignoring=(BrokerError,))


def test_a_broker_that_stops_is_unreachable_and_read_again_when_it_is_back(fragile: RabbitMQ) -> None:
    fragile.declare("/", "queue")
    with closing(DepthReader(fragile.amqp_url())) as reader:
        assert reader.read(["queue"]) == {"queue": Depth(0, 0)}
        fragile.kill()
        given_up(reader)
        given_up(reader)
        fragile.start()
        fragile.declare("/", "queue")  # a broker that is killed loses what was declared just before
        assert reader.read(["queue"]) == {"queue": Depth(0, 0)}
