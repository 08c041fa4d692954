"""Pages of brokers that are packed, lead elsewhere, are too deep or too long."""

import asyncio
import contextlib
import gzip
import json
import logging
import zlib
from collections.abc import Callable

import aiohttp
import pytest
from aiohttp import web

from tests.support.pace import Pace
from tests.support.ports import LOOPBACK, free_port
from tests.support.taken import Taken, taken
from utilitarian_operator.adapters.broker.bounded import pages
from utilitarian_operator.adapters.broker.bounded.names import Names
from utilitarian_operator.adapters.broker.bounded.room import Room
from utilitarian_operator.adapters.broker.declarations import declarations
from utilitarian_operator.adapters.broker.statistics import Statistics
from utilitarian_operator.adapters.broker.statistics_page import (
    from_management,
    from_prometheus,
    prometheus_in_steps,
)
from utilitarian_operator.adapters.broker.tls import SYSTEM
from utilitarian_operator.errors import BrokerUnreachable
from utilitarian_operator.host.serving.http import listen

DEEP = "[" * 200_000
MIB = 1024**2


async def said_of(answer: web.Response, elsewhere: list[str] | None = None) -> str:
    """What comes of statistics and declarations that are answered so."""

    async def page(_: web.Request) -> web.Response:
        return answer.__class__(body=answer.body, status=answer.status, headers=answer.headers)

    async def other(request: web.Request) -> web.Response:
        (elsewhere if elsewhere is not None else []).append(request.path)
        return web.Response(text="[]")

    application, port = web.Application(), free_port()
    application.router.add_get("/elsewhere", other)
    application.router.add_get("/{rest:.*}", page)
    async with listen(application, LOOPBACK, port, "statistics"):
        endpoint = f"http://{LOOPBACK}:{port}"
        assert await declarations([endpoint], "/", SYSTEM) == {}
        with pytest.raises(BrokerUnreachable) as raised:
            await Statistics([endpoint], "/").read()
    return str(raised.value)


async def test_a_page_that_was_packed_is_not_unpacked() -> None:
    packed = gzip.compress(b" " * 64 * 1024 * 1024, 9)
    assert len(packed) < 100_000
    answer = web.Response(body=packed, headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"})
    assert "no statistics from" in await said_of(answer)


async def test_nothing_is_asked_where_an_answer_leads_to() -> None:
    asked: list[str] = []
    answer = web.Response(status=302, headers={"Location": "/elsewhere"})
    assert "HTTP 302" in await said_of(answer, asked)
    assert asked == []


async def test_a_page_that_is_deeper_than_any_ends_nothing() -> None:
    said = await said_of(web.Response(text=DEEP))
    assert "something else than RabbitMQ's statistics" in said


def test_a_listing_is_read_as_any_json() -> None:
    rows = [{"name": f"q{it}", "messages_ready": it, "messages_unacknowledged": 0} for it in range(500)]
    for text in (json.dumps(rows), json.dumps(rows, indent=1), f" {json.dumps(rows, separators=(',', ':'))} "):
        assert from_management(text).rows.keys() == {row["name"] for row in rows}
    assert from_management("[]").rows == {}


@pytest.mark.parametrize("text", ["[1", '[{"name": "a"} {"name": "b"}]', "[{}", "{}", ""])
def test_a_listing_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        from_management(text)


def test_the_event_loop_goes_on_while_a_long_page_is_read() -> None:
    identity = '# TYPE rabbitmq_identity_info untyped\nrabbitmq_identity_info{rabbitmq_node="n"} 1\n'
    for name in ("queue_messages_ready", "queue_messages_unacked"):
        lines = "".join(f'rabbitmq_detailed_{name}{{vhost="/",queue="q{it}"}} 1\n' for it in range(20_000))
        identity += f"# TYPE rabbitmq_detailed_{name} gauge\n{lines}"
    steps = sum(1 for _ in prometheus_in_steps(identity, "/"))
    assert steps > len(identity) // (512 * 1024)
    assert len(from_prometheus(identity, "/").statistics.rows) == 20_000


MIB = 1024 * 1024


def packed(text: bytes, mib: int) -> bytes:
    """A page of gzip of so many MiB of this, made in no time: each MiB is packed alike."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    part = (text * (MIB // len(text) + 1))[:MIB]
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    return head + (raw.compress(part) + raw.flush(zlib.Z_FULL_FLUSH)) * mib


def statistics_of(queues: int) -> bytes:
    """A page of statistics of so many queues."""
    page = '# TYPE rabbitmq_identity_info untyped\nrabbitmq_identity_info{rabbitmq_node="n"} 1\n'
    for family in ("queue_messages_ready", "queue_messages_unacked"):
        name = f"rabbitmq_detailed_{family}"
        lines = "".join(f'{name}{{vhost="/",queue="q{it:06}"}} 1\n' for it in range(queues))
        page += f"# TYPE {name} gauge\n{lines}"
    return page.encode()


async def read_statistics(endpoint: str) -> str:
    """As an operator does each five seconds."""
    try:
        return f"{len(await Statistics([endpoint], '/').read())} queues"
    except BrokerUnreachable as error:
        return str(error)


async def read_as_before(endpoint: str) -> str:
    """As aiohttp does by itself, and without slices: how it was done once."""
    async with aiohttp.ClientSession() as session, session.get(endpoint) as answer:
        text = await answer.text()
        with contextlib.suppress(ValueError):
            from_prometheus(text, "/")
    return f"{len(text)} characters"


async def taken_by(work: str, body: bytes, headers: dict[str, str]) -> Taken:
    """What reading a page takes of a process that does nothing else."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(body=body, headers=headers)

    application, port = web.Application(), free_port()
    application.router.add_get("/{rest:.*}", page)
    async with listen(application, LOOPBACK, port, "statistics"):
        found = await asyncio.to_thread(taken, f"{__name__}:{work}", f"http://{LOOPBACK}:{port}")
    logging.getLogger(__name__).warning("%s of %.1f MiB on the wire: %s", work, len(body) / MIB, found)
    return found


PACKED = {"Content-Encoding": "gzip"}


def longest() -> bytes:
    """As much as is read of one node."""
    return statistics_of(50_000)


@pytest.mark.parametrize(
    "body, headers, most_mib",
    [
        pytest.param(lambda: packed(b" \n", 410), PACKED, 32, id="408 KB that unpack to 410 MiB"),
        pytest.param(longest, {}, 192, id="50,000 queues"),
        pytest.param(lambda: b"x" * 200 * MIB, {}, 96, id="200 MiB"),
    ],
)
@pytest.mark.thorough
async def test_no_page_takes_much_memory_or_stops_the_event_loop(
    body: Callable[[], bytes], headers: dict[str, str], most_mib: int
) -> None:
    found = await taken_by("read_statistics", body(), headers)
    assert found.grown_mib < most_mib
    assert Pace().allows(found.stall_s, 1)
    assert ("50000 queues" in found.said) == (body is longest)


@pytest.mark.thorough
async def test_what_reading_as_aiohttp_does_would_take() -> None:
    found = await taken_by("read_as_before", packed(b" \n", 60), PACKED)
    assert found.grown_mib > 60, "else what is measured above says nothing"


async def test_of_many_long_pages_at_a_time_no_more_is_kept_than_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each alone may have 16 MiB, which may be 64 as a text, and one namespace names fifty brokers."""
    room, application, port = Room(16 * MIB), web.Application(), free_port()
    monkeypatch.setattr(pages, "ALL", room)

    async def page(_: web.Request) -> web.Response:
        return web.Response(body=b" " * 3 * MIB + "\U0001f600".encode())

    application.router.add_get("/{rest:.*}", page)
    async with listen(application, LOOPBACK, port, "statistics"):
        each = [Statistics([f"http://{LOOPBACK}:{port}"], "/").read() for _ in range(10)]
        came = await asyncio.gather(*each, return_exceptions=True)
    assert all(isinstance(it, BrokerUnreachable) for it in came)
    assert any("too large to be read beside those of others" in str(it) for it in came)
    assert room.left == 16 * MIB


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
AROUND = {
    "answers that only say to wait": (b"", b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" * 1000),
    "a chunk with a long name": (CHUNKED + b"2;a=", b"x" * 64 * 1024),
    "chunks of a byte": (CHUNKED, b"1\r\n \r\n" * 10_000),
}


@pytest.mark.parametrize("begins, goes_on", AROUND.values(), ids=AROUND)
async def test_what_stands_around_a_page_is_bounded(begins: bytes, goes_on: bytes) -> None:
    """Five such answers took 2.3 to 2.8 s of the event loop, of the three seconds after which they were given up."""
    port, said = free_port(), 0

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal said
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begins)
        with contextlib.suppress(OSError):
            while said < 64 * MIB:
                writer.write(goes_on)
                await writer.drain()
                said += len(goes_on)
        writer.close()

    async with await asyncio.start_server(say, LOOPBACK, port):
        with pytest.raises(BrokerUnreachable, match="more than 256 KiB around its page"):
            await Statistics([f"http://{LOOPBACK}:{port}"], "/").read()
    assert said < 16 * MIB, "what the network holds counts, too"


async def test_a_connection_is_used_for_many_pages() -> None:
    application, port = web.Application(), free_port()

    async def page(_: web.Request) -> web.Response:
        return web.Response(body=b" " * MIB)

    application.router.add_get("/{rest:.*}", page)
    async with (
        listen(application, LOOPBACK, port, "statistics"),
        pages.session(SYSTEM, 60.0, Names()) as session,
    ):
        for _ in range(4):
            async with session.get(f"http://{LOOPBACK}:{port}/") as answer:
                assert len(await pages.text(answer)) == MIB
