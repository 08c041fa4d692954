"""What is listed beside the watches: what they missed is found, and a slow start is no standstill."""

import asyncio
from datetime import timedelta

import pytest

from tests.support import resources
from utilitarian_operator.adapters.cluster.cache import FLEETS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.api.objects import Object
from utilitarian_operator.host import kopf_host
from utilitarian_operator.host.health import SILENT_S, ProcessHealth, WatchProgress
from utilitarian_operator.host.kopf_host import LISTED, WATCHED, list_all, resync, seeing
from utilitarian_operator.host.settings import Settings
from utilitarian_operator.host.workqueue import WorkQueue

KEY = Key("ns", "fleet")


async def test_what_vanished_while_a_watch_was_away_is_found_soon_after_it_began_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kopf lists what is there, and has no word of what is not: else it would stay for five minutes."""
    monkeypatch.setattr(kopf_host, "LISTED_AGAIN_S", 0.0)
    cluster, store, anew = FakeCluster(), Store(), asyncio.Event()
    asked: asyncio.Queue[Key] = asyncio.Queue()

    async def work(key: Key) -> bool:
        asked.put_nowait(key)
        return True

    made = await cluster.create(resources.resource() | {"metadata": {"namespace": KEY.namespace, "name": KEY.name}})
    other = await cluster.create(resources.resource() | {"metadata": {"namespace": KEY.namespace, "name": "other"}})
    queue = WorkQueue[Key](work)
    see = seeing(store, queue, listed=anew.set)
    for body in (made, other):
        see(FLEETS, "ADDED", body)
    await cluster.delete(made)
    listing_all = asyncio.create_task(
        resync(cluster, store, queue, Settings(resync=timedelta(hours=1)), WatchProgress(), anew)
    )
    running = asyncio.create_task(queue.run())
    await asyncio.sleep(0)
    see("", LISTED, {})
    async with asyncio.timeout(60):
        while await asked.get() != KEY or store.fleet(KEY) is not None:
            pass
    for task in (listing_all, running):
        task.cancel()
    await asyncio.gather(listing_all, running, return_exceptions=True)


async def test_the_first_list_of_many_namespaces_may_take_long() -> None:
    """Two minutes for one answer would be a standstill; the process must not be killed for many that are slow."""
    now, sick = 0.0, list[str | None]()
    health = ProcessHealth(lacks=None, seconds=lambda: now)

    class SlowCluster(FakeCluster):
        async def items(
            self, plural: str, namespace: str | None, selector: str = "", limit: int | None = None, fields: str = ""
        ) -> tuple[list[Object], int]:
            nonlocal now
            now += SILENT_S / 2
            sick.append(health.sick())
            return await super().items(plural, namespace, selector, limit, fields)

    settings = Settings(namespaces=tuple(f"ns-{number}" for number in range(3)))
    await list_all(SlowCluster(), Store(), settings, health, asyncio.Event())
    assert sick == [None] * 3 * len(WATCHED)
