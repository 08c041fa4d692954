"""A real cluster of two nodes: what a queue says while its node is away, and statistics that lie on several nodes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until, wait_until_async
from utilitarian_operator.adapters.broker.depths import DepthReader
from utilitarian_operator.adapters.broker.statistics import COUNTED_EACH, Statistics
from utilitarian_operator.core.observation.broker import Depth, Unread
from utilitarian_operator.core.observation.queue_trust import doubted
from utilitarian_operator.errors import BrokerError, BrokerUnreachable

SOON = timedelta(seconds=30)
QUORUM = {"x-queue-type": "quorum"}

pytestmark = pytest.mark.soak  # two nodes that are stopped and started take half a minute


@dataclass(frozen=True)
class Pair:
    """Two nodes of one cluster; the second is the one that fails."""

    one: RabbitMQ
    other: RabbitMQ


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with (
        RabbitMQ(tmp_path_factory.mktemp("one")) as one,
        RabbitMQ(tmp_path_factory.mktemp("other"), joins=one) as other,
    ):
        yield Pair(one, other)


@pytest.fixture
def vhost(pair: Pair) -> Iterator[str]:
    with pair.one.vhost() as name:
        yield name


@pytest.fixture
def reader(pair: Pair, vhost: str) -> Iterator[DepthReader]:
    with closing(DepthReader(pair.one.amqp_url(vhost))) as made:
        yield made


def filled(node: RabbitMQ, vhost: str, queue: str, ready: int, arguments: Mapping[str, object] | None = None) -> None:
    """A queue that this node leads, with so many messages."""
    node.declare(vhost, queue, arguments=arguments)
    node.publish(vhost, queue, ["{}"] * ready)


async def test_the_statistics_of_all_nodes_make_one_table(pair: Pair, vhost: str) -> None:
    filled(pair.one, vhost, "here", 1)
    filled(pair.other, vhost, "there", 2)
    filled(pair.other, vhost, "quorum", 3, QUORUM)
    both = Statistics([pair.one.prometheus_url, pair.other.prometheus_url], vhost)
    management = Statistics([pair.one.management_url], vhost)
    for statistics in (both, management):
        expected = {"here": 1, "there": 2, "quorum": 3}
        await wait_until_async(lambda: _ready(statistics, expected), within=SOON, describe=lambda: expected)  # noqa: B023 - waited for


async def _ready(statistics: Statistics, expected: Mapping[str, int]) -> bool:
    return {name: counted.ready for name, counted in (await statistics.read()).items()} == expected


async def test_what_is_acknowledged_on_another_node_than_the_queues_is_counted(pair: Pair, vhost: str) -> None:
    filled(pair.one, vhost, "queue", 5)
    both = Statistics([pair.one.prometheus_url, pair.other.prometheus_url], vhost)
    await wait_until_async(lambda: _ready(both, {"queue": 5}), within=SOON)
    with pair.other.channel(vhost) as channel:
        for _ in range(2):
            channel.basic_ack(channel.basic_get("queue").delivery_tag)
        await wait_until_async(lambda: _left(both, 2), within=SOON)


async def _left(statistics: Statistics, expected: int) -> bool:
    return (await statistics.read())["queue"].left == expected


async def test_the_share_of_a_node_that_stops_leaves_the_sum_for_good_and_counts_nothing(
    pair: Pair, vhost: str
) -> None:
    """RabbitMQ 3.10: the management API sums what was acknowledged on each node, and forgets what one counted."""
    pair.one.declare(vhost, "queue")

    def acknowledge(node: RabbitMQ, count: int) -> None:
        pair.one.publish(vhost, "queue", ["{}"] * count)
        with node.channel(vhost) as channel:
            for _ in range(count):
                wait_until(lambda: take(channel), within=SOON)

    def take(channel: Any) -> bool:
        message = channel.basic_get("queue")
        if message is not None:
            channel.basic_ack(message.delivery_tag)
        return message is not None

    def acknowledged() -> int:
        listed = pair.one.api("GET", f"/api/queues/{vhost}")
        return int((listed[0].get("message_stats") or {}).get("ack", 0)) if listed else 0

    statistics, rest = Statistics([pair.one.management_url], vhost), 0

    async def said(left: int) -> bool:
        """Whether so many left and as many came, by the last of some readings: the management API counts each third."""
        counted = [(await statistics.read())["queue"] for _ in range(COUNTED_EACH + 1)][-1]
        return (counted.left, counted.arrived) == (left, left)

    acknowledge(pair.one, 30)
    acknowledge(pair.other, 40)
    wait_until(lambda: acknowledged() == 70, within=SOON, describe=acknowledged)
    assert await said(0)
    pair.other.kill()
    try:
        wait_until(lambda: acknowledged() < 70, within=SOON, describe=acknowledged)
        rest = acknowledged()
        assert await said(0)
        acknowledge(pair.one, 5)
        wait_until(lambda: acknowledged() == rest + 5, within=SOON, describe=acknowledged)
        await wait_until_async(lambda: said(5), within=SOON)
    finally:
        pair.other.start()
    assert (rest, acknowledged()) == (30, 35)
    assert await said(5)


@pytest.mark.parametrize("number", [0, 1], ids=["the first alone", "the second alone"])
async def test_fewer_nodes_than_the_cluster_has_are_no_answer(pair: Pair, vhost: str, number: int) -> None:
    nodes: Sequence[RabbitMQ] = [pair.one, pair.other]
    read, unread = nodes[number], nodes[1 - number]
    with pytest.raises(BrokerUnreachable) as partly:
        await Statistics([read.prometheus_url], vhost).read()
    assert f"the statistics of 1 of 2 nodes are read: missing is {unread.node}" in str(partly.value)


@pytest.mark.parametrize("how", ["frozen", "dead"])
def test_the_zero_of_a_queue_without_its_leader_is_doubted(
    pair: Pair, vhost: str, reader: DepthReader, how: str
) -> None:
    """No node says anything of it any more, and the depth is a lie."""
    filled(pair.other, vhost, "quorum", 50, QUORUM)
    filled(pair.one, vhost, "here", 1)
    queues = ["quorum", "here"]
    assert reader.read(queues) == {"quorum": Depth(50, 0), "here": Depth(1, 0)}
    if how == "frozen":
        pair.other.pause()
    else:
        pair.other.kill()
    try:
        wait_until(
            lambda: reader.read(queues) == {"quorum": Depth(0, 0), "here": Depth(1, 0)},
            within=SOON,
            ignoring=(BrokerError,),
        )
        assert doubted("quorum", 0, 0, None, 1)[1]
    finally:
        if how == "frozen":
            pair.other.resume()
        else:
            pair.other.start()
    wait_until(lambda: reader.read(queues)["quorum"] == Depth(50, 0), within=SOON, ignoring=(BrokerError,))


def test_a_queue_whose_node_is_away_is_not_missing(pair: Pair, vhost: str, reader: DepthReader) -> None:
    filled(pair.other, vhost, "there", 7)
    filled(pair.one, vhost, "here", 1)
    queues = ["missing", "there", "here"]
    assert reader.read(queues) == {"missing": None, "there": Depth(7, 0), "here": Depth(1, 0)}
    pair.other.kill()
    try:
        wait_until(lambda: isinstance(reader.read(queues)["there"], Unread), within=SOON, ignoring=(BrokerError,))
        for _ in range(2):
            answer = reader.read(queues)
            assert (answer["missing"], answer["here"]) == (None, Depth(1, 0))
            assert isinstance(answer["there"], Unread)
            assert "is down" in answer["there"].why
    finally:
        pair.other.start()
    wait_until(lambda: reader.read(queues)["there"] == Depth(7, 0), within=SOON, ignoring=(BrokerError,))


async def test_after_a_node_was_cut_off_the_one_that_leads_its_queue_now_is_believed(
    tmp_path: Path,
) -> None:
    """It may come back with what was ready when it led, and never change that (seen on RabbitMQ 3.10)."""
    quick = ["net_ticktime = 8"]
    with (
        RabbitMQ(tmp_path / "one", settings=quick) as one,
        RabbitMQ(tmp_path / "two", joins=one, settings=quick) as two,
        RabbitMQ(tmp_path / "three", joins=one, settings=quick) as three,
    ):
        vhost = "/"  # a new one is not always up in time on nodes that have just joined
        filled(two, vhost, "quorum", 5, QUORUM)
        nodes = Statistics([it.prometheus_url for it in (one, two, three)], vhost)
        await wait_until_async(lambda: _ready(nodes, {"quorum": 5}), within=SOON)
        taken: list[object] = []

        def emptied() -> bool:
            taken.extend(one.take(vhost, "quorum"))
            return len(taken) == 5

        two.pause()
        try:
            wait_until(emptied, within=3 * SOON, describe=lambda: taken, ignoring=(Exception,))
        finally:
            two.resume()
        await wait_until_async(lambda: _ready(nodes, {"quorum": 0}), within=SOON, ignoring=(BrokerError,))
        assert one.depth(vhost, "quorum").ready == 0
