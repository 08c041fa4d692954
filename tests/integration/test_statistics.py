"""A real broker's statistics by either endpoint, whatever the virtual host is called, and what goes wrong."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.support.ports import LOOPBACK, free_port
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until_async
from utilitarian_operator.adapters.broker.statistics import Statistics
from utilitarian_operator.core.observation.model.queue import Counted
from utilitarian_operator.errors import BrokerUnreachable, LoginRefused, RightMissing
from utilitarian_operator.host.serving.http import serve

EVERY_RABBITMQ = True
SOON = timedelta(seconds=20)
VHOSTS = ("a/b %", "mätare?x=1&y#z", "/plain")
ENDPOINTS = ("prometheus_url", "management_url")


@contextmanager
def unacknowledged(rabbitmq: RabbitMQ, vhost: str, **counts: int) -> Iterator[None]:
    """Queues with one ready message each, and as many delivered and not acknowledged as named."""
    rabbitmq.declare(vhost, *counts)
    with rabbitmq.channel(vhost) as channel:
        for queue, count in counts.items():
            rabbitmq.publish(vhost, queue, ["{}"] * (count + 1))
            for _ in range(count):
                assert channel.basic_get(queue, no_ack=False)
        yield


async def wait_told(statistics: Statistics, expected: Mapping[str, int]) -> None:
    # The broker's own figures are up to five seconds old.
    await wait_until_async(lambda: _is(statistics, expected), within=SOON, describe=lambda: expected)


async def _is(statistics: Statistics, expected: Mapping[str, int]) -> bool:
    return {queue: counted.unacked for queue, counted in (await statistics.read()).items()} == expected


@pytest.mark.parametrize("vhost", VHOSTS)
async def test_both_kinds_of_endpoint_tell_what_is_unacknowledged(rabbitmq: RabbitMQ, vhost: str) -> None:
    rabbitmq.make_vhost(vhost)
    try:
        with unacknowledged(rabbitmq, vhost, none=0, three=3):
            for endpoint in ENDPOINTS:
                await wait_told(Statistics([getattr(rabbitmq, endpoint)], vhost), {"none": 0, "three": 3})
    finally:
        rabbitmq.delete_vhost(vhost)


async def test_a_management_api_is_asked_under_its_prefix(tmp_path: Path) -> None:
    with (
        RabbitMQ(tmp_path / "rabbitmq", prefix="/behind/a-proxy") as broker,
        broker.vhost() as vhost,
        unacknowledged(broker, vhost, two=2),
    ):
        await wait_told(Statistics([broker.management_url], vhost), {"two": 2})
        with pytest.raises(BrokerUnreachable, match="is no statistics endpoint"):
            await Statistics([broker.management_url.removesuffix(broker.prefix)], vhost).read()


async def test_only_the_queues_of_the_virtual_host_are_told(rabbitmq: RabbitMQ, vhost: str) -> None:
    with rabbitmq.vhost() as other, unacknowledged(rabbitmq, other, other=2), unacknowledged(rabbitmq, vhost, ours=1):
        for endpoint in ENDPOINTS:
            await wait_told(Statistics([getattr(rabbitmq, endpoint)], vhost), {"ours": 1})


async def test_what_came_and_what_left_is_counted_by_both(rabbitmq: RabbitMQ, vhost: str) -> None:
    rabbitmq.declare(vhost, "queue")
    rabbitmq.publish(vhost, "queue", ["{}"] * 3)
    readers = [Statistics([getattr(rabbitmq, endpoint)], vhost) for endpoint in ENDPOINTS]
    counted: list[Counted | None] = []

    def listed() -> list[int | None]:
        return [row.get("messages_ready") for row in rabbitmq.api("GET", f"/api/queues/{vhost}")]

    async def said(**figures: int) -> bool:
        counted[:] = [(await statistics.read()).get("queue") for statistics in readers]
        return all(it is not None and {name: getattr(it, name) for name in figures} == figures for it in counted)

    await wait_until_async(lambda: listed() == [3], within=SOON, describe=listed)
    assert await said(arrived=0, left=0)  # what was there before the first reading did not arrive
    with rabbitmq.channel(vhost) as channel:
        rabbitmq.publish(vhost, "queue", ["{}"] * 4)
        for _ in range(2):
            channel.basic_ack(channel.basic_get("queue").delivery_tag)
        channel.basic_get("queue", no_ack=True)
        channel.basic_reject(channel.basic_get("queue").delivery_tag, requeue=True)  # comes back: not an arrival
        await wait_until_async(
            lambda: said(ready=4, unacked=0, arrived=4, left=3), within=SOON, describe=lambda: counted
        )


async def test_where_the_management_api_is_there_too_it_stands_in_for_a_node_that_is_away(
    rabbitmq: RabbitMQ, vhost: str
) -> None:
    away = f"http://{LOOPBACK}:{free_port()}"
    with unacknowledged(rabbitmq, vhost, one=1):
        for others in ([], [away]):
            await wait_told(Statistics([*others, rabbitmq.prometheus_url, rabbitmq.management_url], vhost), {"one": 1})


async def test_an_endpoint_that_is_away_makes_the_whole_unknown(rabbitmq: RabbitMQ, vhost: str) -> None:
    away = f"http://user:hunter2@{LOOPBACK}:{free_port()}"
    with pytest.raises(BrokerUnreachable) as unreachable:
        await Statistics([rabbitmq.prometheus_url, away], vhost).read()
    assert "the statistics of 1 of 2 nodes are read: no statistics from" in str(unreachable.value)
    assert urlsplit(away).netloc.partition("@")[2] in str(unreachable.value)
    assert "hunter2" not in str(unreachable.value)


@pytest.mark.parametrize(
    "tags,password,says",
    [
        pytest.param("monitoring", "wrong", "refuses the login", id="wrong-password"),
        pytest.param("", "hunter2/@:", "lacks the tag `management`", id="tag-missing"),
    ],
)
async def test_a_refusal_says_what_to_change_and_no_password(
    rabbitmq: RabbitMQ, vhost: str, tags: str, password: str, says: str
) -> None:
    rabbitmq.make_user("statistics", "hunter2/@:", tags=tags)
    rabbitmq.grant("statistics", vhost)
    with pytest.raises(LoginRefused, match=says) as refused:
        await Statistics([endpoint(rabbitmq, password)], vhost).read()
    assert "hunter2" not in str(refused.value)
    assert password not in str(refused.value)


def endpoint(rabbitmq: RabbitMQ, password: str) -> str:
    return f"http://statistics:{quote(password, safe='')}@{LOOPBACK}:{rabbitmq.management_port}"


async def test_a_user_with_tag_and_escaped_password_reads(rabbitmq: RabbitMQ, vhost: str) -> None:
    rabbitmq.make_user("statistics", "hunter2/@:", tags="monitoring")
    rabbitmq.grant("statistics", vhost)
    with unacknowledged(rabbitmq, vhost, one=1):
        await wait_told(Statistics([endpoint(rabbitmq, "hunter2/@:")], vhost), {"one": 1})


async def test_an_unknown_virtual_host_is_no_empty_answer_of_the_management_api(rabbitmq: RabbitMQ) -> None:
    with pytest.raises(BrokerUnreachable, match="doesn't know the URL's virtual host"):
        await Statistics([rabbitmq.management_url], "a b").read()


@pytest.mark.parametrize(
    "status,body",
    [
        pytest.param(200, "<!DOCTYPE html><html><body>Welcome</body></html>", id="a-web-page"),
        pytest.param(200, "rabbitmq_detailed_queue_messages_unacked{queue=", id="cut-off"),
        pytest.param(200, 'rabbitmq_detailed_queue_messages_unacked{vhost="/"} 1\n', id="without-a-queue"),
        pytest.param(500, "boom", id="failed"),
        pytest.param(404, "not here", id="not-there"),
        pytest.param(200, "\x00", id="bytes"),
    ],
)
async def test_another_server_at_that_address_is_said_so(status: int, body: str) -> None:
    async with serve(LOOPBACK, 0, {"/{path:.*}": lambda: web.Response(status=status, text=body)}) as port:
        with pytest.raises(BrokerUnreachable, match=str(port)):
            await Statistics([f"http://{LOOPBACK}:{port}"], "/").read()


async def test_a_forbidden_page_names_the_tag() -> None:
    async with serve(LOOPBACK, 0, {"/{path:.*}": lambda: web.Response(status=403)}) as port:
        with pytest.raises(RightMissing, match="tag `monitoring`"):
            await Statistics([f"http://{LOOPBACK}:{port}"], "/").read()


@pytest.mark.parametrize("body", ['{"error": "x"}', '[{"messages_unacknowledged": 1}]', "[1]", "null"])
async def test_another_answer_of_a_management_api_is_said_so(body: str) -> None:
    pages: Sequence[web.Response] = [web.Response(status=404), web.Response(text=body)]
    turn = iter(pages)
    async with serve(LOOPBACK, 0, {"/{path:.*}": lambda: next(turn)}) as port:
        with pytest.raises(BrokerUnreachable, match=str(port)):
            await Statistics([f"http://{LOOPBACK}:{port}"], "/").read()


async def test_a_page_that_is_away_for_a_moment_makes_no_management_api_of_an_endpoint(
    rabbitmq: RabbitMQ, vhost: str
) -> None:
    """A node that starts, or a proxy before it, answers 404 now and then."""
    away = {"now": True}

    async def page(request: web.Request) -> web.Response:
        if away["now"] or not request.path.startswith("/metrics"):
            return web.Response(status=404)
        url = f"{rabbitmq.prometheus_url}{request.raw_path}"
        async with aiohttp.ClientSession() as asking, asking.get(URL(url, encoded=True)) as answer:
            return web.Response(text=await answer.text())

    application = web.Application()
    application.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, LOOPBACK, port).start()
    try:
        statistics = Statistics([f"http://{LOOPBACK}:{port}"], vhost)
        with unacknowledged(rabbitmq, vhost, one=1):
            for _ in range(2):
                with pytest.raises(BrokerUnreachable):
                    await statistics.read()
            away["now"] = False
            await wait_told(statistics, {"one": 1})
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "written",
    [
        "rabbit:15672",
        "ftp://rabbit",
        "http://",
        "http://[::1",
        "http://u:hunter2@rabbit:port",
        "rabbit",
        "http://u:hunter/2@a",
        "http://u:p@hunter/2@a",
        "http://u:hunter#2@a",
    ],
)
async def test_an_endpoint_that_is_no_url_is_said_so_without_its_password(written: str) -> None:
    with pytest.raises(BrokerUnreachable) as unreachable:
        await Statistics([written], "/").read()
    assert "hunter" not in str(unreachable.value)
