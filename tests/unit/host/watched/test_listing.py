"""What is listed beside the watches: what they missed is found, and a slow start is no standstill."""

import asyncio
from datetime import timedelta

import pytest

from tests.support import resources
from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, FLEETS, PODS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.adapters.cluster.room import Room
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.labels import INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER
from utilitarian_operator.errors import HistoryWentBack, Rejected
from utilitarian_operator.host.health import SILENT_S, ProcessHealth, WatchProgress
from utilitarian_operator.host.kopf_host import LISTED, WATCHED, seeing
from utilitarian_operator.host.settings import Settings
from utilitarian_operator.host.watched import listing as listing_module
from utilitarian_operator.host.watched.chosen import Chosen
from utilitarian_operator.host.watched.listing import Listing
from utilitarian_operator.host.workqueue import WorkQueue

KEY = Key("ns", "fleet")


async def test_what_vanished_while_a_watch_was_away_is_found_soon_after_it_began_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kopf lists what is there, and has no word of what is not: else it would stay for five minutes."""
    monkeypatch.setattr(listing_module, "LISTED_AGAIN_S", 0.0)
    cluster, store = FakeCluster(), Store()
    asked: asyncio.Queue[Key] = asyncio.Queue()

    async def work(key: Key) -> bool:
        asked.put_nowait(key)
        return True

    made = await cluster.create(resources.resource() | {"metadata": {"namespace": KEY.namespace, "name": KEY.name}})
    other = await cluster.create(resources.resource() | {"metadata": {"namespace": KEY.namespace, "name": "other"}})
    queue = WorkQueue[Key](work)
    listing = Listing(cluster, store, Settings(resync=timedelta(hours=1)), WatchProgress())
    see = seeing(store, queue, listed=listing.anew.set)
    for body in (made, other):
        see(FLEETS, "ADDED", body)
    await cluster.delete(made)
    listing_all = asyncio.create_task(listing.again(queue))
    running = asyncio.create_task(queue.run())
    await asyncio.sleep(0)
    see("", LISTED, {})
    async with asyncio.timeout(60):
        while await asked.get() != KEY or store.fleet(KEY) is not None:
            pass
    for task in (listing_all, running):
        task.cancel()
    await asyncio.gather(listing_all, running, return_exceptions=True)


@pytest.mark.parametrize("turns", range(5))
async def test_a_watch_that_begins_anew_in_the_moment_of_the_end_keeps_no_list_alive(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`asyncio.wait_for` of Python 3.11 loses a cancellation that comes just after what it waits for."""
    monkeypatch.setattr(listing_module, "LISTED_AGAIN_S", 0.0)
    settings = Settings(resync=timedelta(hours=1))
    listing = Listing(FakeCluster(), Store(), settings, WatchProgress())
    listing_all = asyncio.create_task(listing.again(WorkQueue[Key](worked)))
    await _turns(5)  # until it waits
    listing.anew.set()
    await _turns(turns)
    listing_all.cancel()
    await asyncio.wait({listing_all}, timeout=5)
    assert listing_all.cancelled()


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
    await Listing(SlowCluster(), Store(), settings, WatchProgress()).first(health, asyncio.Event())
    assert sick == [None] * 3 * len(WATCHED)


async def test_a_namespace_that_may_not_be_listed_keeps_the_others_from_nothing() -> None:
    """It was deleted, say, and with it the operator's rights there; what is known of it is neither lost nor used."""
    cluster, store, health = FakeCluster(), Store(), ProcessHealth()
    settings = Settings(namespaces=("here", "gone"))
    listing = Listing(cluster, store, settings, WatchProgress())
    for namespace in settings.namespaces:
        await cluster.create(resources.resource() | {"metadata": {"namespace": namespace, "name": "fleet"}})
    cluster.fails = lambda it: Rejected("forbidden") if (it.namespace, it.kind) == ("gone", "pods") else None
    async with asyncio.timeout(60):
        await listing.first(health, asyncio.Event())
    assert (store.fleets(), listing.blind) == ([Key("here", "fleet")], {"gone"})
    cluster.fails = lambda _: None
    await listing.first(health, asyncio.Event())
    assert (set(store.fleets()), listing.blind) == ({Key("here", "fleet"), Key("gone", "fleet")}, set())
    cluster.fails = lambda it: Rejected("forbidden") if it.namespace == "gone" else None
    await listing.first(health, asyncio.Event())
    assert (len(store.fleets()), listing.blind) == (2, {"gone"})


async def test_where_nothing_may_be_listed_it_is_waited_for() -> None:
    cluster, store, stop = FakeCluster(), Store(), asyncio.Event()

    def fails(_: object) -> Exception:
        stop.set()
        return Rejected("forbidden")

    cluster.fails = fails
    health, settings = ProcessHealth(seconds=lambda: 0.0), Settings(namespaces=("a", "b"))
    async with asyncio.timeout(60):
        await Listing(cluster, store, settings, WatchProgress()).first(health, stop)
    assert "first list" in health._last, "it goes on with it"


@pytest.mark.parametrize("namespace, looked", [("seen", ["seen/fleet"]), ("unseen", []), ("aside", [])])
async def test_nothing_is_decided_where_not_all_can_be_seen(namespace: str, looked: list[str]) -> None:
    found, left = list[str](), list[str]()

    async def leave(key: Key) -> None:
        left.append(str(key))

    async def look(key: Key) -> bool:
        found.append(str(key))
        return True

    listing = Listing(FakeCluster(), Store(), Settings(), WatchProgress(), blind={"unseen"})
    listing.store.lay_aside("aside", "too much")
    if_seen = listing.seen(look, leave)
    assert await if_seen(Key(namespace, "fleet"))
    assert (found, left) == (looked, ["aside/fleet"] if namespace == "aside" else [])
    listing.history.doubtful = True  # until the next list nothing that was seen may be so any more
    assert await if_seen(Key("seen", "fleet"))
    assert found == looked


async def test_a_namespace_that_is_flooded_gives_way_and_is_taken_back() -> None:
    cluster = FakeCluster()
    kind = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool", "spec": {}}
    await cluster.create({**kind, "metadata": {"namespace": "healthy", "name": "fleet"}})
    for number in range(200):
        await cluster.create({**kind, "metadata": {"namespace": "hostile", "name": f"f{number}"}})
    listing = Listing(cluster, Store(room=Room(40_000)), Settings(), WatchProgress())
    await listing.first(ProcessHealth(), asyncio.Event())
    assert (listing.store.fleets(), set(listing.store.room.aside)) == ([Key("healthy", "fleet")], {"hostile"})
    for number in range(199):
        await cluster.delete(await cluster.read("UtilitarianWorkerPool", "hostile", f"f{number}"))
    await listing.first(ProcessHealth(), asyncio.Event())
    assert set(listing.store.fleets()) == {Key("healthy", "fleet"), Key("hostile", "f199")}


async def test_what_is_chosen_while_a_list_is_on_its_way_is_not_taken_for_vanished() -> None:
    """The list began before, so it has nothing of it."""
    cluster, chosen = FakeCluster(), Chosen("shard=a")
    store = Store(chosen=chosen)
    await cluster.create(resources.resource() | {"metadata": {"namespace": KEY.namespace, "name": KEY.name}})
    made = await cluster.create(deployment(KEY))
    listing = Listing(cluster, store, Settings(namespace_selector=chosen.selector), WatchProgress(), chosen)

    def is_chosen(request: Request) -> None:
        if request.kind == PODS:
            chosen.see({"metadata": {"name": KEY.namespace, "resourceVersion": "99"}}, deleted=False)
            store.see(DEPLOYMENTS, made)

    cluster.fails = is_chosen
    await listing.first(ProcessHealth(), asyncio.Event())
    cluster.fails = lambda _: None
    assert chosen.unlisted == {KEY.namespace}
    await listing.newly_chosen(KEY.namespace)
    assert list(store.children(DEPLOYMENTS, KEY)) == ["made"]
    assert (store.fleets(), chosen.unlisted) == ([KEY], set())


async def test_the_fleets_of_a_namespace_that_is_chosen_are_found_once() -> None:
    """Else none would look there until a watch tells of one: its status may not change for long."""
    cluster, chosen = FakeCluster(), Chosen("shard=a")
    listing = Listing(cluster, Store(chosen=chosen), Settings(), WatchProgress(), chosen)
    await cluster.create(resources.resource() | {"metadata": {"namespace": KEY.namespace, "name": KEY.name}})
    chosen.see({"metadata": {"name": KEY.namespace, "resourceVersion": "1"}}, deleted=False)
    cluster.fails = lambda _: Rejected("no answer")
    assert await listing.found() == []
    cluster.fails = lambda _: None
    assert [await listing.found() for _ in range(2)] == [[KEY], []]
    assert listing.store.fleets() == [KEY]


async def test_the_fleets_of_a_namespace_that_is_chosen_twice_within_a_second_are_found_again() -> None:
    """What was found the first time was dropped when it was released."""
    cluster, chosen = FakeCluster(), Chosen("shard=a")
    listing = Listing(cluster, Store(chosen=chosen), Settings(), WatchProgress(), chosen)
    await cluster.create(resources.resource() | {"metadata": {"namespace": KEY.namespace, "name": KEY.name}})
    chosen.see({"metadata": {"name": KEY.namespace, "resourceVersion": "1"}}, deleted=False)
    assert await listing.found() == [KEY]
    chosen.see({"metadata": {"name": KEY.namespace, "resourceVersion": "2"}}, deleted=True)
    assert await listing.seen(_no_look, _no_look)(KEY)
    assert listing.store.fleets() == []
    chosen.see({"metadata": {"name": KEY.namespace, "resourceVersion": "3"}}, deleted=False)
    assert [await listing.found() for _ in range(2)] == [[KEY], []]
    assert listing.store.fleets() == [KEY]


async def _no_look(_: Key) -> bool:
    return True


@pytest.mark.parametrize("during", [FLEETS, PODS])
async def test_a_namespace_that_is_released_and_chosen_anew_while_all_is_listed_is_listed_again(during: str) -> None:
    """What was listed of it before was dropped, or had no place."""
    cluster, chosen = FakeCluster(), Chosen("shard=a")
    store = Store(chosen=chosen)
    await cluster.create(resources.resource() | {"metadata": {"namespace": KEY.namespace, "name": KEY.name}})
    await cluster.create(deployment(KEY))
    listing = Listing(cluster, store, Settings(namespace_selector=chosen.selector), WatchProgress(), chosen)
    chosen.see({"metadata": {"name": KEY.namespace, "resourceVersion": "90"}}, deleted=False)

    def flickers(request: Request) -> None:
        if (request.kind, request.namespace) == (during, ""):
            chosen.see({"metadata": {"name": KEY.namespace, "resourceVersion": "91"}}, deleted=True)
            chosen.release(KEY.namespace)
            store.drop(KEY.namespace)
        elif request.kind != "namespaces" and request.namespace == "" and KEY.namespace not in chosen:
            chosen.see({"metadata": {"name": KEY.namespace, "resourceVersion": "92"}}, deleted=False)

    cluster.fails = flickers
    await listing.first(ProcessHealth(), asyncio.Event())
    if KEY.namespace not in chosen:
        chosen.see({"metadata": {"name": KEY.namespace, "resourceVersion": "92"}}, deleted=False)
    cluster.fails = lambda _: None
    assert chosen.unlisted == {KEY.namespace}
    await listing.newly_chosen(KEY.namespace)
    assert (store.fleets(), list(store.children(DEPLOYMENTS, KEY))) == ([KEY], ["made"])


async def test_what_vanished_before_a_namespace_was_chosen_is_not_kept() -> None:
    cluster, chosen = FakeCluster(), Chosen("shard=a")
    store = Store(chosen=chosen)
    listing = Listing(cluster, store, Settings(namespace_selector=chosen.selector), WatchProgress(), chosen)
    chosen.see({"metadata": {"name": KEY.namespace, "resourceVersion": "1"}}, deleted=False)
    gone = await cluster.create(deployment(KEY))
    store.see(DEPLOYMENTS, gone)
    await cluster.delete(gone)
    await listing.newly_chosen(KEY.namespace)
    assert store.children(DEPLOYMENTS, KEY) == {}


def deployment(key: Key) -> Object:
    labels = {MANAGED_BY_LABEL: MANAGER, INSTANCE_LABEL: key.name}
    metadata = {"namespace": key.namespace, "name": "made", "labels": labels}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}


class RestoredCluster(FakeCluster):
    """One whose lists have the versions that a test says, as after a restore of etcd."""

    def __init__(self, *versions: int) -> None:
        super().__init__()
        self.versions, self.seen = list(versions), list[int]()

    async def items(
        self, plural: str, namespace: str | None, selector: str = "", limit: int | None = None, fields: str = ""
    ) -> tuple[list[Object], int]:
        found, _ = await super().items(plural, namespace, selector, limit, fields)
        if plural == FLEETS:
            self.seen.append(self.versions.pop(0))
        return found, self.seen[-1]


def fleet_at(version: int) -> Object:
    return resources.resource() | {
        "metadata": {"namespace": KEY.namespace, "name": KEY.name, "uid": "u", "resourceVersion": str(version)}
    }


async def worked(_: Key) -> bool:
    return True


async def _turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.parametrize("gone", [False, True], ids=["it is there", "it has gone"])
async def test_the_process_ends_where_the_api_server_has_gone_back(gone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what is kept of before would count until versions are as high again: for days, maybe."""
    monkeypatch.setattr(listing_module, "LISTED_AGAIN_S", 0.0)
    cluster, store = RestoredCluster(1000, 999, 1000, 40, 41), Store()
    listing = Listing(cluster, store, Settings(resync=timedelta(hours=1)), WatchProgress())
    store.see(FLEETS, fleet_at(1000), deleted=gone)
    for _ in range(3):
        await listing._list()

    listing.anew.set()  # once: what is in doubt is listed again by itself
    with pytest.raises(HistoryWentBack, match="version 41"):
        await asyncio.wait_for(listing.again(WorkQueue[Key](worked)), 60)
    assert cluster.seen == [1000, 999, 1000, 40, 41]


async def test_in_doubt_all_is_listed_long_before_it_is_where_watches_begin_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until the process ends what it decides rests on what is no more, and its advice says so of another client."""
    monkeypatch.setattr(listing_module, "LISTED_IN_DOUBT_S", 0.01)
    cluster, store = RestoredCluster(40, 41), Store()
    listing = Listing(cluster, store, Settings(resync=timedelta(hours=1)), WatchProgress())
    store.see(FLEETS, fleet_at(1000))
    listing.doubt()
    with pytest.raises(HistoryWentBack, match="version 41"):
        await asyncio.wait_for(listing.again(WorkQueue[Key](worked)), 10)


async def test_what_is_seen_while_a_list_is_on_its_way_says_nothing_of_it() -> None:
    store = Store()

    class Watched(RestoredCluster):
        async def items(
            self, plural: str, namespace: str | None, selector: str = "", limit: int | None = None, fields: str = ""
        ) -> tuple[list[Object], int]:
            store.see(FLEETS, fleet_at(2000))
            return await super().items(plural, namespace, selector, limit, fields)

    listing = Listing(Watched(1000), store, Settings(), WatchProgress())
    await listing._list()
    assert not listing.history.doubtful
