"""What is kept of each fleet: once a resource, through one session a broker, and nothing of one that is gone."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.lost_pods import pod
from tests.support.resources import resource
from utilitarian_operator.adapters.broker.bounded.brokers import Brokers
from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.adapters.broker.unreachable import UnreachableBroker
from utilitarian_operator.adapters.cluster.cache import FLEETS, PODS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.patience import PATIENCE
from utilitarian_operator.api.validation.pod_security import Allowances
from utilitarian_operator.core.blocker import QUEUE_TAKEN, SECRET_MISSING
from utilitarian_operator.core.engine import owner_of
from utilitarian_operator.core.look import Spec
from utilitarian_operator.core.spec.revisions import revision
from utilitarian_operator.errors import ClusterError, Rejected
from utilitarian_operator.reconcile import fleets
from utilitarian_operator.reconcile.act.accepted_specs import AGAIN_AFTER_S
from utilitarian_operator.reconcile.claims import LONGEST_DOUBT_S
from utilitarian_operator.reconcile.fleet_state import FleetState
from utilitarian_operator.reconcile.fleets import READ_AGAIN_S, TRIED_AGAIN_S, Fleets
from utilitarian_operator.reconcile.observe.credentials import READ_EVERY_S

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY = Key("ns", "fleet")
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"namespace": "ns", "name": "env"},
    "data": {"URL": "YW1xcDovL3JhYmJpdC8="},
}


class World:
    """An operator's fleets over a cluster in memory, with one resource."""

    def __init__(self, cluster: FakeCluster | None = None) -> None:
        self.cluster, self.store = cluster or FakeCluster(lambda: NOW), Store()
        self.sessions: dict[Credentials, FakeBroker] = {}
        self.forgotten: list[FleetState] = []
        self.passed_s = 0.0
        brokers = Brokers(lambda it: self.sessions.setdefault(it, FakeBroker()))
        self.fleets = Fleets(
            self.cluster, self.store, brokers, lambda: NOW, lambda: self.passed_s, self._forget, PATIENCE, Allowances()
        )

    async def _forget(self, known: FleetState) -> None:
        self.forgotten.append(known)

    async def write(self, *, queue: str = "q", broker: Object | None = None, **metadata: Any) -> Object:
        """Make the resource, as a watch then tells of it."""
        body = resource(f"pools: [{{name: a, queues: [{queue}]}}]")
        body["spec"]["broker"] |= broker or {}
        body["metadata"] |= {"namespace": "ns", "generation": 1, **metadata}
        made = await self.cluster.create(body)
        made["metadata"] |= {name: metadata[name] for name in ("creationTimestamp",) if name in metadata}
        self.store.see(FLEETS, made)
        present = self.fleets.present(Key(made["metadata"]["namespace"], made["metadata"]["name"]))
        assert present is not None
        return present

    async def ready(self, namespace: str, queue: str = "q") -> FleetState:
        """A resource with its Secret, as far as it is known before it was looked at."""
        await self.cluster.create(SECRET | {"metadata": {"namespace": namespace, "name": "env"}})
        there = await self.write(namespace=namespace, queue=queue)
        return await self.fleets.known(Key(namespace, "fleet"), there)


async def settle() -> None:
    """What was begun beside the looks goes on as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_resource_that_is_about_to_go_is_not_there() -> None:
    world = World()
    assert world.fleets.present(KEY) is None
    there = await world.write()
    gone = {**there, "metadata": there["metadata"] | {"deletionTimestamp": "2026-11-23T12:00:00Z"}}
    gone["metadata"]["resourceVersion"] = "99"
    world.store.see(FLEETS, gone)
    assert world.fleets.present(KEY) is None


async def test_one_resource_is_kept_once_and_another_of_its_name_anew() -> None:
    world = World()
    there = await world.write()
    first = await world.fleets.known(KEY, there)
    assert await world.fleets.known(KEY, there) is first
    await world.cluster.delete(there)
    another = await world.fleets.known(KEY, await world.write())
    assert another is not first
    assert world.forgotten == [first]


async def test_a_broker_without_its_secret_sees_nothing_and_says_why() -> None:
    world = World()
    known = await world.fleets.known(KEY, await world.write())
    spec, _ = await world.fleets.spec(known)
    assert spec.newest.fleet is not None
    broker, spec = await world.fleets.broker(known, spec.newest.fleet, spec)
    assert isinstance(broker, UnreachableBroker)
    assert [it.reason for it in spec.blockers] == [SECRET_MISSING]


async def test_a_secret_that_two_fields_name_is_missing_once() -> None:
    world = World()
    same = resource("image: u:1")["spec"]["broker"]["urlFrom"]
    known = await world.fleets.known(KEY, await world.write(broker={"stats": {"urlFrom": same}}))
    spec, _ = await world.fleets.spec(known)
    assert spec.newest.fleet is not None
    _, spec = await world.fleets.broker(known, spec.newest.fleet, spec)
    assert len(spec.blockers) == 1


async def test_a_session_is_closed_when_its_resource_is_gone() -> None:
    world = World()
    await world.cluster.create(SECRET)
    known = await world.fleets.known(KEY, await world.write())
    spec, _ = await world.fleets.spec(known)
    assert spec.running is not None
    assert spec.running.fleet is not None
    broker, spec = await world.fleets.broker(known, spec.running.fleet, spec)
    assert (spec.blockers, list(world.sessions.values())) == ((), [broker])
    await world.fleets.forget(KEY)
    assert [it.closed for it in world.sessions.values()] == [True]
    await world.fleets.forget(KEY)  # it is forgotten once
    assert world.forgotten == [known]


class SilentCluster(FakeCluster):
    """An API server that answers nothing about some namespaces until it is told to."""

    def __init__(self, silent: str) -> None:
        super().__init__(lambda: NOW)
        self.silent, self.answers = silent, asyncio.Event()

    async def read(self, kind: str, namespace: str, name: str) -> Object:
        await self._answered(namespace)
        return await super().read(kind, namespace, name)

    async def items(
        self, plural: str, namespace: str | None, selector: str = "", limit: int | None = None, fields: str = ""
    ) -> tuple[list[Object], int]:
        await self._answered(namespace or "")
        return await super().items(plural, namespace, selector, limit, fields)

    async def _answered(self, namespace: str) -> None:
        if namespace.startswith(self.silent):
            await self.answers.wait()


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """First looks wait for others for a moment alone."""
    monkeypatch.setattr(fleets, "LOOKS_AROUND_FOR_S", 0.05)


@pytest.mark.usefixtures("briefly")
async def test_a_slow_answer_about_one_namespace_holds_up_no_fleet_of_another() -> None:
    world = World(SilentCluster("slow"))
    for number in range(3):
        await world.write(namespace=f"slow-{number}", name="fleet")
    others = [await world.ready(f"ns-{number}", f"q{number}") for number in range(5)]
    async with asyncio.timeout(5):
        looked = await asyncio.gather(*(world.fleets.spec(it) for it in others))
        again = await asyncio.gather(*(world.fleets.spec(it) for it in others))
    # A new spec waits to know whose its queues are, as it does where brokers are silent; then it runs.
    assert [(spec.running, spec.doubted) for spec, _ in (*looked, *again)] == [(None, True)] * 10
    world.passed_s += LONGEST_DOUBT_S
    spec, _ = await world.fleets.spec(others[0])
    assert spec.running is not None
    spec, _ = await world.fleets.spec(others[0])
    assert (spec.running is spec.newest, spec.doubted) == (True, False)


@pytest.mark.usefixtures("briefly")
async def test_what_was_read_late_counts_from_then_on() -> None:
    cluster = SilentCluster("slow")
    world = World(cluster)
    older = await world.write(namespace="slow", name="older", creationTimestamp="2026-11-23T11:00:00Z")
    await cluster.create(SECRET | {"metadata": {"namespace": "slow", "name": "env"}})
    await cluster.create(revision(owner_of(older), 1, older["spec"]))
    newer = await world.ready("ns")
    assert (await world.fleets.spec(newer))[0].doubted
    cluster.answers.set()
    await settle()
    spec, _ = await world.fleets.spec(newer)
    assert (spec.running, spec.doubted) == (None, False)
    assert [it.reason for it in spec.blockers] == [QUEUE_TAKEN]


@pytest.mark.usefixtures("briefly")
async def test_a_fleet_that_went_while_it_was_read_claims_nothing() -> None:
    cluster = SilentCluster("slow")
    world = World(cluster)
    slow = await world.write(namespace="slow", name="fleet")
    await cluster.create(SECRET | {"metadata": {"namespace": "slow", "name": "env"}})
    ours = await world.ready("ns")
    await world.fleets.spec(ours)
    world.store.see(FLEETS, slow, deleted=True)
    await world.fleets.forget(Key("slow", "fleet"))
    cluster.answers.set()
    await settle()
    spec, _ = await world.fleets.spec(ours)
    assert spec.running is not None
    assert spec.blockers == ()


async def test_what_another_operators_fleet_claims_is_read_anew_now_and_then_and_never_forgotten_meanwhile() -> None:
    world = World()
    theirs = Key("theirs", "fleet")
    older = await world.write(namespace="theirs", name="fleet", creationTimestamp="2026-11-23T11:00:00Z")
    await world.cluster.create(SECRET | {"metadata": {"namespace": "theirs", "name": "env"}})
    await world.cluster.create(revision(owner_of(older), 1, older["spec"]))
    ours = await world.ready("ns")

    async def taken() -> bool:
        await world.fleets.leave(theirs)
        spec, _ = await world.fleets.spec(ours)
        return any(it.reason == QUEUE_TAKEN for it in spec.blockers)

    def requests() -> int:
        return sum(it.namespace == "theirs" for it in world.cluster.requests)

    assert await taken()
    before = requests()
    assert [await taken() for _ in range(5)] == [True] * 5
    assert requests() == before
    world.passed_s += READ_AGAIN_S
    assert await taken()
    await settle()
    assert requests() > before
    world.store.see(FLEETS, older, deleted=True)
    assert not await taken()


async def test_a_new_spec_waits_for_what_could_not_be_read_of_a_fleet_that_may_have_its_queues() -> None:
    """As when the API server is restarted with the operator: one answer that fails gives no queue away."""
    world = World()
    older = await world.write(namespace="theirs", name="fleet", creationTimestamp="2026-11-23T11:00:00Z")
    await world.cluster.create(SECRET | {"metadata": {"namespace": "theirs", "name": "env"}})
    await world.cluster.create(revision(owner_of(older), 1, older["spec"]))
    ours = await world.ready("ns")
    world.cluster.fails = lambda asked: ClusterError("HTTP 503") if asked.namespace == "theirs" else None

    def asked() -> int:
        return sum(it.namespace == "theirs" and it.verb == "items" for it in world.cluster.requests)

    for _ in range(5):
        spec, _ = await world.fleets.spec(ours)
        assert (spec.running, spec.doubted) == (None, True)
    assert asked() == 1, "it is not asked for at each look"
    world.cluster.fails = lambda _: None
    world.passed_s += TRIED_AGAIN_S
    await world.fleets.spec(ours)
    await settle()
    spec, _ = await world.fleets.spec(ours)
    assert (spec.running, spec.doubted) == (None, False)
    assert [it.reason for it in spec.blockers] == [QUEUE_TAKEN]


async def test_a_new_spec_does_not_wait_for_ever_for_what_can_not_be_read() -> None:
    world = World()
    await world.write(namespace="theirs", name="fleet")
    ours = await world.ready("ns")
    world.cluster.fails = lambda asked: ClusterError("HTTP 503") if asked.namespace == "theirs" else None
    await world.fleets.spec(ours)
    world.passed_s += LONGEST_DOUBT_S
    await world.fleets.spec(ours)
    spec, _ = await world.fleets.spec(ours)
    assert spec.running is not None


def _forbidden(world: World) -> None:
    world.cluster.fails = lambda it: (
        Rejected("HTTP 403", "forbidden") if it.kind == "Secret" and it.namespace == "ns" else None
    )


def _unanswered(world: World) -> None:
    world.cluster.fails = lambda it: ClusterError("HTTP 503") if it.kind == "Secret" and it.namespace == "ns" else None


async def with_one_that_runs() -> World:
    """A world in which another resource of the same queue runs."""
    world = World()
    older = await world.write(namespace="shop", name="fleet", creationTimestamp="2026-11-23T11:00:00Z")
    await world.cluster.create(SECRET | {"metadata": {"namespace": "shop", "name": "env"}})
    await world.cluster.create(revision(owner_of(older), 1, older["spec"]))
    await world.fleets.spec(await world.fleets.known(Key("shop", "fleet"), older))
    return world


@pytest.mark.parametrize(
    "away, why",
    [
        pytest.param(lambda _: None, "Secret ns/env does not exist; create it", id="not there"),
        pytest.param(_forbidden, "let the operator read it", id="forbidden"),
        pytest.param(_unanswered, "gives no answer about its Secret", id="no answer"),
    ],
)
async def test_a_new_resource_whose_secret_is_away_waits_where_another_runs_on_its_queues(
    away: Callable[[World], None], why: str
) -> None:
    """Its workers would start with its Secret, before it is known whose the queues are."""
    world = await with_one_that_runs()
    known = await world.fleets.known(KEY, await world.write())
    away(world)
    await world.fleets.spec(known)
    world.passed_s += LONGEST_DOUBT_S
    spec, _ = await world.fleets.spec(known)
    assert spec.running is None
    (said,) = spec.blockers
    assert said.reason == SECRET_MISSING
    assert why in said.message
    assert "shop/fleet may have q" in said.message
    world.cluster.fails = lambda _: None
    await world.cluster.create(SECRET)
    world.passed_s += 60
    spec, _ = await world.fleets.spec(known)
    assert (spec.running, [it.reason for it in spec.blockers]) == (None, [QUEUE_TAKEN])


async def test_a_new_resource_whose_secret_is_away_runs_where_no_other_names_its_queues() -> None:
    world = await with_one_that_runs()
    known = await world.fleets.known(KEY, await world.write(queue="own"))
    await world.fleets.spec(known)
    spec, _ = await world.fleets.spec(known)
    assert spec.running is spec.newest
    # A Secret that comes within a look counts from the next one on, when it is known what others have.
    await world.cluster.create(SECRET)
    assert spec.newest.fleet is not None
    broker, _ = await world.fleets.broker(known, spec.newest.fleet, spec)
    assert isinstance(broker, UnreachableBroker)
    spec, _ = await world.fleets.spec(known)
    broker, _ = await world.fleets.broker(known, spec.newest.fleet, spec)
    assert not isinstance(broker, UnreachableBroker)


@pytest.mark.parametrize(
    "queue, moves, runs",
    [
        pytest.param("q", False, False, id="a queue that another runs on"),
        pytest.param("mine", True, True, id="another broker, and no queue of another's"),
        pytest.param("mine", False, True, id="nothing but the image"),
    ],
)
async def test_an_edit_waits_while_it_is_not_known_whether_another_has_what_it_adds(
    queue: str, moves: bool, runs: bool
) -> None:
    world = await with_one_that_runs()
    before = await world.write(queue="mine")
    await world.cluster.create(revision(owner_of(before), 1, before["spec"]))
    spec = {**before["spec"], "image": "new:2", "pools": [{"name": "a", "queues": [queue]}]}
    if moves:
        spec["broker"] = {"urlFrom": {"secretKeyRef": {"name": "other", "key": "URL"}}}
    version = str(int(before["metadata"]["resourceVersion"]) + 100)
    edited = {**before, "spec": spec, "metadata": before["metadata"] | {"generation": 2, "resourceVersion": version}}
    world.store.see(FLEETS, edited)
    _forbidden(world)
    there = world.fleets.present(KEY)
    assert there is not None
    known = await world.fleets.known(KEY, there)
    await world.fleets.spec(known)
    found, _ = await world.fleets.spec(known)
    assert (found.running is found.newest) == runs
    assert any("the last accepted spec keeps running, since" in it.message for it in found.blockers) != runs


async def test_whether_all_is_known_is_not_looked_up_again_unless_something_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    known = [await world.ready(f"ns-{number}", f"q{number}") for number in range(5)]
    for it in (*known, *known):
        await world.fleets.spec(it)
    asked: list[Key] = []
    present = world.fleets.present

    def noting(key: Key) -> Object | None:
        asked.append(key)
        return present(key)

    monkeypatch.setattr(world.fleets, "present", noting)
    for it in known:
        await world.fleets.spec(it)
    assert not asked
    await world.write(namespace="late", queue="q0")
    await world.fleets.spec(known[0])
    assert Key("late", "fleet") in asked


async def looked(world: World, known: FleetState) -> Spec:
    """What is asked for, after a look through the broker."""
    spec, _ = await world.fleets.spec(known)
    if spec.running is not None and spec.running.fleet is not None:
        broker, spec = await world.fleets.broker(known, spec.running.fleet, spec)
        await broker.look([])
    return spec


async def edited(world: World, _: FleetState) -> None:
    there = await world.cluster.read("UtilitarianWorkerPool", *KEY)
    changed = await world.cluster.patch(there, {"spec": {"image": "new"}})
    world.store.see(FLEETS, changed)
    present = world.fleets.present(KEY)
    assert present is not None
    await world.fleets.known(KEY, present)


async def claimed_by_another(world: World, _: FleetState) -> None:
    await looked(world, await world.ready("other"))


async def due_again(world: World, _: FleetState) -> None:
    world.passed_s += READ_EVERY_S


async def read_again(_: World, known: FleetState) -> None:
    known.parts.credentials.refused()


@pytest.mark.parametrize("news", [edited, claimed_by_another, due_again, read_again])
async def test_what_is_asked_for_is_found_out_again_where_something_may_be_another(
    news: Callable[[World, FleetState], Awaitable[None]],
) -> None:
    world = World()
    known = await world.ready("ns")
    for _ in range(3):
        before = await looked(world, known)
    assert await looked(world, known) is before
    await news(world, known)
    assert await looked(world, known) is not before


async def test_where_another_may_have_a_queue_it_is_found_out_at_each_look() -> None:
    world = World()
    known, other = await world.ready("ns"), await world.ready("other")
    for _ in range(4):
        before, _ = await looked(world, known), await looked(world, other)
    assert await looked(world, known) is not before


async def test_of_a_fleet_that_is_left_no_pod_is_kept_that_has_gone() -> None:
    world = World()
    await world.write()
    lost = pod()
    lost["metadata"]["labels"] = {"app.kubernetes.io/instance": KEY.name}
    before = world.store.room.taken
    world.store.see(PODS, lost, deleted=True)
    assert world.store.room.taken > before
    await world.fleets.leave(KEY)
    assert world.store.room.taken == before


async def test_what_ran_before_goes_on_also_where_it_might_not_be_read_at_the_start() -> None:
    """The operator's rights come into force a moment after it, and the resource has a mistake meanwhile."""
    world = World()
    made = await world.write()
    await world.cluster.create(SECRET)
    await world.cluster.create(revision(owner_of(made), 1, made["spec"]))
    wrong = made | {"spec": made["spec"] | {"maxWorkers": -1}, "metadata": made["metadata"] | {"generation": 2}}
    world.store.see(FLEETS, wrong)
    world.cluster.fails = _no_records
    specs = []
    for passed_s in (0.0, AGAIN_AFTER_S, 2 * AGAIN_AFTER_S):
        world.passed_s = passed_s
        resource = world.fleets.present(KEY)
        assert resource is not None
        spec, _ = await world.fleets.spec(await world.fleets.known(KEY, resource))
        specs.append(None if spec.running is None else spec.running.generation)
        world.cluster.fails = lambda _: None
    assert specs == [None, 1, 1]


def _no_records(asked: Request) -> Exception | None:
    return Rejected("forbidden") if asked.verb == "items" else None
