"""The two small HTTP servers, on real sockets."""

import asyncio
import contextlib
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tests.support.examples import examples
from tests.support.ports import LOOPBACK
from tests.support.waiting import wait_until_async
from utilitarian_operator.errors import OperatorError
from utilitarian_operator.host.serving.http import SHARE_OF_SCRAPES, MetricsPage, PortTaken, health_page, serve
from utilitarian_operator.metrics.series import Board, Figures
from utilitarian_operator.metrics.series import Histogram as OurHistogram

SOON = timedelta(seconds=30)
MADE = b"# HELP utilitarian_made Pages.\n# TYPE utilitarian_made gauge\nutilitarian_made 1.0\n"


def _get(port: int, path: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=60) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


async def get(port: int, path: str) -> tuple[int, str, str]:
    return await asyncio.to_thread(_get, port, path)


async def test_metrics_are_served_as_prometheus_reads_them() -> None:
    registry = CollectorRegistry()
    Gauge("utilitarian_queue_messages", "Messages.", ["queue"], registry=registry).labels("a").set(3)
    async with serve(LOOPBACK, 0, {"/metrics": MetricsPage(registry)}) as port:
        status, kind, body = await get(port, "/metrics")
        assert (status, 'utilitarian_queue_messages{queue="a"} 3.0' in body) == (200, True)
        assert kind.startswith("text/plain; version=")
        assert (await get(port, "/"))[0] == 404


NO_HTTP = [
    b"GET / HTTP/1.1\r\nAuthorization: Bearer hunter2\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.parametrize("said", NO_HTTP, ids=["nul", "long", "many", "chunk", "http2"])
async def test_what_is_no_http_has_its_answer_and_fills_no_log(said: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Each was a traceback in the log, with a part of what was sent; all who reach the port may send it."""
    async with serve(LOOPBACK, 0, {"/healthz": health_page(lambda: None)}) as port:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(said)
        async with asyncio.timeout(SOON.total_seconds()):
            assert b" 40" in await reader.readline()
        writer.close()
    assert [it.getMessage() for it in caplog.records if it.levelno >= logging.WARNING] == []


async def test_a_page_that_fails_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> web.Response:
        raise ZeroDivisionError

    async with serve(LOOPBACK, 0, {"/metrics": fails}) as port:
        assert (await get(port, "/metrics"))[0] == 500
    assert [it.exc_info[0] for it in caplog.records if it.exc_info] == [ZeroDivisionError]


async def test_nothing_is_served_for_which_nothing_asks() -> None:
    """When each series began: a quarter of the page of 1,000 pools."""
    registry = CollectorRegistry()
    Counter("utilitarian_scale_requests", "Changes.", registry=registry).inc()
    Histogram("utilitarian_wake_seconds", "Seconds.", registry=registry).observe(1)
    assert b"_created" not in bytes((await MetricsPage(registry)()).body)  # type: ignore[arg-type] # a page


async def test_whoever_asks_for_metrics_again_and_again_holds_up_nothing() -> None:
    now, made = 0.0, 0

    class Slow(Collector):
        def collect(self) -> Iterator[Metric]:
            nonlocal now, made
            now, made = now + 0.5, made + 1
            yield GaugeMetricFamily("utilitarian_made", "Pages.", made)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Slow())
    made = 0
    answer = MetricsPage(registry, lambda: now, lambda: now)
    for _ in range(1_000):
        await answer()
        now += 0.05
    took = made * 0.5
    assert took <= now / SHARE_OF_SCRAPES + 0.5
    now += 0.5 * SHARE_OF_SCRAPES
    assert f"utilitarian_made {made + 1}.0".encode() in bytes((await answer()).body)  # type: ignore[arg-type] # a page


class Held(Collector):
    """A metric that is read in another thread, as long as the test wants."""

    def __init__(self) -> None:
        self.goes_on, self.reads = threading.Event(), 0

    def collect(self) -> Iterator[Metric]:
        """As the page asks for it."""
        self.reads += 1
        assert self.goes_on.wait(30)
        yield GaugeMetricFamily("utilitarian_made", "Pages.", self.reads)


def held() -> tuple[Held, MetricsPage]:
    """A page that is not ready before the test says so."""
    registry, metric = CollectorRegistry(auto_describe=False), Held()
    registry.register(metric)
    return metric, MetricsPage(registry, lambda: 0.0, lambda: 0.0)


async def test_the_event_loop_goes_on_while_a_page_is_made_and_all_who_ask_get_that_one() -> None:
    metric, page = held()
    asked = [asyncio.create_task(page()) for _ in range(20)]
    await wait_until_async(lambda: metric.reads == 1, within=SOON)
    asked[0].cancel()  # the one for whom it was begun goes away
    metric.goes_on.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert {bytes(it.body) for it in answers[1:] if isinstance(it, web.Response)} == {MADE}  # type: ignore[arg-type] # a page
    assert (metric.reads, len(answers)) == (1, 20)


async def test_a_page_that_can_not_be_made_is_tried_again() -> None:
    tries = 0

    async def beside(made: Callable[[], tuple[bytes, float]]) -> tuple[bytes, float]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise MemoryError
        return made()

    page = MetricsPage(CollectorRegistry(), lambda: 0.0, lambda: 0.0, beside)
    with pytest.raises(MemoryError):
        await page()
    assert (await page()).body == b""
    assert tries == 2


async def test_series_may_come_and_go_while_a_page_is_made() -> None:
    """They are set on the event loop, and read in another thread."""
    board = Board(registry := CollectorRegistry())
    fleet, labels = ("ns", "fleet"), ("namespace", "fleet", "pool")
    gauge = board.gauge("workers", "Workers.", labels)
    waited = OurHistogram(registry, "wake_seconds", "Seconds.", labels, (10, 100))
    page, pages = MetricsPage(registry, lambda: 0.0, lambda: 0.0), 0
    for number in range(examples(200, fewest=10)):
        making = asyncio.create_task(page())
        while not making.done():
            for pool in map(str, range(50)):
                figures: Figures = {(gauge, (*fleet, pool)): number}
                board.show(fleet, pool, figures)
                waited.observe(number, fleet, pool)
            await asyncio.sleep(0)
            board.keep_only(fleet, {str(it) for it in range(1, 50, 2)})
            for pool in map(str, range(0, 50, 2)):
                waited.forget(fleet, pool)
        text = bytes((await making).body).decode()  # type: ignore[arg-type] # a page
        names = [it.rpartition(" ")[0] for it in text.splitlines() if not it.startswith("#")]
        assert len(names) == len(set(names))
        pages += bool(names)
    assert pages


async def test_health_says_what_is_wrong() -> None:
    sick: list[str] = []
    async with serve(LOOPBACK, 0, {"/healthz": health_page(lambda: sick[0] if sick else None)}) as port:
        assert (await get(port, "/healthz"))[::2] == (200, "ok\n")
        sick.append("no tick for 120 s")
        assert (await get(port, "/healthz"))[::2] == (503, "no tick for 120 s\n")


def nothing() -> web.Response:
    return web.Response()


async def test_a_taken_port_is_one_clear_sentence() -> None:
    async with serve(LOOPBACK, 0, {"/metrics": nothing}) as port:
        with pytest.raises(PortTaken) as taken:
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(serve(LOOPBACK, port, {"/healthz": nothing}))
        assert (
            str(taken.value) == f"/healthz: port {port} of {LOOPBACK} is taken by another process: choose another port"
        )
        assert isinstance(taken.value, OperatorError)


async def test_a_host_that_is_not_ours_is_one_clear_sentence() -> None:
    with pytest.raises(
        OperatorError, match=r"^/healthz: can't listen on 192\.0\.2\.1 port \d+: Cannot assign requested"
    ):
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(serve("192.0.2.1", 8081, {"/healthz": nothing}))


async def test_the_port_is_free_again_afterwards() -> None:
    async with serve(LOOPBACK, 0, {"/metrics": nothing}) as port:
        pass
    async with serve(LOOPBACK, port, {"/metrics": nothing}) as again:
        assert again == port
