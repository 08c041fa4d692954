"""The two small HTTP servers of an operator: metrics for Prometheus, health for the kubelet."""

import asyncio
import contextlib
import errno
import logging
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeAlias, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, disable_created_metrics, generate_latest

from utilitarian_operator.adapters.broker.timing import CLOCK
from utilitarian_operator.errors import OperatorError
from utilitarian_operator.host.clocks import thread_seconds
from utilitarian_operator.host.serving.connections import ANY, MOST_OPEN, Connections, listener

SHARE_OF_SCRAPES = 10
"""Pages of metrics take a tenth of a processor at most: that of 1,000 pools is long, and all who reach the port may ask
for it again and again. In between the last one is given."""

MOST_SCRAPES = 20
"""Connections to the page of metrics: who asks for it and doesn't read it has the whole of it kept in memory."""

SILENT_S = 75.0
"""A connection on which nothing is asked for so long is ended; Prometheus asks more often."""


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a failure is this process' own; what is no HTTP has its answer, and all who reach a port may write it."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


_failures = logging.getLogger(__name__)
_failures.addFilter(_is_ours)

Page: TypeAlias = Callable[[], web.Response | Awaitable[web.Response]]
"""Answers a GET request, at once or when it is ready."""

Beside: TypeAlias = Callable[[Callable[[], tuple[bytes, float]]], Awaitable[tuple[bytes, float]]]


class CannotListen(OperatorError):
    """The address is not this host's, or the port is one that this user may not have."""


class PortTaken(CannotListen):
    """Another process listens on the port."""


@contextlib.asynccontextmanager
async def serve(host: str, port: int, pages: Mapping[str, Page], most: int = MOST_OPEN) -> AsyncIterator[int]:
    """Answer GET requests while the context lasts.

    Args:
        host: address to listen on, or ANY.
        port: to listen on; 0 for any free one.
        pages: what answers for which path.
        most: connections that are open at a time.

    Yields:
        The port, chosen by the system where 0 was asked for.

    Raises:
        PortTaken: another process listens there already.
        CannotListen: the system refuses the address or the port.
    """
    application = web.Application()
    for path, page in pages.items():
        application.router.add_get(path, _handler(page))
    async with listen(application, host, port, next(iter(pages)), most=most) as chosen:
        yield chosen


@contextlib.asynccontextmanager
async def listen(
    application: web.Application,
    host: str,
    port: int,
    path: str,
    *,
    tls: Callable[[], ssl.SSLContext] | None = None,
    most: int = MOST_OPEN,
) -> AsyncIterator[int]:
    """Serve an application while the context lasts.

    Args:
        application: what is served.
        host: address to listen on, or ANY.
        port: 0 for a free one.
        path: what is asked for there, for the message if it can't be had.
        tls: gives what a connection is served with, which may change meanwhile.
        most: connections that are open at a time.

    Yields:
        The port.

    Raises:
        PortTaken: another process listens there already.
        CannotListen: the system refuses the address or the port.
    """
    try:
        listening = listener(host, port)
    except OSError as error:
        raise _refused(host, port, path, error) from error
    # What is sent packed stays so: it could fill the memory.
    runner = web.AppRunner(
        application, access_log=None, logger=_failures, auto_decompress=False, keepalive_timeout=SILENT_S
    )
    await runner.setup()
    connections = Connections(listening, cast("web.Server", runner.server), tls, most)
    accepting = asyncio.create_task(connections.accept(), name=f"connections for {path}")
    try:
        yield listening.getsockname()[1]
    finally:
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)
        await connections.close()
        await runner.cleanup()


def _handler(page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(_: web.Request) -> web.Response:
        answer = page()
        return answer if isinstance(answer, web.Response) else await answer

    return handle


def _refused(host: str, port: int, path: str, error: OSError) -> CannotListen:
    where = "all addresses" if host == ANY else host
    if error.errno == errno.EADDRINUSE:
        return PortTaken(f"{path}: port {port} of {where} is taken by another process: choose another port")
    return CannotListen(f"{path}: can't listen on {where} port {port}: {os.strerror(error.errno or 0)}")


class MetricsPage:
    """The answer to a scrape: made in a thread, since the event loop would stand still for as long as it takes.

    It is not of one moment: what a look sets while it is made may be in it or not.

    Args:
        registry: of what is shown.
        seconds: of a clock that never goes back.
        work_seconds: that were worked for the thread that asks.
        beside: calls a function while the event loop goes on.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        seconds: Callable[[], float] = CLOCK.monotonic,
        work_seconds: Callable[[], float] = thread_seconds,
        beside: Beside = asyncio.to_thread,
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # when each series began: a quarter of them all, and nothing asks for it
        self._registry, self._seconds, self._work_seconds, self._beside = registry, seconds, work_seconds, beside
        self._page, self._again_at = b"", float("-inf")
        self._making: asyncio.Task[None] | None = None

    async def __call__(self) -> web.Response:
        """The page; who asks while one is made gets that one."""
        if self._making is None and self._seconds() >= self._again_at:
            self._making = asyncio.create_task(self._make(), name="page of metrics")
        if self._making is not None:
            await asyncio.shield(self._making)  # who goes away takes it from no other
        return web.Response(body=self._page, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _make(self) -> None:
        try:
            self._page, took = await self._beside(self._made)
            self._again_at = self._seconds() + took * (SHARE_OF_SCRAPES - 1)
        finally:
            self._making = None

    def _made(self) -> tuple[bytes, float]:
        """A page, and how long a processor has worked for it."""
        begun = self._work_seconds()
        page = generate_latest(self._registry)
        return page, self._work_seconds() - begun


def health_page(sick: Callable[[], str | None], notes: Callable[[], list[str]] = list) -> Callable[[], web.Response]:
    """200 while all is well, with notes if there are any; 503 with the reason when it is not."""

    def answer() -> web.Response:
        why = sick()
        if why is not None:
            return web.Response(status=503, text=f"{why}\n")
        return web.Response(text="".join(f"{line}\n" for line in ["ok", *notes()]))

    return answer
