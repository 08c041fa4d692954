"""One fleet's look goes on whatever becomes of another's, in another namespace, and ends where its resource goes."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from tests.support import resources
from tests.support.reconciling import NOW, reconciler_of
from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.cluster.cache import FLEETS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.objects.actions import MOST_HANDED_OVER
from utilitarian_operator.core.observation.broker import BrokerSnapshot
from utilitarian_operator.errors import ClusterError, Rejected

OURS, OTHER = Key("ours", "fleet"), Key("other", "fleet")


def resource(key: Key) -> Object:
    spec = {"image": "i", "broker": {"urlFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}, "pools": []}
    kind = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool"}
    metadata = {"namespace": key.namespace, "name": key.name}
    return kind | {"metadata": metadata, "spec": spec | {"nonsense": 1}}


@pytest.mark.parametrize("failure", [ClusterError("no answer"), KeyError("what no code expects")], ids=type)
async def test_no_fleet_is_held_up_by_what_is_wrong_with_another(failure: Exception) -> None:
    store, cluster = Store(), FakeCluster(lambda: NOW)
    for key in (OURS, OTHER):
        store.see(FLEETS, await cluster.create(resource(key)))
    cluster.fails = lambda asked: failure if asked.namespace == OTHER.namespace else None
    assert await reconciler_of(cluster, store, FakeBroker()).reconcile(OURS)
    status = (await cluster.read("UtilitarianWorkerPool", *OURS))["status"]
    assert {it["reason"] for it in status["conditions"] if it["type"] == "Stalled"} == {"InvalidSpec"}


SECRET: Object = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"namespace": OURS.namespace, "name": "env"},
    "data": {"URL": "YW1xcDovL3JhYmJpdC8="},
}
POOLS = "pools: [{name: a, queues: [a], scaling: {min: 2}}, {name: b, queues: [b], scaling: {min: 2}}]"


class InterruptedBroker(FakeBroker):
    """While it is looked at, something happens."""

    async def look(self, queues: Sequence[str]) -> BrokerSnapshot:
        await self.happens()
        return await super().look(queues)

    async def happens(self) -> None:
        """Nothing, unless told otherwise."""


class World:
    """A resource that was never looked at."""

    def __init__(self) -> None:
        self.store, self.cluster, self.broker, self.now = Store(), FakeCluster(lambda: NOW), InterruptedBroker(), NOW
        self.reconciler = reconciler_of(self.cluster, self.store, self.broker, clock=lambda: self.now)

    async def write(self) -> Object:
        body = resources.resource(POOLS)
        body["metadata"] |= {"namespace": OURS.namespace}
        made = await self.cluster.create(body)
        self.store.see(FLEETS, made)
        return made

    async def delete(self, live: Object, *, told: bool = True) -> None:
        await self.cluster.delete(live)
        if told:
            gone = {**live["metadata"], "resourceVersion": str(int(live["metadata"]["resourceVersion"]) + 1)}
            self.store.see(FLEETS, {**live, "metadata": gone}, deleted=True)

    def made(self) -> list[str]:
        """Names of the Deployments that were asked for."""
        return [it.name for it in self.cluster.requests if it.verb == "create" and it.kind == "Deployment"]


async def goes_within_a_look(world: World, live: Object) -> None:
    world.broker.happens = lambda: world.delete(live)  # type: ignore[method-assign] # of this one


async def is_about_to_go_within_a_look(world: World, live: Object) -> None:
    async def happens() -> None:
        leaving = {"deletionTimestamp": "2026-11-23T12:00:00Z", "resourceVersion": "99"}
        world.store.see(FLEETS, {**live, "metadata": live["metadata"] | leaving})

    world.broker.happens = happens  # type: ignore[method-assign] # of this one


async def goes_after_the_first_object(world: World, live: Object) -> None:
    def fails(asked: Request) -> None:
        if asked.verb == "create" and asked.kind == "Deployment" and world.store.fleet(OURS):
            gone = {**live["metadata"], "resourceVersion": "99"}
            world.store.see(FLEETS, {**live, "metadata": gone}, deleted=True)

    world.cluster.fails = fails


async def may_not_be_read(world: World, live: Object) -> None:
    world.cluster.fails = lambda it: Rejected("forbidden") if (it.verb, it.kind) == ("read", live["kind"]) else None


async def went_without_a_word(world: World, live: Object) -> None:
    await world.delete(live, told=False)


@pytest.mark.parametrize(
    "goes, made",
    [
        pytest.param(None, 2, id="it stays"),
        pytest.param(may_not_be_read, 2, id="it stays and may not be read"),
        pytest.param(goes_within_a_look, 0, id="while its broker is looked at"),
        pytest.param(is_about_to_go_within_a_look, 0, id="it is about to go"),
        pytest.param(goes_after_the_first_object, 1, id="between two objects"),
        pytest.param(went_without_a_word, 0, id="as no watch has told"),
    ],
)
async def test_nothing_is_made_for_a_resource_that_has_gone(
    goes: Callable[[World, Object], Awaitable[None]] | None, made: int
) -> None:
    """Its workers would take tasks until Kubernetes has found out that they belong to nothing."""
    world = World()
    await world.cluster.create(SECRET)
    live = await world.write()
    if goes is not None:
        await goes(world, live)
    await world.reconciler.reconcile(OURS)
    assert len(world.made()) == made


async def test_a_resource_that_went_without_a_word_of_the_watch_is_forgotten_when_it_is_written() -> None:
    """Until then it holds its queues against others, and is looked at for ever."""
    world = World()
    live = await world.write()
    await world.delete(live, told=False)
    for _ in range(2):
        await world.reconciler.reconcile(OURS)
    assert world.store.fleets() == []
    await world.write()
    assert world.store.fleets() == [OURS]


@pytest.mark.parametrize(
    "failure, kind",
    [
        pytest.param(ClusterError("no answer"), "ClusterError", id="the API server"),
        pytest.param(KeyError("what no code expects"), "Unexpected", id="a fault of ours"),
    ],
)
async def test_a_fleet_at_which_no_look_succeeds_is_told_of_until_it_is_gone(failure: Exception, kind: str) -> None:
    """The alert on an operator that is blind for a fleet rests on its age, also after a restart."""
    world, registry = World(), CollectorRegistry()
    reconciler = reconciler_of(world.cluster, world.store, world.broker, registry)
    live = await world.write()
    world.cluster.fails = lambda asked: failure if asked.verb != "delete" else None
    with contextlib.suppress(KeyError):
        await reconciler.reconcile(OURS)
    where = {"namespace": OURS.namespace, "fleet": OURS.name}
    assert registry.get_sample_value("utilitarian_tick_age_seconds", where) is not None
    assert registry.get_sample_value("utilitarian_errors_total", {"kind": kind}) == 1
    await world.delete(live)
    assert await reconciler.reconcile(OURS)
    assert [it for metric in registry.collect() for it in metric.samples if "fleet" in it.labels] == []


async def test_it_says_of_which_fleet_it_may_have_sent_what_changes_something() -> None:
    """Where the process ends, only such a look is waited for long."""
    world = World()
    await world.cluster.create(SECRET)
    await world.write()
    during: dict[tuple[str, str], set[bool]] = {}

    def note(asked: Request) -> None:
        during.setdefault((asked.verb, asked.kind), set()).add(world.reconciler.acts(OURS))

    world.cluster.fails = note
    assert await world.reconciler.reconcile(OURS)
    assert during["read", "Secret"] == {False}
    assert during["create", "Deployment"] == during["patch", "UtilitarianWorkerPool"] == {True}
    assert not world.reconciler.acts(OURS)


async def test_a_new_fleet_is_handed_over_in_small_steps_each_object_once_and_then_not_written() -> None:
    """A look sends its requests one after the other, and no other look at the fleet is made meanwhile."""
    world = World()
    names = [f"p{number}" for number in range(14)]
    world.broker.place.declare(*names)
    body = resources.resource("pools: [" + ", ".join(f"{{name: {it}, queues: [{it}]}}" for it in names) + "]")
    body["metadata"] |= {"namespace": OURS.namespace}
    world.store.see(FLEETS, await world.cluster.create(body))
    await world.cluster.create(SECRET)

    async def objects_written() -> list[tuple[str, str, str]]:
        world.cluster.requests.clear()
        assert await world.reconciler.reconcile(OURS)
        writes = {"create", "apply", "patch"}
        kinds = {"Deployment", "PodDisruptionBudget"}
        return [(it.verb, it.kind, it.name) for it in world.cluster.requests if it.verb in writes and it.kind in kinds]

    made = await objects_written()
    assert len(made) == 2 * len(names)
    looks = [await objects_written() for _ in range(len(made) // MOST_HANDED_OVER)]
    assert {len(it) for it in looks} == {MOST_HANDED_OVER}
    handed_over = [it for look in looks for it in look]
    assert sorted(handed_over) == sorted(("patch", kind, name) for _, kind, name in made)
    assert [await objects_written() for _ in range(3)] == [[]] * 3


@pytest.mark.parametrize(
    "verb, kind, pool",
    [
        pytest.param("scale", "Deployment", {"scaling": {"min": 4}}, id="a number of workers"),
        pytest.param("delete", "PodDisruptionBudget", {"disruptionBudget": False}, id="the deletion of a budget"),
        pytest.param("delete", "PodDisruptionBudget", {"name": "c"}, id="the deletion of a removed pool's budget"),
    ],
)
async def test_what_a_policy_of_the_cluster_refuses_is_said_and_holds_up_nothing_else(
    verb: str, kind: str, pool: Object
) -> None:
    world = World()
    world.broker.place.declare("a", "b")
    await world.cluster.create(SECRET)
    live = await world.write()
    assert await world.reconciler.reconcile(OURS)
    world.cluster.fails = lambda it: (
        Rejected("HTTP 403: policy", "policy") if (it.verb, it.kind, it.name) == (verb, kind, "fleet-a") else None
    )
    pools = [live["spec"]["pools"][0] | pool, live["spec"]["pools"][1] | {"scaling": {"min": 3}}]
    world.store.see(FLEETS, await world.cluster.patch(live, {"spec": {"pools": pools}}))
    for _ in range(2):
        assert await world.reconciler.reconcile(OURS)
    status = (await world.cluster.read("UtilitarianWorkerPool", *OURS))["status"]
    assert status["observedGeneration"] == 2
    (stalled,) = (it for it in status["conditions"] if it["type"] == "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "Refused")
    assert "fleet-a" in stalled["message"]
    assert "policy" in stalled["message"]
    assert (await world.cluster.read("Deployment", OURS.namespace, "fleet-b"))["spec"]["replicas"] == 3


@pytest.mark.parametrize(
    "verb, kind, pool",
    [
        pytest.param("create", "Deployment", {"name": "a"}, id="what is to be made"),
        pytest.param("apply", "Deployment", {"env": [{"name": "X", "value": "1"}]}, id="a new template"),
        pytest.param("scale", "Deployment", {"scaling": {"min": 4}}, id="a number of workers"),
        pytest.param("delete", "PodDisruptionBudget", {"disruptionBudget": False}, id="the deletion of a budget"),
    ],
)
async def test_one_write_that_gets_no_answer_holds_up_nothing_else(verb: str, kind: str, pool: Object) -> None:
    """A webhook may hang for longer than the operator may wait; each look ended there, and the status stood still."""
    world = World()
    world.broker.place.declare("a", "b")
    await world.cluster.create(SECRET)
    live = await world.write()
    if verb != "create":
        for _ in range(4):
            assert await world.reconciler.reconcile(OURS)
            world.now += timedelta(seconds=6)
    hangs = (verb, kind, "fleet-a")
    world.cluster.fails = lambda it: ClusterError("no answer in time") if (it.verb, it.kind, it.name) == hangs else None
    pools = [live["spec"]["pools"][0] | pool, live["spec"]["pools"][1] | {"scaling": {"min": 3}}]
    world.store.see(FLEETS, await world.cluster.patch(live, {"spec": {"pools": pools}}))

    async def conditions() -> dict[str, Object]:
        assert await world.reconciler.reconcile(OURS)
        world.now += timedelta(seconds=6)
        found = (await world.cluster.read("UtilitarianWorkerPool", *OURS))["status"]["conditions"]
        return {it["type"]: it for it in found}

    assert (await conditions())["Stalled"]["status"] == "False", "it may be by chance"
    for _ in range(3):
        stalled = (await conditions())["Stalled"]
    assert (stalled["status"], stalled["reason"]) == ("True", "Refused")
    assert "no answer in time; the API server answers other requests" in stalled["message"]
    assert (await world.cluster.read("Deployment", OURS.namespace, "fleet-b"))["spec"]["replicas"] == 3
    world.cluster.fails = lambda _: None
    for _ in range(8):
        stalled = (await conditions())["Stalled"]
    assert stalled["status"] == "False", "it answers again"


async def test_an_api_server_that_answers_no_write_in_time_and_no_read_is_not_said_to_refuse() -> None:
    world = World()
    world.broker.place.declare("a", "b")
    await world.cluster.create(SECRET)
    await world.write()
    down = {"create", "apply", "scale", "delete", "patch"}
    failed = list[str]()

    def fails(it: Request) -> ClusterError | None:
        failed.extend([it.kind] if it.verb in down else [])
        away = it.verb in down or (it.kind == "UtilitarianWorkerPool" and bool(failed))
        return ClusterError("no answer in time") if away else None

    world.cluster.fails = fails
    assert not await world.reconciler.reconcile(OURS)
    assert failed == ["Deployment"], "it is not asked on"
