"""What is kept of a listing: what is known is the same object, and of a namespace that gives way nothing is kept."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from tests.support.ports import LOOPBACK
from tests.support.taken import taken
from utilitarian_operator.adapters.cluster import cache, kept
from utilitarian_operator.adapters.cluster.cache import FLEETS, PODS, Store
from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.adapters.cluster.room import Room
from utilitarian_operator.adapters.cluster.sieve import Sieve
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.validation.size import weight
from utilitarian_operator.core.spec.acceptance import Acceptance
from utilitarian_operator.host.health import ProcessHealth, WatchProgress
from utilitarian_operator.host.settings import Settings
from utilitarian_operator.host.watched.listing import Listing

MUCH = [{}] * 100_000


def pod(name: str, namespace: str = "ns", at: int = 1, **more: Any) -> Object:
    labels = {"app.kubernetes.io/instance": "fleet"}
    return {"metadata": {"namespace": namespace, "name": name, "resourceVersion": str(at), "labels": labels}, **more}


def names(sieve: Sieve) -> list[str]:
    return [it["metadata"]["name"] for it in sieve.found(PODS)]


def test_what_is_listed_again_is_the_same_object() -> None:
    store = Store()
    store.see(PODS, pod("a"))
    store.see(PODS, pod("b"))
    sieve = Sieve(store, lambda: None)
    take = sieve.of(PODS)
    assert [take(pod("a")), take(pod("b", at=2))] == [None, None]
    known = store.objects_in(PODS, {"ns"})
    assert [it is there for it, there in zip(sieve.found(PODS), known, strict=True)] == [True, False]


def test_a_resource_that_another_crd_shows_otherwise_is_as_it_is_shown() -> None:
    store = Store()
    store.see(FLEETS, pod("a", spec={"future": 1}))
    sieve = Sieve(store, lambda: None)
    sieve.of(FLEETS)(pod("a", spec={}))
    assert [it["spec"] for it in sieve.found(FLEETS)] == [{}]


def test_each_object_of_a_list_is_weighed_once_and_one_that_is_known_never(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of two thousand pods took half a second, at each list, in which the process did nothing else."""
    weighed, store = list[Object](), Store()
    for module in (cache, kept):
        monkeypatch.setattr(module, "weight", lambda body: weighed.append(body) or weight(body))

    def listed(*pods: Object) -> list[str]:
        weighed.clear()
        sieve = Sieve(store, lambda: None)
        for it in pods:
            sieve.of(PODS)(it)
        store.replace(PODS, sieve.found(PODS), 9, sieve.room.weight_of)
        assert store.room.taken == sum(map(weight, store.objects_in(PODS, {"ns"})))
        return [it["metadata"]["name"] for it in weighed]

    assert listed(pod("a"), pod("b")) == ["a", "b"]
    assert listed(pod("a"), pod("b", at=2, spec={"nodeName": "n" * 1_000}), pod("c")) == ["b", "c"]
    assert listed(pod("a"), pod("c")) == []
    store.answered(PODS, pod("a", at=3, spec={"nodeName": "n" * 500}), seen=0)
    store.see(PODS, pod("a", at=3, spec={"nodeName": "n" * 500}))
    weighed.clear()
    assert listed(pod("a", at=3, spec={"nodeName": "n" * 500}), pod("c")) == []


def test_a_namespace_with_too_much_gives_way_and_the_others_stay() -> None:
    sieve, told = Sieve(Store(room=Room(60_000)), lambda: told.append(1)), list[int]()
    take = sieve.of(PODS)
    take(pod("mine", "healthy"))
    for number in range(1_000):
        take(pod(f"p{number}", "hostile"))
        take(pod(f"p{number}", "hostile"))
    assert names(sieve) == ["mine"]
    assert set(sieve.room.aside) == {"hostile"}
    assert len(told) == 2_001


def test_so_does_one_with_a_child_that_is_too_large() -> None:
    sieve = Sieve(Store(), lambda: None)
    for body in (pod("a"), pod("b", "hostile"), pod("c", "hostile", status={"x": MUCH})):
        sieve.of(PODS)(body)
    assert names(sieve) == ["a"]
    assert sieve.room.aside == {"hostile": "pods c takes more than 8 MiB of memory"}


def test_a_resource_that_is_too_large_says_so_itself() -> None:
    sieve = Sieve(Store(), lambda: None)
    sieve.of(FLEETS)(pod("a", spec={"x": MUCH}))
    assert sieve.room.aside == {}


def test_what_was_refused_is_dropped() -> None:
    sieve = Sieve(Store(), lambda: None)
    sieve.of(PODS)(pod("a"))
    sieve.drop("ns")
    assert names(sieve) == []


FLOOD = 24
"""Resources of 1.3 MB, each of which takes 30 MiB as Python keeps it."""


@contextlib.asynccontextmanager
async def flooded() -> AsyncIterator[str]:
    """An API server with a namespace that is full of large resources."""
    broker = b'{"urlFrom":{"secretKeyRef":{"name":"n","key":"U"}}}'
    pod = b'{"template":{"spec":{"x":[%s{}]}}}' % (b"{}," * 430_000)
    spec = b'{"image":"u:1","broker":%s,"defaults":{"pod":%s}}' % (broker, pod)

    async def answers(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        after, limit = int(request.query.get("continue", 0)), int(request.query.get("limit", FLOOD))
        there = range(after, min(after + limit, FLOOD)) if request.path.endswith(FLEETS) else range(0)
        more = b"%d" % there.stop if 0 < there.stop < FLOOD else b""
        head = b'{"apiVersion":"v1","kind":"L","metadata":{"resourceVersion":"9","continue":"%s"},"items":[' % more
        with contextlib.suppress(ConnectionError):
            await answer.write(head)
            for number in there:
                metadata = b'{"name":"f%d","namespace":"hostile","resourceVersion":"1","generation":1}' % number
                comma = b"," if number > after else b""
                await answer.write(comma + b'{"metadata":' + metadata + b',"spec":' + spec + b"}")
            await answer.write(b"]}")
        return answer

    application = web.Application()
    application.router.add_get("/{rest:.*}", answers)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, 0).start()
    yield f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    await runner.cleanup()


async def list_a_flood() -> str:
    """The first list of everything."""
    store = Store(room=Room(128 * 2**20))
    async with flooded() as url, ApiClient(Configuration(host=url)) as client:
        await Listing(ClusterClient(client), store, Settings(), WatchProgress()).first(ProcessHealth(), asyncio.Event())
    judged = [Acceptance(it).judge(it) for it in store.objects_in(FLEETS, {"hostile"})]
    return f"{len(judged)} resources, of which {sum(bool(it.problems) for it in judged)} are refused"


async def list_as_before() -> str:
    """The same list, read whole."""
    async with flooded() as url, aiohttp.ClientSession() as client, client.get(f"{url}/{FLEETS}") as answer:
        return f"{len((await answer.json())['items'])} resources"


@pytest.mark.thorough
async def test_a_flood_of_large_resources_takes_little_memory_while_it_is_listed_and_after() -> None:
    found = await asyncio.to_thread(taken, f"{__name__}:list_a_flood")
    before = await asyncio.to_thread(taken, f"{__name__}:list_as_before")
    logging.getLogger(__name__).warning("%d resources of 1.3 MB: %s; read whole: %s", FLOOD, found, before)
    assert found.said == f"{FLOOD} resources, of which {FLOOD} are refused"
    assert found.grown_mib < before.grown_mib / 4
