"""Several operators on one real API server: which of them works on a namespace of fleets, and what the others say."""

from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from tests.support.controlplane import ControlPlane
from tests.support.operator import in_process
from tests.support.waiting import wait_until
from utilitarian_operator.api.names import FLEETS_LEASE
from utilitarian_operator.host import leadership, namespaces
from utilitarian_operator.host.lease import Terms
from utilitarian_operator.host.watched import unworked

SOON = timedelta(seconds=60)
MERGE = "application/merge-patch+json"


@pytest.fixture(autouse=True)
def short_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one operator has worked, the next one waits for as long as a Lease lasts that isn't there."""
    monkeypatch.setattr(leadership, "TERMS", Terms(duration_s=2, margin_s=0.5, request_within_s=1.0))


def holder(controlplane: ControlPlane, namespace: str) -> Any:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{FLEETS_LEASE}"
    return controlplane.request("GET", path)["spec"].get("holderIdentity")


FLEET = {
    "apiVersion": "utilitarian.io/v1alpha1",
    "kind": "UtilitarianWorkerPool",
    "metadata": {"name": "u"},
    "spec": {"image": "u:1", "broker": {"urlFrom": {"secretKeyRef": {"name": "none", "key": "URL"}}}},
}


def path_in(namespace: str) -> str:
    return f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/utilitarianworkerpools"


def has_conditions(controlplane: ControlPlane, namespace: str) -> bool:
    return "conditions" in controlplane.request("GET", f"{path_in(namespace)}/u").get("status", {})


@pytest.mark.parametrize(
    "everywhere",
    [(), ("second",), ("first",)],
    ids=["both watch it by name", "the second watches all namespaces", "the first watches all namespaces"],
)
def test_the_second_on_a_namespace_says_so_and_writes_nothing(
    controlplane: ControlPlane, namespace: str, everywhere: tuple[str, ...]
) -> None:
    first, second = (() if name in everywhere else (namespace,) for name in ("first", "second"))
    with in_process(controlplane, *first, lease_namespace=namespace, lease="first", instance="one"):
        controlplane.request("POST", path_in(namespace), FLEET)
        wait_until(lambda: has_conditions(controlplane, namespace), within=SOON)
        with in_process(controlplane, *second, lease_namespace=namespace, lease="second", instance="two") as other:
            left = f"the fleets of namespace {namespace} are left alone: {namespace}/first works on them"
            wait_until(lambda: left in other.readiness(), within=SOON, describe=other.readiness)

            def told() -> list[tuple[str, str]]:
                events = controlplane.request("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")["items"]
                ours = [it for it in events if it.get("reportingInstance") == "two"]
                return [(it["reason"], it["regarding"]["name"]) for it in ours]

            # It is in /readyz before the event is written.
            wait_until(lambda: told() == [("NamespaceTaken", FLEETS_LEASE)], within=SOON, describe=told)
            assert holder(controlplane, namespace) == f"{namespace}/first"
    assert holder(controlplane, namespace) is None


def test_two_releases_in_one_namespace_work_side_by_side_on_namespaces_of_their_own(
    controlplane: ControlPlane, namespace: str
) -> None:
    watched = {name: f"{namespace}-{name}" for name in ("first", "second")}
    for of_fleets in watched.values():
        controlplane.request("POST", "/api/v1/namespaces", {"metadata": {"name": of_fleets}})
        controlplane.request("POST", path_in(of_fleets), FLEET)
    with ExitStack() as stack:
        operators = {
            name: stack.enter_context(
                in_process(controlplane, of_fleets, lease_namespace=namespace, lease=name, instance=name)
            )
            for name, of_fleets in watched.items()
        }
        for name, of_fleets in watched.items():
            wait_until(lambda of_fleets=of_fleets: has_conditions(controlplane, of_fleets), within=SOON)
            wait_until(lambda name=name: operators[name].readiness() == "ok\n", within=SOON)
            assert holder(controlplane, of_fleets) == f"{namespace}/{name}"


def told_in(controlplane: ControlPlane, namespace: str) -> list[tuple[str, str]]:
    events = controlplane.request("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")["items"]
    return [(it["reason"], it["regarding"]["name"]) for it in events]


def test_namespaces_are_shared_by_their_labels_and_one_that_gets_another_label_changes_hands(
    controlplane: ControlPlane, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds the Lease of a namespace is the only one that writes there; what no label chooses is told of."""
    monkeypatch.setattr(namespaces, "RENEWED_EACH_S", 0.5)
    monkeypatch.setattr(unworked, "ROUND_EACH_S", 3.0)
    shards = {shard: f"{namespace}-{shard}" for shard in ("a", "b", "none")}
    for shard, of_fleets in shards.items():
        labels = {"shard": shard, "of": namespace}
        controlplane.request("POST", "/api/v1/namespaces", {"metadata": {"name": of_fleets, "labels": labels}})
        controlplane.request("POST", path_in(of_fleets), FLEET)
    moves = shards["a"]
    with ExitStack() as stack:
        operators = {
            shard: stack.enter_context(
                in_process(
                    controlplane,
                    namespace_selector=f"of={namespace},shard={shard}",
                    lease_namespace=namespace,
                    lease=shard,
                    instance=shard,
                )
            )
            for shard in ("a", "b")
        }

        def holders() -> list[Any]:
            return [holder(controlplane, shards[shard]) for shard in operators]

        for shard in operators:
            wait_until(lambda shard=shard: has_conditions(controlplane, shards[shard]), within=SOON)
        assert holders() == [f"{namespace}/a", f"{namespace}/b"]
        left = f"no operator works on the fleets of namespace {shards['none']}"
        for operator in operators.values():
            wait_until(lambda operator=operator: left in operator.readiness(), within=SOON, describe=operator.readiness)
        assert ("NoOperator", "u") in told_in(controlplane, shards["none"])
        assert not has_conditions(controlplane, shards["none"])

        label = {"metadata": {"labels": {"shard": "b"}}}
        controlplane.request("PATCH", f"/api/v1/namespaces/{moves}", label, MERGE)
        wait_until(lambda: holder(controlplane, moves) == f"{namespace}/b", within=SOON)
        # It looks as the one before did, so an edit shows that it does.
        controlplane.request("PATCH", f"{path_in(moves)}/u", {"spec": {"image": "u:2"}}, MERGE)
        generation = controlplane.request("GET", f"{path_in(moves)}/u")["metadata"]["generation"]

        def observed() -> Any:
            return controlplane.request("GET", f"{path_in(moves)}/u")["status"].get("observedGeneration")

        wait_until(lambda: observed() == generation, within=SOON, describe=observed)
        assert "NamespaceTaken" not in dict(told_in(controlplane, moves)), "it only changed hands"
