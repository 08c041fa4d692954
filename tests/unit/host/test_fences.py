"""Two operators that watch one namespace, on a cluster in memory: which of them may write there."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.clocked_cluster import Machine, cluster_of
from tests.support.examples import examples
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.errors import LeadershipLost, LeaseUnsure
from utilitarian_operator.host.fences import Fences
from utilitarian_operator.host.namespaces import LOOKED_AT_EACH_S, TERMS

NAME = "uo"


def fences(cluster: FakeCluster, machine: Machine, namespace: str, lease: str = NAME) -> Fences:
    return Fences(cluster, namespace, lease, "pod", machine.seconds)


def may_write(it: Fences) -> bool:
    try:
        return it.may_write("metering") > 0
    except (LeadershipLost, LeaseUnsure):
        return False


async def test_one_operator_a_namespace_of_fleets() -> None:
    machine = Machine()
    cluster = cluster_of(machine)
    first, second = fences(cluster, machine, "first"), fences(cluster, machine, "second")
    for it in (first, second):
        await it.leadership._lease.attempt()
    assert await first.namespaces.ours("metering")
    assert not await second.namespaces.ours("metering")
    assert first.may_write("metering") == pytest.approx(5.0)
    with pytest.raises(LeaseUnsure, match="held by first/uo"):
        second.may_write("metering")
    assert second.notes() == ["the fleets of namespace metering are left alone: first/uo works on them"]
    assert await second.namespaces.ours("billing")
    (event,) = [it for it in cluster.requests if it.kind == "Event"]
    assert event.namespace == "metering"
    assert event.body["reason"] == "NamespaceTaken"  # type: ignore[index]
    assert not await second.namespaces.ours("metering")
    assert len([it for it in cluster.requests if it.kind == "Event"]) == 1, "said once"


async def test_an_upgrade_that_gives_the_lease_another_name_waits_for_the_one_before() -> None:
    """Both lead, each by a Lease of its own; the one of the fleets' namespace keeps the newer one from writing."""
    machine = Machine()
    cluster = cluster_of(machine)
    old, new = (fences(cluster, machine, "system", name) for name in ("utilitarian-operator", "release"))
    for it in (old, new):
        await it.leadership._lease.attempt()
        await it.namespaces.ours("metering")
    assert (may_write(old), may_write(new)) == (True, False)
    assert new.notes() == ["the fleets of namespace metering are left alone: system/utilitarian-operator works on them"]
    await old.namespaces.give_back()  # it was told to end
    machine.now += LOOKED_AT_EACH_S
    await new.leadership._lease.attempt()
    assert await new.namespaces.ours("metering")
    assert (may_write(old), may_write(new)) == (False, True)


async def test_an_upgrade_after_the_one_before_was_killed_waits_for_its_lease() -> None:
    machine = Machine()
    cluster = cluster_of(machine)
    old, new = (fences(cluster, machine, "system", name) for name in ("utilitarian-operator", "release"))
    await old.namespaces.ours("metering")
    begun, took = machine.now, None
    while took is None:
        await new.leadership._lease.attempt()
        took = machine.now - begun if await new.namespaces.ours("metering") else None
        machine.now += LOOKED_AT_EACH_S
    assert TERMS.duration_s <= took <= TERMS.duration_s + LOOKED_AT_EACH_S


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.floats(0.0, 30.0),
            st.floats(0.0, 10.0),
            st.sampled_from(["renew", "renew", "look", "end", "down"]),
        ),
        max_size=60,
    )
)
def test_two_names_of_one_lease_never_write_at_once(steps: list[tuple[int, float, float, str]]) -> None:
    """Two releases with Leases of different names, one of them with two replicas: whatever is late, lost or ended."""
    machine = Machine()
    cluster = cluster_of(machine)
    names = ("utilitarian-operator", "release", "release")
    all_three = [fences(cluster, machine, "system", name) for name in names]

    async def play() -> None:
        for who, pause_s, late_s, what in steps:
            it = all_three[who]
            machine.now += pause_s
            machine.late_s, machine.down = iter([late_s]), what == "down"
            if what == "end":
                await it.leadership._lease.give_back()
                await it.namespaces.give_back()
            elif what != "look":
                await it.leadership._lease.attempt()
            if what != "end":
                await it.namespaces.ours("metering")
            assert sum(map(may_write, all_three)) <= 1

    asyncio.run(play())
