"""The two small HTTP servers, on real sockets."""

import asyncio
import contextlib
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tests.support.ports import LOOPBACK
from utilitarian_operator.errors import OperatorError
from utilitarian_operator.host.serving.http import SHARE_OF_SCRAPES, PortTaken, health_page, metrics_page, serve


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
    async with serve(LOOPBACK, 0, {"/metrics": metrics_page(registry)}) as port:
        status, kind, body = await get(port, "/metrics")
        assert (status, 'utilitarian_queue_messages{queue="a"} 3.0' in body) == (200, True)
        assert kind.startswith("text/plain; version=")
        assert (await get(port, "/"))[0] == 404


def test_nothing_is_served_for_which_nothing_asks() -> None:
    """When each series began: a quarter of the page of 1,000 pools, which holds up the event loop while it is made."""
    registry = CollectorRegistry()
    Counter("utilitarian_scale_requests", "Changes.", registry=registry).inc()
    Histogram("utilitarian_wake_seconds", "Seconds.", registry=registry).observe(1)
    assert b"_created" not in bytes(metrics_page(registry)().body)  # type: ignore[arg-type] # a page


def test_whoever_asks_for_metrics_again_and_again_holds_up_nothing() -> None:
    now, made = 0.0, 0

    class Slow(Collector):
        def collect(self) -> Iterator[Metric]:
            nonlocal now, made
            now, made = now + 0.5, made + 1
            yield GaugeMetricFamily("utilitarian_made", "Pages.", made)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Slow())
    made = 0
    answer = metrics_page(registry, lambda: now, lambda: now)
    for _ in range(1_000):
        answer()
        now += 0.05
    took = made * 0.5
    assert took <= now / SHARE_OF_SCRAPES + 0.5
    now += 0.5 * SHARE_OF_SCRAPES
    assert f"utilitarian_made {made + 1}.0".encode() in bytes(answer().body)  # type: ignore[arg-type] # a page


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
