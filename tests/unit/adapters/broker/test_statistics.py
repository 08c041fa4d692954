"""Every address behind a name is read, each node once; the pages are RabbitMQ's, the names are the test's own."""

import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import web

from tests.support.ports import free_port
from utilitarian_operator.adapters.broker.bounded import calls
from utilitarian_operator.adapters.broker.bounded import names as bounded_names
from utilitarian_operator.adapters.broker.statistics import PEERS_EACH, Statistics, prefix
from utilitarian_operator.errors import BrokerUnreachable
from utilitarian_operator.host.serving.http import listen

NAME = "rabbit-nodes.example"
ONE, TWO, THREE = "127.0.0.1", "127.0.0.2", "127.0.0.3"


class Node:
    """The Prometheus endpoint of one node."""

    def __init__(self, name: str, peers: Sequence[str] = (), **ready: int) -> None:
        self.name, self.peers, self.ready = name, list(peers), ready
        self.hosts: list[str] = []

    def application(self, path: str = "") -> web.Application:
        application = web.Application()
        application.router.add_get(f"{path}/metrics/detailed", self._detailed)
        application.router.add_get(f"{path}/metrics", self._aggregated)
        return application

    async def _detailed(self, request: web.Request) -> web.Response:
        self.hosts.append(request.headers["Host"])
        lines = ["# TYPE rabbitmq_detailed_queue_messages_acked_total counter"]
        for family, figures in (("ready", self.ready), ("unacked", dict.fromkeys(self.ready, 0))):
            lines.append(f"# TYPE rabbitmq_detailed_queue_messages_{family} gauge")
            for queue, figure in figures.items():
                lines.append(f'rabbitmq_detailed_queue_messages_{family}{{vhost="/",queue="{queue}"}} {figure}')
        lines.append(f'rabbitmq_identity_info{{rabbitmq_node="{self.name}"}} 1\n')
        return web.Response(text="\n".join(lines))

    async def _aggregated(self, _: web.Request) -> web.Response:
        return web.Response(text="".join(f'erlang_vm_dist_node_state{{peer="{peer}"}} 3\n' for peer in self.peers))


class Names:
    """A name service that knows one name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: list[tuple[socket.AddressFamily, str]] = []
        monkeypatch.setattr(bounded_names, "getaddrinfo", self._answer)

    def _answer(self, host: str, port: int, *_: object) -> list[tuple[object, ...]]:
        if host == NAME:
            if not self.addresses:
                raise socket.gaierror("no such name")
            return [(family, socket.SOCK_STREAM, 6, "", (address, port)) for family, address in self.addresses]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]

    def are(self, *addresses: str) -> None:
        self.addresses = [(socket.AF_INET6 if ":" in it else socket.AF_INET, it) for it in addresses]


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@asynccontextmanager
async def serving(nodes: Mapping[str, Node], path: str = "") -> AsyncIterator[Statistics]:
    """The nodes, each on an address of its own and all on one port, as pods behind a Service have it."""
    port = free_port()
    async with AsyncExitStack() as stack:
        for host, node in nodes.items():
            await stack.enter_async_context(listen(node.application(path), host, port, "statistics"))
        yield Statistics([f"http://{NAME}:{port}{path}"], "/")


async def ready(statistics: Statistics) -> dict[str, int]:
    return {name: counted.ready for name, counted in (await statistics.read()).items()}


async def often(statistics: Statistics) -> None:
    for _ in range(PEERS_EACH):
        await ready(statistics)


async def test_every_address_behind_a_name_is_read_by_its_name(names: Names) -> None:
    nodes = {ONE: Node("a", ["b"], left=1), TWO: Node("b", ["a"], right=2)}
    names.are(ONE, TWO)
    async with serving(nodes) as statistics:
        assert await ready(statistics) == {"left": 1, "right": 2}
    assert {host.rpartition(":")[0] for node in nodes.values() for host in node.hosts} == {NAME}


async def test_pages_behind_a_path_are_read_there(names: Names) -> None:
    names.are(ONE)
    async with serving({ONE: Node("a", left=1)}, "/rabbit") as statistics:
        assert await ready(statistics) == {"left": 1}


async def test_a_node_with_two_kinds_of_addresses_is_read_once(names: Names) -> None:
    node = Node("a", left=1)
    names.are("::1", ONE)
    async with serving({ONE: node}) as statistics:
        assert await ready(statistics) == {"left": 1}
    assert len(node.hosts) == 1


async def test_an_address_that_does_not_answer_is_named(names: Names) -> None:
    names.are(ONE, TWO)
    async with serving({ONE: Node("a", left=1)}) as statistics:
        with pytest.raises(BrokerUnreachable, match=r"of 1 of 2 nodes are read: no statistics from .*\(127.0.0.2\)"):
            await ready(statistics)


async def test_a_node_that_has_no_address_is_missed_by_the_others(names: Names) -> None:
    """A Service leaves out what is not ready; the cluster knows better."""
    nodes = {
        ONE: Node("a", ["b", "c", "rabbitmqcli-1-a"], left=1),
        TWO: Node("b", ["a", "c"], right=2),
        THREE: Node("c"),
    }
    names.are(ONE, TWO)
    async with serving(nodes) as statistics:
        with pytest.raises(BrokerUnreachable, match="of 2 of 3 nodes are read: missing is c"):
            await ready(statistics)
        names.are(ONE, TWO, THREE)
        assert await ready(statistics) == {"left": 1, "right": 2}


async def test_a_node_that_joins_is_missed_and_one_that_left_is_not(names: Names) -> None:
    nodes = {ONE: Node("a", ["b"], left=1), TWO: Node("b", ["a"])}
    names.are(ONE, TWO)
    async with serving(nodes) as statistics:
        assert await ready(statistics) == {"left": 1}
        nodes[ONE].peers.clear()
        names.are(ONE)
        assert await ready(statistics) == {"left": 1}
        nodes[ONE].peers.append("c")
        with pytest.raises(BrokerUnreachable, match="missing is c"):
            await often(statistics)


async def test_an_unknown_name_is_said(names: Names) -> None:
    names.are()
    with pytest.raises(BrokerUnreachable, match=f"{NAME}:15692: its name has no address"):
        await ready(Statistics([f"http://{NAME}:15692"], "/"))


@pytest.mark.parametrize(
    "body,why",
    [
        pytest.param(b"x" * 2000, "its page has more than", id="longer-than-any"),
        pytest.param(b"[" * 1000, "something else than", id="deeper-than-any"),
        pytest.param(b"{}", "something else than", id="no-list"),
        pytest.param(b"\xff", "no statistics from", id="no-text"),
    ],
)
async def test_a_page_that_is_none_fills_and_stops_nothing(
    body: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "MOST_BYTES", 1500)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="text/plain")

    application, port = web.Application(), free_port()
    application.router.add_get("/api/{rest:.*}", answer)
    async with listen(application, ONE, port, "statistics"):
        with pytest.raises(BrokerUnreachable, match=why):
            await Statistics([f"http://{ONE}:{port}"], "/").read()


@pytest.mark.parametrize(
    "path, kept",
    [
        ("", ""),
        ("/", ""),
        ("/rabbit", "/rabbit"),
        ("/rabbit/", "/rabbit"),
        ("/a/b", "/a/b"),
        ("/metrics", ""),
        ("/metrics/detailed", ""),
        ("/rabbit/metrics", "/rabbit"),
        ("/api", ""),
        ("/rabbit/api/", "/rabbit"),
        ("/rabbit?x=y", "/rabbit"),
    ],
)
def test_what_a_proxy_has_before_the_pages_is_kept_and_a_page_that_is_named_is_not(path: str, kept: str) -> None:
    assert prefix(f"http://user:password@rabbit:15672{path}") == kept
