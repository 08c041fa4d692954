"""Whose fleets those of a namespace are, on a cluster in memory: the next replica's, or the next operator's."""

import asyncio

import pytest

from tests.support.clocked_cluster import Machine, cluster_of
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.api.names import FLEETS_LEASE
from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.errors import LeaseUnsure
from utilitarian_operator.host import namespaces as namespaces_module
from utilitarian_operator.host.namespaces import LOOKED_AT_EACH_S, TERMS, Namespaces


async def _said(_namespace: str, _another: str, _lease: Object) -> None:
    """Nothing of it is looked at here."""


def namespaces(cluster: FakeCluster, machine: Machine, operator: str) -> Namespaces:
    return Namespaces(cluster, operator, _said, machine.seconds)


async def test_the_next_replica_of_the_same_operator_goes_on_at_once() -> None:
    machine = Machine()
    cluster = cluster_of(machine)
    assert await namespaces(cluster, machine, "first/uo").ours("metering")
    assert await namespaces(cluster, machine, "first/uo").ours("metering")


async def test_where_fleets_were_worked_on_a_lease_that_was_deleted_is_waited_for() -> None:
    machine = Machine()
    cluster = cluster_of(machine)
    first, second = namespaces(cluster, machine, "first/uo"), namespaces(cluster, machine, "second/uo")
    first.worked_on = second.worked_on = "metering".__eq__
    assert await second.ours("new"), "nobody has worked there"
    assert not await first.ours("metering")
    for _ in range(int(TERMS.duration_s / LOOKED_AT_EACH_S)):
        assert not await first.ours("metering")
        machine.now += LOOKED_AT_EACH_S
    assert await first.ours("metering")
    await cluster.delete(await cluster.read("Lease", "metering", FLEETS_LEASE))
    assert not await second.ours("metering")
    assert first.check("metering") > 0


async def test_a_first_look_waits_for_the_attempt_that_is_on_its_way() -> None:
    """A leader renews all that it finds as it begins: a look that did not wait would do nothing until the next tick."""
    asked, answers = asyncio.Event(), asyncio.Event()

    class Slow(FakeCluster):
        async def read(self, kind: str, namespace: str, name: str) -> Object:
            asked.set()
            await answers.wait()
            return await super().read(kind, namespace, name)

    async def waits(_: float) -> None:
        await asyncio.Event().wait()

    those = namespaces(Slow(), Machine(), "first/uo")
    renewing = asyncio.create_task(those.renew(lambda: ["metering"], waits))
    await asked.wait()
    look = asyncio.create_task(those.ours("metering"))
    answered, _ = await asyncio.wait([look], timeout=0)
    answers.set()
    assert await look
    assert not answered
    renewing.cancel()
    await asyncio.gather(renewing, return_exceptions=True)


async def test_a_namespace_whose_operator_is_gone_is_taken_after_its_lease() -> None:
    machine = Machine()
    cluster = cluster_of(machine)
    first, second = namespaces(cluster, machine, "first/uo"), namespaces(cluster, machine, "second/uo")
    assert await first.ours("metering")
    assert not await second.ours("metering")
    machine.now += TERMS.duration_s
    assert await second.ours("metering")
    machine.now += LOOKED_AT_EACH_S
    assert not await first.ours("metering")


async def test_a_namespace_that_was_given_back_is_free_at_once() -> None:
    machine = Machine()
    cluster = cluster_of(machine)
    first, second = namespaces(cluster, machine, "first/uo"), namespaces(cluster, machine, "second/uo")
    assert await first.ours("metering")
    await first.give_back()
    live = await cluster.read("Lease", "metering", FLEETS_LEASE)
    assert "holderIdentity" not in live["spec"]
    assert await second.ours("metering")


async def test_what_goes_wrong_with_one_namespace_keeps_no_other_from_being_renewed() -> None:
    class Odd(FakeCluster):
        async def read(self, kind: str, namespace: str, name: str) -> Object:
            if namespace == "odd":
                raise ValueError("nothing that was thought of")
            return await super().read(kind, namespace, name)

    async def ends(_: float) -> None:
        raise asyncio.CancelledError

    machine = Machine()
    those = namespaces(Odd(), machine, "first/uo")
    with pytest.raises(asyncio.CancelledError):
        await those.renew(lambda: ["metering", "odd", "test"], ends)
    assert those.check("metering") > 0
    assert those.check("test") > 0
    with pytest.raises(LeaseUnsure):
        those.check("odd")


@pytest.mark.parametrize("left_at", ["before its turn", "while it is asked for"])
async def test_a_namespace_that_is_left_while_all_are_renewed_stays_free(left_at: str) -> None:
    """Else its Lease is taken once more, by one that keeps nothing of it, and the next operator waits for its end."""
    machine, asked, answers = Machine(), asyncio.Event(), asyncio.Event()
    slow = "metering" if left_at == "while it is asked for" else "another"

    class Slow(FakeCluster):
        async def patch(self, live: ReadOnlyObject, change: ReadOnlyObject, subresource: str = "") -> Object:
            if live["metadata"]["namespace"] == slow and change["spec"]["holderIdentity"] and not answers.is_set():
                asked.set()
                await answers.wait()
            return await super().patch(live, change, subresource)

    async def waits(_: float) -> None:
        renewed.set()
        await asyncio.Event().wait()

    cluster, renewed = Slow(), asyncio.Event()
    those = namespaces(cluster, machine, "first/uo")
    names = ["another", "metering"]
    for name in names:
        assert await those.ours(name)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(namespaces_module, "AT_ONCE", 1)
        renewing = asyncio.create_task(those.renew(lambda: names, waits))
        await asyncio.wait_for(asked.wait(), 60)
        leaving = asyncio.create_task(those.leave("metering"))
        await asyncio.wait([leaving], timeout=0)
        answers.set()
        await asyncio.wait_for(asyncio.gather(leaving, renewed.wait()), 60)
    renewing.cancel()
    await asyncio.gather(renewing, return_exceptions=True)
    live = await cluster.read("Lease", "metering", FLEETS_LEASE)
    assert "holderIdentity" not in live["spec"]
    assert await namespaces(cluster, machine, "second/uo").ours("metering")
