"""What a cluster shows of a beat that can't run: a claim without a volume, a node without an answer."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.controlplane import MERGE_PATCH, ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import in_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian_operator.api.patience import Patience

SOON = timedelta(seconds=20)
CLAIMS = "persistentvolumeclaims"
POD = "fleet-beat-0"


@pytest.fixture
def fleet(controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str) -> Iterator[Fleet]:
    """A fleet under a running operator, where no pods run and no volumes are made."""
    found = Fleet(controlplane, namespace)
    found.create_secret(rabbitmq.amqp_url(vhost))
    with in_process(controlplane, namespace, patience=Patience(beat_pending=timedelta(seconds=1))):
        yield found


def item(fleet: Fleet, method: str, kind: str, name: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    path = f"/api/v1/namespaces/{fleet.namespace}/{kind}/{name}"
    answer: dict[str, Any] = fleet.controlplane.request(method, path, body, MERGE_PATCH if body else "application/json")
    return answer


def wait_for(fleet: Fleet, reason: str) -> str:
    wait_until(lambda: fleet.condition("BeatReady")[1] == reason, within=SOON, describe=fleet.describe)
    return fleet.condition("BeatReady")[2]


def beats(fleet: Fleet) -> list[dict[str, Any]]:
    return fleet.controlplane.pods(fleet.namespace, "app.kubernetes.io/component=beat")


def create(fleet: Fleet, **spec: Any) -> None:
    fleet.create(None, **{"pools": [{"name": "work", "queues": ["utilitarian.tasks.default"]}], **spec})


def bind(fleet: Fleet, node: str) -> str:
    """Put beat's pod on a node; returns the pod's path."""
    path = f"/api/v1/namespaces/{fleet.namespace}/pods/{POD}"
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": POD}, "target": target}
    fleet.controlplane.request("POST", f"{path}/binding", binding)
    return path


def test_a_claim_that_waits_is_said_and_one_that_is_gone_is_made_again(fleet: Fleet) -> None:
    create(fleet)
    assert "the claim has waited for a volume" in wait_for(fleet, "VolumePending")
    assert "VolumePending" in dict(fleet.events())
    first = item(fleet, "GET", CLAIMS, "fleet-beat")
    item(fleet, "DELETE", CLAIMS, "fleet-beat")

    def again() -> bool:
        return any(
            it["metadata"]["uid"] != first["metadata"]["uid"]
            for it in fleet.controlplane.request("GET", f"/api/v1/namespaces/{fleet.namespace}/{CLAIMS}")["items"]
        )

    wait_until(again, within=SOON, describe=fleet.describe)


@pytest.mark.parametrize("csi,mode", [(True, "ReadWriteOncePod"), (False, "ReadWriteOnce")], ids=["CSI", "no CSI"])
def test_a_volume_is_for_one_pod_where_a_driver_serves_its_class(fleet: Fleet, *, csi: bool, mode: str) -> None:
    name = f"{fleet.namespace}.example"
    storage = "/apis/storage.k8s.io/v1"
    made = [(f"{storage}/storageclasses", {"metadata": {"name": name}, "provisioner": name})]
    if csi:
        made.append((f"{storage}/csidrivers", {"metadata": {"name": name}, "spec": {}}))
    for path, body in made:
        fleet.controlplane.request("POST", path, body)
    try:
        create(fleet, beat={"storage": {"storageClassName": name}})
        wait_until(lambda: ("Created", "PersistentVolumeClaim fleet-beat created") in fleet.events(), within=SOON)
        assert item(fleet, "GET", CLAIMS, "fleet-beat")["spec"]["accessModes"] == [mode]
    finally:
        for path, _ in made:
            fleet.controlplane.request("DELETE", f"{path}/{name}")


def test_a_node_that_does_not_answer_is_named_and_nothing_is_forced(fleet: Fleet) -> None:
    create(fleet, beat={"storage": {"ephemeral": True}})
    pod = wait_until(lambda: beats(fleet), within=SOON, describe=fleet.describe)[0]
    path = bind(fleet, "far-away")

    def seen(**conditions: str) -> None:
        states = [{"type": kind, "status": status} for kind, status in conditions.items()]
        body = {"status": {"phase": "Running", "conditions": states}}
        fleet.controlplane.request("PATCH", f"{path}/status", body, MERGE_PATCH)

    seen(Ready="True", ContainersReady="True")
    wait_for(fleet, "Running")
    # As Kubernetes' node controller has it when the node has been silent for 40 s.
    seen(Ready="False", ContainersReady="True")
    assert "node far-away doesn't answer" in wait_for(fleet, "BeatBlocked")
    assert "out-of-service" in dict(fleet.events())["BeatBlocked"]
    assert [it["metadata"]["uid"] for it in beats(fleet)] == [pod["metadata"]["uid"]]
    seen(Ready="True", ContainersReady="True")
    wait_for(fleet, "Running")
    wait_until(lambda: "BeatRecovered" in dict(fleet.events()), within=SOON, describe=fleet.describe)


def test_a_renamed_resource_has_its_beat_when_the_old_pod_has_ended(fleet: Fleet) -> None:
    """The old pod may need all of its grace: here it ends when it is told, since its node has no kubelet."""
    create(fleet)
    wait_until(lambda: beats(fleet), within=SOON, describe=fleet.describe)
    # Of a pod without a node the controllers say within 20 s of its deletion that it has ended, and it would be so.
    made = fleet.controlplane.request("POST", "/api/v1/nodes", {"metadata": {"generateName": "node-"}})
    node = made["metadata"]["name"]
    pod = bind(fleet, node)
    renamed = Fleet(fleet.controlplane, fleet.namespace, "renamed")
    renamed.create(None, pools=[{"name": "work", "queues": ["utilitarian.tasks.cleanup"]}])

    def waits() -> bool:
        return f"has ended, so that no task is sent twice: {POD}" in renamed.condition("BeatReady")[2]

    wait_until(waits, within=SOON, describe=renamed.describe)
    fleet.delete()
    wait_until(lambda: "deletionTimestamp" in item(fleet, "GET", "pods", POD)["metadata"], within=SOON)
    wait_until(lambda: fleet.beat() is None, within=SOON, describe=fleet.describe)
    changed = renamed.edit(env=[{"name": "ROUND", "value": "2"}])["metadata"]["generation"]
    wait_until(lambda: renamed.status().get("observedGeneration") == changed, within=SOON, describe=renamed.describe)
    assert renamed.beat() is None, "a whole look after the old StatefulSet had gone"
    fleet.controlplane.request("DELETE", pod, {"gracePeriodSeconds": 0})
    wait_until(renamed.beat, within=SOON, describe=renamed.describe)
    fleet.controlplane.request("DELETE", f"/api/v1/nodes/{node}")
