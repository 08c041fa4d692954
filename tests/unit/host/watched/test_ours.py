"""Which fleets are looked at: what is gone is forgotten, and a namespace that is chosen no more changes hands."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import resources
from tests.support.clocked_cluster import Machine, cluster_of
from tests.support.examples import examples
from tests.support.reconciling import reconciler_of
from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, FLEETS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.labels import INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER
from utilitarian_operator.errors import ClusterError, Gone
from utilitarian_operator.host.fences import Fences
from utilitarian_operator.host.health import ProcessHealth, WatchProgress
from utilitarian_operator.host.leadership import TERMS as LEADS
from utilitarian_operator.host.namespaces import LOOKED_AT_EACH_S, TERMS
from utilitarian_operator.host.settings import Settings
from utilitarian_operator.host.watched.chosen import Chosen
from utilitarian_operator.host.watched.listing import Listing
from utilitarian_operator.host.watched.ours import held, leave, look_if_ours, wanted, worked_on

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
    assert await look_if_ours(fences, reconciler, KEY)
    assert reconciler.kept == {KEY}
    store.see(FLEETS, made, deleted=True)
    machine.now += passes_s
    if not then:
        await fences.leadership._lease.attempt()
    cluster.fails = no_lease(error)
    assert wanted(store, reconciler) == [KEY]
    assert await look_if_ours(fences, reconciler, KEY)
    assert wanted(store, reconciler) == then
    cluster.fails = lambda _: None
    await fences.leadership._lease.attempt()
    for key in wanted(store, reconciler):
        assert await look_if_ours(fences, reconciler, key)
    assert wanted(store, reconciler) == []


def test_a_namespace_was_worked_on_where_a_fleet_has_its_conditions() -> None:
    store, new = Store(), resources.resource() | {"metadata": {"namespace": "new", "name": "f", "resourceVersion": "1"}}
    store.see(FLEETS, new)
    metadata = {"namespace": "old", "name": "f", "resourceVersion": "2"}
    store.see(FLEETS, new | {"metadata": metadata, "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    assert [worked_on(store, it) for it in ("new", "old", "none")] == [False, True, False]


def test_the_lease_of_a_namespace_that_is_left_alone_is_held_too() -> None:
    """Without it no event could tell of it, and another operator would work on what this one may take back."""
    store = Store()
    store.room.lay_aside("large", "too much")
    assert held(Settings(), store) == {"large"}
    assert held(Settings(namespaces=("metering",)), store) == {"large", "metering"}


class Sharing:
    """One operator of several that share a cluster in memory by the labels of its namespaces.

    Args:
        cluster: that is shared.
        machine: with the clock of all.
        shard: the value of the label.
    """

    def __init__(self, cluster: FakeCluster, machine: Machine, shard: str) -> None:
        self.chosen = Chosen(f"shard={shard}")
        self.store = Store(chosen=self.chosen)
        self.reconciler = reconciler_of(cluster, self.store, FakeBroker())
        self.fences = Fences(cluster, "system", shard, shard, machine.seconds, handed_over_s=10)
        settings = Settings(namespace_selector=self.chosen.selector)
        self.listing = Listing(cluster, self.store, settings, WatchProgress(), self.chosen)
        self.looked: list[Key] = []

    async def begin(self) -> None:
        await self.fences.leadership._lease.attempt()
        await self.listing.first(ProcessHealth(), asyncio.Event())

    async def tick(self) -> None:
        """Ask for a look at all that is wanted."""
        look = partial(look_if_ours, self.fences, self.reconciler, newly_chosen=self.listing.newly_chosen)
        await self.listing.found()
        seen = self.listing.seen(look, partial(leave, self.fences, self.store, self.reconciler))
        for key in wanted(self.store, self.reconciler):
            await seen(key)

    async def resync(self) -> None:
        """List everything, and renew the Leases of all that is kept."""

        async def ends(_: float) -> None:
            raise asyncio.CancelledError

        await self.listing._list()
        with suppress(asyncio.CancelledError):
            await self.fences.namespaces.renew(partial(held, self.listing.settings, self.store), ends)

    @property
    def may_write(self) -> bool:
        try:
            return self.fences.may_write(KEY.namespace) > 0
        except ClusterError:
            return False


def namespace_of(shard: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": KEY.namespace, "labels": {"shard": shard}}}


def made_before() -> Object:
    labels = {MANAGED_BY_LABEL: MANAGER, INSTANCE_LABEL: KEY.name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": KEY.namespace, "name": "made-before", "labels": labels},
        "spec": {"replicas": 0, "template": {"metadata": {}}},
    }


def at_once(answer: Coroutine[Any, Any, Object]) -> Object:
    """The answer of the cluster in memory, which waits for nothing."""
    try:
        answer.send(None)
    except StopIteration as end:
        found: Object = end.value
        return found
    raise AssertionError("it waits")


async def shared(machine: Machine) -> tuple[FakeCluster, Sharing, Sharing]:
    """A cluster with a fleet that the first of two operators works on."""
    cluster = cluster_of(machine)
    await cluster.apply(namespace_of("a"), force=True)
    await cluster.create(resources.resource() | {"metadata": {"namespace": KEY.namespace, "name": KEY.name}})
    first, second = (Sharing(cluster, machine, shard) for shard in ("a", "b"))
    for it in (first, second):
        await it.begin()
        await it.tick()
    return cluster, first, second


async def relabelled(cluster: FakeCluster, first: Sharing, second: Sharing) -> None:
    """Give the namespace the second one's label, as both watches tell it."""
    told = await cluster.apply(namespace_of("b"), force=True)
    first.chosen.see(told, deleted=True)
    second.chosen.see(told, deleted=False)


async def test_a_namespace_that_gets_another_label_changes_hands_and_never_has_two_writers() -> None:
    machine = Machine()
    cluster, first, second = await shared(machine)
    assert (first.may_write, second.may_write) == (True, False)
    assert (second.store.fleets(), second.chosen.elsewhere) == ([], {KEY.namespace})
    await cluster.apply(made_before(), force=True)
    await relabelled(cluster, first, second)
    await second.tick()
    assert (first.may_write, second.may_write) == (True, False), "the first one has not let go"
    await first.tick()
    assert (first.may_write, second.may_write) == (False, False)
    assert (first.store.fleets(), first.reconciler.kept, first.chosen.elsewhere) == ([], set(), {KEY.namespace})
    machine.now += LOOKED_AT_EACH_S
    await second.tick()
    assert (first.may_write, second.may_write) == (False, True)
    assert "made-before" in second.store.children(DEPLOYMENTS, KEY), "what was there before is listed"
    assert not [it for it in cluster.requests if it.kind == "Event" and it.body["reason"] == "NamespaceTaken"]  # type: ignore[index]


@settings(max_examples=examples(50, fewest=5), deadline=None)
@given(
    st.lists(st.integers(1, 4) | st.integers(1, 20), min_size=1, max_size=10),
    st.lists(st.sampled_from(["tick", "tick", "tick", "resync"]), min_size=8, max_size=8),
)
async def test_whenever_a_label_changes_back_and_forth_it_ends_with_the_one_that_is_chosen(
    after: list[int], steps: list[str]
) -> None:
    """Between any two requests of either operator, also in the middle of a list; there are never two writers."""
    machine = Machine()
    cluster, first, second = await shared(machine)
    made = await cluster.create(made_before())
    first.store.see(DEPLOYMENTS, made)
    both, flips = {"a": first, "b": second}, list(after)
    label = "a"

    def maybe_flips(_: Request) -> None:
        nonlocal label
        assert not (first.may_write and second.may_write)
        if not flips:
            return
        flips[0] -= 1
        if not flips[0]:
            flips.pop(0)
            label, cluster.fails = "b" if label == "a" else "a", lambda _: None
            told = at_once(cluster.apply(namespace_of(label), force=True))
            cluster.fails = maybe_flips
            for shard, it in both.items():
                it.chosen.see(told, deleted=shard != label)

    cluster.fails = maybe_flips
    for number, step in enumerate([*steps, *["tick"] * 4]):
        if number == len(steps):
            flips.clear()
        for it in both.values():
            await it.fences.leadership._lease.attempt()
            await (it.tick() if step == "tick" else it.resync())
        machine.now += LOOKED_AT_EACH_S
    chosen, other = both.pop(label), both.popitem()[1]
    assert (chosen.may_write, other.may_write) == (True, False)
    assert (chosen.store.fleets(), other.store.fleets(), other.reconciler.kept) == ([KEY], [], set())
    assert "made-before" in chosen.store.children(DEPLOYMENTS, KEY)


async def test_a_namespace_is_kept_while_a_look_goes_on_there() -> None:
    """It would take what it looks at for gone; and what it writes after that would be a second writer's."""
    machine = Machine()
    cluster, first, second = await shared(machine)
    with first.listing._looking(KEY.namespace):
        await relabelled(cluster, first, second)
        await first.tick()
        assert (first.may_write, first.store.fleets()) == (True, [KEY])
        await first.listing.first(ProcessHealth(), asyncio.Event())
        assert first.store.fleets() == [KEY], "a list in between doesn't drop it either"
    await first.tick()
    assert (first.may_write, first.store.fleets()) == (False, [])


async def test_what_can_not_be_listed_is_tried_again() -> None:
    machine = Machine()
    cluster, first, second = await shared(machine)
    await relabelled(cluster, first, second)
    await first.tick()
    machine.now += LOOKED_AT_EACH_S
    look = partial(look_if_ours, second.fences, second.reconciler, newly_chosen=second.listing.newly_chosen)
    cluster.fails = lambda it: ClusterError("no answer") if it.kind == DEPLOYMENTS else None
    assert not await look(KEY)
    assert second.chosen.unlisted == {KEY.namespace}
    cluster.fails = lambda _: None
    assert await look(KEY)
    assert second.chosen.unlisted == set()
