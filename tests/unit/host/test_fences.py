"""Two operators that watch one namespace, on a cluster in memory: which of them may write there."""

import pytest

from tests.support.clocked_cluster import Machine, cluster_of
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.errors import LeaseUnsure
from utilitarian_operator.host.fences import Fences

NAME = "uo"


def fences(cluster: FakeCluster, machine: Machine, namespace: str) -> Fences:
    return Fences(cluster, namespace, NAME, "pod", machine.seconds)


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
