"""What becomes of a fleet's objects when its resource is deleted, on a real cluster."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from demo.bed import Bed
from demo.cluster import CLAIMS, DEPLOYMENTS, PODS, STATEFUL_SETS, Cluster
from demo.scenario import SECRET, environment, quickstart
from tests.support.waiting import wait_until

NAMESPACE = "e2e-deletion"
SOON = timedelta(seconds=90)


@pytest.fixture
def cluster(bed: Bed) -> Iterator[Cluster]:
    made = Cluster.of(bed, NAMESPACE)
    made.delete_namespace()
    made.wait_gone(120)
    made.make_namespace()
    made.make_secret(SECRET, environment(bed))
    try:
        yield made
    finally:
        made.delete_namespace()
        made.wait_gone(120)


def fleet_with_a_claim() -> dict[str, Any]:
    """One pool that keeps a worker, and a beat that keeps its schedule on a volume."""
    resource = quickstart()
    resource["spec"]["pools"] = [
        {"name": "one", "queues": ["utilitarian.tasks.default"], "scaling": {"min": 1}, "drainTimeout": "30s"}
    ]
    resource["spec"]["beat"] = {"storage": {"size": "10Mi"}}
    return resource


def names(cluster: Cluster, kind: str) -> set[str]:
    return {body["metadata"]["name"] for body in cluster.items(kind)}


def test_deleting_the_resource_takes_workers_and_beat_along_and_leaves_beats_claim(cluster: Cluster) -> None:
    cluster.make_fleet(fleet_with_a_claim())
    wait_until(
        lambda: any(body["status"].get("readyReplicas") for body in cluster.items(DEPLOYMENTS)),
        within=SOON,
        describe=lambda: cluster.items(PODS),
    )
    assert names(cluster, DEPLOYMENTS) == {"utilitarian-one"}
    assert names(cluster, STATEFUL_SETS) == {"utilitarian-beat"}
    wait_until(lambda: names(cluster, CLAIMS) == {"utilitarian-beat"}, within=SOON)
    for kind in (DEPLOYMENTS, STATEFUL_SETS):
        owners = [body["metadata"]["ownerReferences"] for body in cluster.items(kind)]
        assert [(owner[0]["kind"], owner[0]["controller"]) for owner in owners] == [("UtilitarianWorkerPool", True)]

    cluster.delete_fleet("utilitarian")

    wait_until(
        lambda: not (names(cluster, DEPLOYMENTS) | names(cluster, STATEFUL_SETS) | names(cluster, PODS)),
        within=SOON,
        describe=lambda: names(cluster, DEPLOYMENTS) | names(cluster, STATEFUL_SETS) | names(cluster, PODS),
    )
    assert names(cluster, CLAIMS) == {"utilitarian-beat"}
    assert cluster.fleet("utilitarian") is None
