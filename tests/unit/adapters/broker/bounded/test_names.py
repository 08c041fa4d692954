"""A name server that doesn't answer about some brokers' names holds up no other, and its threads are bounded."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from aiohttp import web

from tests.support.ports import LOOPBACK, free_port
from tests.support.waiting import wait_until_async
from utilitarian_operator.adapters.broker.bounded import names
from utilitarian_operator.adapters.broker.bounded.brokers import MOST_OF_A_NAMESPACE, Brokers
from utilitarian_operator.adapters.broker.bounded.names import Names
from utilitarian_operator.adapters.broker.bounded.reach import AddressRefused, Reach
from utilitarian_operator.adapters.broker.declarations import declarations
from utilitarian_operator.adapters.broker.session import BrokerSession, Credentials
from utilitarian_operator.adapters.broker.statistics import Statistics
from utilitarian_operator.adapters.broker.tls import SYSTEM
from utilitarian_operator.errors import BrokerUnreachable, TooManyBrokers
from utilitarian_operator.host.serving.http import listen

SLOW, HEALTHY, LINK_LOCAL = "slow.example", "healthy.example", "fe80::1"
SOON = timedelta(seconds=30)
HOSTILE = 40
"""More than the event loop has threads that all share: 32 at most."""


LEAST_THREADS = 5
"""That it has on any machine: four more than processors."""


class NameServer:
    """Knows one name, and says nothing of any other until it is told to.

    Args:
        knows: what `socket.getaddrinfo` says of a name.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers, self.asked = threading.Event(), 0
        for place in (names, socket):
            monkeypatch.setattr(place, "getaddrinfo", self._look_up)

    def _look_up(self, host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        if host.endswith(SLOW):
            self.asked += 1
            self.answers.wait(20)
            raise socket.gaierror("no such name")
        if host == LINK_LOCAL:
            return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", (host, port, 0, 2))]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (LOOPBACK, port))]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    made = NameServer(monkeypatch)
    try:
        yield made
    finally:
        made.answers.set()


@contextlib.asynccontextmanager
async def management() -> AsyncIterator[str]:
    """The endpoint of a management API with one queue, by its name."""

    async def queues(_: web.Request) -> web.Response:
        return web.json_response([{"name": "one", "messages_ready": 1, "messages_unacknowledged": 0}])

    async def policies(_: web.Request) -> web.Response:
        return web.json_response([])

    application, port = web.Application(), free_port()
    application.router.add_get("/api/queues/{vhost}", queues)
    application.router.add_get("/api/policies/{vhost}", policies)
    async with listen(application, LOOPBACK, port, "statistics"):
        yield f"http://{HEALTHY}:{port}"


@contextlib.asynccontextmanager
async def hostile(server: NameServer) -> AsyncIterator[None]:
    """Brokers whose names are looked up and never found."""
    slow = [f"http://{number}.{SLOW}:15672" for number in range(HOSTILE)]
    asking = [asyncio.create_task(Statistics([it], "/").read()) for it in slow[::2]]
    asking += [asyncio.create_task(declarations([it], "/", SYSTEM)) for it in slow[1::2]]
    await wait_until_async(lambda: server.asked >= LEAST_THREADS, within=SOON)
    try:
        yield
    finally:
        server.answers.set()
        await asyncio.gather(*asking, return_exceptions=True)


async def test_a_broker_is_read_while_the_names_of_others_are_looked_up(server: NameServer) -> None:
    async with management() as endpoint, hostile(server):
        assert {name: it.ready for name, it in (await Statistics([endpoint], "/").read()).items()} == {"one": 1}
        assert set(await declarations([endpoint], "/", SYSTEM)) == {"one"}


async def test_the_event_loop_s_own_threads_are_free_meanwhile(server: NameServer) -> None:
    async with hostile(server), asyncio.timeout(5):
        assert await asyncio.get_running_loop().run_in_executor(None, lambda: "done") == "done"


async def test_a_name_that_is_not_found_in_time_is_no_answer(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("utilitarian_operator.adapters.broker.statistics.TIMEOUT_S", 0.05)
    statistics = Statistics([f"http://{SLOW}:15672"], "/")
    for _ in range(3):
        with pytest.raises(BrokerUnreachable, match=f"no statistics from {SLOW}:15672: timed out"):
            await statistics.read()
    assert server.asked == 1, "what is given up is not looked up after it"


async def test_the_thread_of_a_slow_name_counts_until_it_has_ended(server: NameServer) -> None:
    """Who names another broker each second must not have more and more of them."""
    brokers = Brokers()
    one = Credentials(f"amqp://u:p@{LOOPBACK}:{free_port()}/v", (f"http://{SLOW}:15672",))
    assert isinstance(brokers.session(one, "ns"), BrokerSession)
    await wait_until_async(lambda: server.asked, within=SOON)
    await brokers.keep_only({})
    for number in range(MOST_OF_A_NAMESPACE - 1):
        brokers.session(Credentials(f"amqp://u{number}:p@{LOOPBACK}:1/v"), "ns")
    last = Credentials(f"amqp://last:p@{LOOPBACK}:1/v")
    with pytest.raises(TooManyBrokers):
        brokers.session(last, "ns")
    server.answers.set()
    await wait_until_async(lambda: not brokers._closing, within=SOON)
    brokers.session(last, "ns")
    await brokers.close()


@pytest.mark.usefixtures("server")
async def test_a_link_local_address_behind_a_name_is_refused_unless_allowed() -> None:
    with pytest.raises(AddressRefused):
        await Names().resolve(LINK_LOCAL, 15672)
    (found,) = await Names(Reach(link_local=True)).resolve(LINK_LOCAL, 15672)
    assert (found["host"], found["port"]) == ("fe80::1%2", 15672)


def test_who_looks_nothing_up_has_no_thread() -> None:
    assert Names().threads == ()
