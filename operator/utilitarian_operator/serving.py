"""The two small HTTP servers of an operator: /metrics for Prometheus, /healthz for the kubelet; they change nothing."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from utilitarian_operator.errors import OperatorError


class PortTaken(OperatorError):
    """Another process listens on the port."""


@contextlib.asynccontextmanager
async def serve(host: str, port: int, path: str, answer: Callable[[], web.Response]) -> AsyncIterator[int]:
    """Answer GET requests for one path while the context lasts.

    Yields:
        The port, chosen by the system where 0 was asked for.

    Raises:
        PortTaken: somebody listens there already.
    """

    async def handle(_: web.Request) -> web.Response:
        return answer()

    handler: Callable[[web.Request], Awaitable[web.StreamResponse]] = handle
    application = web.Application()
    application.router.add_get(path, handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise PortTaken(f"port {port} of {host} is taken ({error.strerror}): choose another for {path}") from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def metrics_page(registry: CollectorRegistry) -> Callable[[], web.Response]:
    """The answer to a scrape."""
    return lambda: web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def health_page(sick: Callable[[], str | None]) -> Callable[[], web.Response]:
    """200 while all is well, 503 with the reason when it is not."""

    def answer() -> web.Response:
        why = sick()
        return web.Response(text="ok\n") if why is None else web.Response(status=503, text=f"{why}\n")

    return answer
