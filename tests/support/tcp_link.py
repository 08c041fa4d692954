"""A TCP link to a server that a test can have fall silent, as a network does, or refuse, as a server that is away."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from tests.support.ports import LOOPBACK

CHUNK = 65536
OPEN_WITHIN_S = 60.0


class TcpLink:
    """A link for the time of its `with` block.

    Args:
        url: of the server that it leads to, with host and port.
    """

    def __init__(self, url: str) -> None:
        self._there = urlsplit(url)
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._ending, self._flows, self._open = asyncio.Event(), asyncio.Event(), threading.Event()
        self._serving: set[asyncio.Task[None]] = set()
        self._refuses = False
        self._thread = threading.Thread(target=self._run, name="tcp link", daemon=True)

    @property
    def url(self) -> str:
        """The server's URL by this link."""
        login, at, _ = self._there.netloc.rpartition("@")
        return urlunsplit(self._there._replace(netloc=f"{login}{at}{LOOPBACK}:{self._port}"))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._open.wait(OPEN_WITHIN_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Pass nothing on for the time of the block: connections stay open, and new ones get no answer."""
        self._loop.call_soon_threadsafe(self._flows.clear)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._flows.set)

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Cut all connections, and for the time of the block each new one."""
        self._refuses = True
        self._loop.call_soon_threadsafe(self._cut)
        try:
            yield
        finally:
            self._refuses = False

    def _cut(self) -> None:
        for task in self._serving:
            task.cancel()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._listen())

    async def _listen(self) -> None:
        self._flows.set()
        async with await asyncio.start_server(self._serve, LOOPBACK, 0) as server:
            self._port = server.sockets[0].getsockname()[1]
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
        with contextlib.closing(writer), contextlib.suppress(OSError):
            if self._refuses:
                return
            there, back = await asyncio.open_connection(self._there.hostname, self._there.port)
            with contextlib.closing(back):
                await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._flows.wait()
            writer.write(data)
            await writer.drain()
        writer.close()
