"""Connections to the servers of an operator, which all who reach a port may open, on real sockets."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.support.ports import LOOPBACK
from tests.support.taken import taken
from tests.support.waiting import wait_until_async
from utilitarian_operator.adapters.broker.tls import load_key_pair
from utilitarian_operator.host.certificates import make
from utilitarian_operator.host.serving.connections import ANY, MOST_OPEN, RETRY_S, Connections, listener
from utilitarian_operator.host.serving.http import MOST_SCRAPES, listen, serve

SOON = timedelta(seconds=30)
PAGE_MIB = 5
FEW = 20
"""What the answer to one more, and the pytest process itself, may open meanwhile."""


def application() -> web.Application:
    async def ok(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    made = web.Application()
    made.router.add_get("/healthz", ok)
    return made


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def silent(port: int, count: int, says: bytes) -> contextlib.ExitStack:
    """Clients that say this, and nothing more."""
    clients = contextlib.ExitStack()
    for _ in range(count):
        clients.enter_context(socket.create_connection((LOOPBACK, port), timeout=10)).sendall(says)
    return clients


@pytest.mark.thorough
@pytest.mark.parametrize(
    "secure, says",
    [(False, b""), (False, b"GET /healthz HTTP/1.1\r\nx: "), (True, b"")],
    ids=["nothing", "half a request", "no handshake"],
)
async def test_silent_clients_take_no_place_from_the_kubelet(secure: bool, says: bytes) -> None:
    made = make([LOOPBACK], datetime.now(UTC))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_key_pair(tls, made.certificate, made.key)
    trusted = ssl.create_default_context(cadata=made.authority) if secure else False
    count = 2 * MOST_OPEN
    async with listen(application(), LOOPBACK, 0, "/healthz", tls=(lambda: tls) if secure else None) as port:
        before = open_files()
        with await asyncio.to_thread(silent, port, count, says):
            for _ in range(3):
                url = f"{'https' if secure else 'http'}://{LOOPBACK}:{port}/healthz"
                async with aiohttp.ClientSession() as session, session.get(url, ssl=trusted) as answered:
                    assert await answered.text() == "ok"
            await wait_until_async(lambda: open_files() <= before + count + MOST_OPEN + FEW, within=SOON)
        await wait_until_async(lambda: open_files() <= before + FEW, within=SOON)


async def ask_for_pages_and_read_none(count: str) -> str:
    """Clients that ask for a page of metrics as long as a thousand pools have it, each once more, and read nothing."""
    page = b"x" * PAGE_MIB * 2**20
    async with serve(LOOPBACK, 0, {"/metrics": lambda: web.Response(body=page)}, MOST_SCRAPES) as port:
        with await asyncio.to_thread(silent, port, int(count), b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 2):
            async with aiohttp.ClientSession() as session, session.get(f"http://{LOOPBACK}:{port}/metrics") as answered:
                return f"{len(await answered.read()) / 2**20:g} MiB"


@pytest.mark.thorough
async def test_clients_that_do_not_read_take_little_memory() -> None:
    found = await asyncio.to_thread(taken, f"{__name__}:ask_for_pages_and_read_none", "200")
    logging.getLogger(__name__).warning("two hundred clients that read no page of %s MiB: %s", PAGE_MIB, found)
    assert found.said == f"{PAGE_MIB} MiB"
    assert found.grown_mib < (MOST_SCRAPES + FEW) * PAGE_MIB


class NoRoom(socket.socket):
    """A socket whose process has no room for another file at first."""

    left = 2

    def accept(self) -> tuple[socket.socket, object]:
        """As the system does then, and later."""
        self.left -= 1
        if self.left >= 0:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


async def test_a_process_without_room_for_files_goes_on_when_it_has_some() -> None:
    paused: list[float] = []

    async def sleep(seconds: float) -> None:
        paused.append(seconds)

    with listener(LOOPBACK, 0) as plain:
        listening = NoRoom(fileno=os.dup(plain.fileno()))
    listening.settimeout(0)
    connections = Connections(listening, asyncio.Protocol, sleep=sleep)
    accepting = asyncio.create_task(connections.accept())
    with await asyncio.to_thread(socket.create_connection, listening.getsockname(), 10):
        await wait_until_async(lambda: connections.open == 1, within=SOON)
        assert paused == [RETRY_S, RETRY_S]
    accepting.cancel()
    await asyncio.gather(accepting, return_exceptions=True)
    await connections.close()


async def test_a_pod_is_reached_by_addresses_of_both_families() -> None:
    hosts = [LOOPBACK, *(["[::1]"] if socket.has_dualstack_ipv6() else [])]
    async with listen(application(), ANY, 0, "/healthz") as port, aiohttp.ClientSession() as session:
        for host in hosts:
            async with session.get(f"http://{host}:{port}/healthz") as answered:
                assert await answered.text() == "ok"
