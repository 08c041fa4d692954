"""How the operator's parts are put together: what is gone is forgotten, and a slow start is no standstill."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.support import resources
from tests.support.clocked_cluster import Machine, cluster_of
from tests.support.reconciling import reconciler_of
from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.cluster.cache import FLEETS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.api.objects import Object
from utilitarian_operator.errors import ClusterError, Gone
from utilitarian_operator.host import wiring
from utilitarian_operator.host.fences import Fences
from utilitarian_operator.host.health import SILENT_S, ProcessHealth, WatchProgress
from utilitarian_operator.host.kopf_host import WATCHED, seeing
from utilitarian_operator.host.leadership import TERMS as LEADS
from utilitarian_operator.host.namespaces import TERMS
from utilitarian_operator.host.settings import Settings
from utilitarian_operator.host.wiring import _list_all, _ours, _resync, _wanted
from utilitarian_operator.host.workqueue import WorkQueue

KEY = Key("ns", "fleet")


def no_lease(error: ClusterError) -> Callable[[Request], ClusterError | None]:
    return lambda asked: error if asked.kind == "Lease" else None


@pytest.mark.parametrize(
    "error, passes_s, then",
    [
        pytest.param(ClusterError("no answer"), LEADS.duration_s, [KEY], id="while it is not known who leads"),
        pytest.param(Gone("its namespace is gone"), TERMS.duration_s, [], id="with its namespace"),
    ],
)
async def test_a_fleet_that_goes_while_its_lease_can_not_be_had_is_forgotten_all_the_same(
    error: ClusterError, passes_s: float, then: list[Key]
) -> None:
    """No event tells of it again, and until then its queues would be held against others."""
    machine = Machine()
    cluster, store = cluster_of(machine), Store()
    reconciler = reconciler_of(cluster, store, FakeBroker())
    fences = Fences(cluster, "system", "uo", "pod", machine.seconds)
    await fences.leadership._lease.attempt()
    made = await cluster.create(resources.resource() | {"metadata": {"namespace": KEY.namespace, "name": KEY.name}})
    store.see(FLEETS, made)
    assert await _ours(fences, reconciler, KEY)
    assert reconciler.kept == {KEY}
    store.see(FLEETS, made, deleted=True)
    machine.now += passes_s
    if not then:
        await fences.leadership._lease.attempt()
    cluster.fails = no_lease(error)
    assert _wanted(store, reconciler) == [KEY]
    assert await _ours(fences, reconciler, KEY)
    assert _wanted(store, reconciler) == then
    cluster.fails = lambda _: None
    await fences.leadership._lease.attempt()
    for key in _wanted(store, reconciler):
        assert await _ours(fences, reconciler, key)
    assert _wanted(store, reconciler) == []


async def test_what_vanished_while_a_watch_was_away_is_found_soon_after_it_began_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kopf lists what is there, and has no word of what is not: else it would stay for five minutes."""
    monkeypatch.setattr(wiring, "LISTED_AGAIN_S", 0.0)
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
    resync = asyncio.create_task(
        _resync(cluster, store, queue, Settings(resync=timedelta(hours=1)), WatchProgress(), anew)
    )
    running = asyncio.create_task(queue.run())
    await asyncio.sleep(0)
    see(FLEETS, None, other)
    async with asyncio.timeout(60):
        while await asked.get() != KEY or store.fleet(KEY) is not None:
            pass
    for task in (resync, running):
        task.cancel()
    await asyncio.gather(resync, running, return_exceptions=True)


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
    await _list_all(SlowCluster(), Store(), settings, health, asyncio.Event())
    assert sick == [None] * 3 * len(WATCHED)
