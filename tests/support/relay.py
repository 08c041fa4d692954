"""Relays requests to the API server and lets a test act just before or just after one of them; it alters none.

The operator talks plain HTTP to it, and it talks TLS to the server. HTTP/1.1 clients without pipelining, as the
operator's are, send one request at a time over a connection.
"""

import asyncio
import base64
import contextlib
import re
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import yaml

from tests.support.controlplane import ControlPlane
from tests.support.ports import LOOPBACK

Moment = Literal["before", "after"]
CHUNK = 65536
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass
class _Trap:
    moment: Moment
    request: re.Pattern[str]
    act: Callable[[], object]
    sprung: threading.Event = field(default_factory=threading.Event)

    def spring(self) -> None:
        self.act()
        self.sprung.set()


class Relay:
    """A relay for the time of its `with` block.

    Args:
        controlplane: that it leads to.
        kubeconfig: the file that it writes, for the clients that shall go through it.
    """

    def __init__(self, controlplane: ControlPlane, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self._configuration: dict[str, Any] = yaml.safe_load(controlplane.kubeconfig.read_text())
        authority = base64.b64decode(self._configuration["clusters"][0]["cluster"]["certificate-authority-data"])
        self._tls = ssl.create_default_context(cadata=authority.decode())
        self._port = controlplane.port
        self._trap: _Trap | None = None
        self._held: re.Pattern[str] | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._open, self._ending, self._flows = threading.Event(), asyncio.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._open.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    def at(self, moment: Moment, request: str, act: Callable[[], object]) -> threading.Event:
        """Calls `act` once, at the next request that matches; the event that is returned is set afterwards.

        Args:
            moment: before the server gets the request, which then never does; or after it has carried it out, of which
                the client then never hears.
            request: a regular expression, searched in `METHOD PATH BODY`.
            act: called in the relay's own thread.
        """
        trap = self._trap = _Trap(moment, re.compile(request, re.DOTALL), act)
        return trap.sprung

    @contextlib.contextmanager
    def holding(self, request: str) -> Iterator[None]:
        """Holds the answers to requests that match back for the time of the block: a watch stands still meanwhile.

        Args:
            request: a regular expression, searched in `METHOD PATH`.
        """
        self._loop.call_soon_threadsafe(self._flows.clear)
        self._held = re.compile(request)
        try:
            yield
        finally:
            self._held = None
            self._loop.call_soon_threadsafe(self._flows.set)

    async def _passes(self, request: str) -> None:
        if self._held is not None and self._held.search(request):
            await self._flows.wait()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._listen())

    async def _listen(self) -> None:
        async with await asyncio.start_server(self._serve, LOOPBACK, 0) as server:
            address = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
            self._configuration["clusters"][0]["cluster"] = {"server": address}
            self.kubeconfig.write_text(yaml.safe_dump(self._configuration))
            self._open.set()
            await self._ending.wait()
            serving = list(self._serving)
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._relay(reader, writer)
        finally:
            await _closed(writer)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(LOOPBACK, self._port, ssl=self._tls)
        crossing = _Crossing(from_server, writer, self._passes)
        answers = asyncio.create_task(crossing.answers())
        try:
            while True:
                request = await _request(reader)
                trap = self._due(request)
                if trap is not None and trap.moment == "before":
                    trap.spring()
                    break
                crossing.trap, crossing.request = trap, request.partition(b" HTTP/")[0].decode()
                to_server.write(request)
                await to_server.drain()
        finally:
            answers.cancel()
            to_server.transport.abort()
            await _closed(to_server)

    def _due(self, request: bytes) -> _Trap | None:
        head, _, body = request.partition(b"\r\n\r\n")
        line = head.partition(b" HTTP/")[0]
        trap = self._trap
        if trap is None or not trap.request.search(f"{line.decode()} {body.decode(errors='replace')}"):
            return None
        self._trap = None
        return trap


@dataclass
class _Crossing:
    """The way back of one connection."""

    server: asyncio.StreamReader
    client: asyncio.StreamWriter
    passes: Callable[[str], Awaitable[None]]
    trap: _Trap | None = None
    request: str = ""

    async def answers(self) -> None:
        with contextlib.suppress(OSError):
            while answer := await self.server.read(CHUNK):
                if self.trap is not None:
                    self.trap.spring()
                    break
                await self.passes(self.request)
                self.client.write(answer)
                await self.client.drain()
        self.client.close()


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Closes a connection and waits for its socket: one that the loop leaves open is told of in a later test."""
    writer.close()
    try:
        async with asyncio.timeout(5):
            await writer.wait_closed()
    except TimeoutError:  # the other side reads nothing more
        writer.transport.abort()
    except OSError:
        pass


async def _request(reader: asyncio.StreamReader) -> bytes:
    """One whole request.

    Raises:
        asyncio.IncompleteReadError: the client has closed the connection.
    """
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")
