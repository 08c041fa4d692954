"""Fleets that no operator works on are told of: by the Lease of their namespace, which is held by none or runs out."""

import asyncio
from typing import Any

from tests.support import resources
from utilitarian_operator.adapters.cluster.cache import FLEETS
from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.api.names import FLEETS_LEASE
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.errors import ClusterError
from utilitarian_operator.host.watched.chosen import Chosen
from utilitarian_operator.host.watched.unworked import BETWEEN_S, ROUND_EACH_S, Unworked

NAMESPACE = "metering"
SENTENCE = "no operator works on the fleets of namespace metering: its Lease utilitarian-fleets is not held"


class World:
    """A namespace with a fleet that is not chosen."""

    def __init__(self) -> None:
        self.cluster, self.chosen = FakeCluster(), Chosen("shard=a", elsewhere={NAMESPACE})
        self.events: list[tuple[str, Reason]] = []
        self.failed_count = 0
        self.unworked = Unworked(self.cluster, self.chosen, self.record, self)

    async def record(self, about: dict[str, Any], reason: Reason, note: str) -> None:
        assert note.startswith(SENTENCE)
        self.events.append((about["metadata"]["name"], reason))

    def failed(self, error: Exception) -> None:
        self.failed_count += str(error) == NAMESPACE

    async def make_fleet(self) -> dict[str, Any]:
        return await self.cluster.create(resources.resource() | {"metadata": {"namespace": NAMESPACE, "name": "u"}})

    async def lease(self, **spec: object) -> None:
        metadata = {"namespace": NAMESPACE, "name": FLEETS_LEASE}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        await self.cluster.apply(body, force=True)

    async def told(self) -> int:
        await self.unworked.look(NAMESPACE)
        return len(self.events)


async def test_a_namespace_is_told_of_once_when_its_lease_is_held_by_none_at_two_looks() -> None:
    world = World()
    await world.make_fleet()
    assert [await world.told() for _ in range(3)] == [0, 1, 1]
    assert world.events == [("u", Reason.NO_OPERATOR)]
    assert world.failed_count == 2
    assert [it.partition(";")[0] for it in world.unworked.notes()] == [SENTENCE]
    await world.lease(holderIdentity="system/b", renewTime="1")
    assert (await world.told(), world.unworked.notes()) == (1, [])


async def test_a_lease_that_is_renewed_is_held_and_one_that_is_not_renewed_is_held_by_none() -> None:
    world = World()
    await world.make_fleet()
    for renewed in ("1", "2", "3"):
        await world.lease(holderIdentity="system/b", renewTime=renewed)
        assert await world.told() == 0
    assert await world.told() == 1
    await world.lease(renewTime="3")  # given back
    assert (await world.told(), world.unworked.notes()) == (1, [])
    assert await world.told() == 2, "none took it"


async def test_without_a_fleet_or_an_answer_there_is_nothing_to_tell() -> None:
    world = World()
    fleet = await world.make_fleet()
    world.cluster.fails = lambda _: ClusterError("no answer")
    assert [await world.told() for _ in range(3)] == [0, 0, 0]
    world.cluster.fails = lambda _: None
    await world.cluster.delete(fleet)
    assert [await world.told() for _ in range(2)] == [0, 0]
    assert world.chosen.elsewhere == set()


async def test_what_was_seen_before_a_namespace_was_this_operators_tells_nothing_of_it_now() -> None:
    """It is given back at this moment: the next operator has a round to take it, and until then `/readyz` is right."""
    world = World()
    await world.make_fleet()
    assert [await world.told() for _ in range(2)] == [0, 1]
    world.chosen.see({"metadata": {"name": NAMESPACE, "resourceVersion": "5"}}, deleted=False)
    assert (await world.told(), world.unworked.notes()) == (1, []), "it is this operator's"
    world.chosen.see({"metadata": {"name": NAMESPACE, "resourceVersion": "6"}}, deleted=True)
    world.chosen.release(NAMESPACE)
    assert world.unworked.notes() == []
    failed = world.failed_count
    assert (await world.told(), world.failed_count, world.unworked.notes()) == (1, failed, [])
    assert await world.told() == 2, "none took it"


async def test_what_was_seen_before_all_fleets_of_a_namespace_were_deleted_tells_nothing_of_the_next_ones() -> None:
    world = World()
    fleet = await world.make_fleet()
    assert [await world.told() for _ in range(2)] == [0, 1]
    await world.cluster.delete(fleet)
    await world.told()
    world.chosen.takes(FLEETS, await world.make_fleet())
    assert world.unworked.notes() == []
    assert [await world.told() for _ in range(2)] == [1, 2]


async def test_a_namespace_that_is_chosen_while_its_lease_is_read_is_not_told_of() -> None:
    world = World()
    await world.make_fleet()
    await world.told()

    def is_chosen(request: Request) -> None:
        if request.kind == "Lease":
            world.chosen.see({"metadata": {"name": NAMESPACE, "resourceVersion": "5"}}, deleted=False)

    world.cluster.fails = is_chosen
    assert (await world.told(), world.failed_count) == (0, 0)


async def test_it_asks_once_a_second_at_most() -> None:
    world, slept = World(), list[float]()
    world.chosen.elsewhere |= {"another"}

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 4:
            raise asyncio.CancelledError

    running = asyncio.create_task(world.unworked.run(sleep))
    await asyncio.wait([running])
    assert running.cancelled()
    assert slept == [ROUND_EACH_S, BETWEEN_S, BETWEEN_S, ROUND_EACH_S]
    assert [it.namespace for it in world.cluster.requests if it.verb == "read"] == ["another", NAMESPACE]
