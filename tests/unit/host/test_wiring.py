"""How the operator's parts are put together: what is gone is forgotten, and a slow start is no standstill."""

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from tests.support import resources
from tests.support.clocked_cluster import Machine, cluster_of
from tests.support.reconciling import reconciler_of
from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.cluster.cache import FLEETS, Key, Store
from utilitarian_operator.adapters.cluster.fake import Request
from utilitarian_operator.errors import ClusterError, Gone
from utilitarian_operator.host import wiring
from utilitarian_operator.host.fences import Fences
from utilitarian_operator.host.leadership import TERMS as LEADS
from utilitarian_operator.host.namespaces import TERMS
from utilitarian_operator.host.settings import Settings
from utilitarian_operator.host.wiring import _finish, _ours, _unless, _wanted, _watched

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


async def test_a_part_that_can_not_be_cancelled_holds_up_no_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wiring, "CANCELLED_WITHIN_S", 0.05)
    free = asyncio.Event()

    async def goes_on() -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    async def waits() -> None:
        await free.wait()

    parts = [asyncio.create_task(goes_on(), name="stubborn"), asyncio.create_task(waits(), name="well-behaved")]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await _finish(asyncio.sleep(0), parts, None)
    assert [(it.message, it.part) for it in caplog.records] == [("a part goes on while the process ends", "stubborn")]
    free.set()
    await parts[0]


def test_the_lease_of_a_namespace_that_is_left_alone_is_held_too() -> None:
    """Without it no event could tell of it, and another operator would work on what this one may take back."""
    store = Store()
    store.room.lay_aside("large", "too much")
    assert _watched(Settings(), store) == {"large"}
    assert _watched(Settings(namespaces=("metering",)), store) == {"large", "metering"}


@pytest.mark.parametrize("fails", [False, True], ids=["it goes well", "it fails"])
async def test_a_start_that_comes_to_its_end_is_a_start(*, fails: bool) -> None:
    async def starts() -> str:
        if fails:
            raise ClusterError("no answer")
        return "salt"

    with pytest.raises(ClusterError) if fails else contextlib.nullcontext():
        assert await _unless(asyncio.Event(), starts()) == "salt"


async def test_a_slow_start_holds_up_no_end() -> None:
    """As where fifty namespaces are listed slowly: the Lease is held meanwhile."""
    begun, cut_off, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def starts() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut_off.set()
        return "salt"

    starting = asyncio.create_task(_unless(stop, starts()))
    await begun.wait()
    stop.set()
    async with asyncio.timeout(5):
        assert await starting is None
    assert cut_off.is_set()
