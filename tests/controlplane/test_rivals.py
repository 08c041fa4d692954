"""Whoever else works on the same objects, on a real API server: named, followed or left, and written against seldom."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.controlplane import APPLY_PATCH, MERGE_PATCH, ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import in_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian_operator.core.labels import MANAGER

SOON, STATUS_WRITTEN = timedelta(seconds=20), timedelta(seconds=60)
QUEUE = "utilitarian.tasks.default"
POOL: dict[str, Any] = {"name": "work", "queues": [QUEUE], "scaling": {"min": 2, "max": 5}}
OFF = {"enabled": False}


@pytest.fixture
def fleet(controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str) -> Iterator[Fleet]:
    """A fleet under a running operator; its queue exists and is empty, and its pods don't run."""
    rabbitmq.declare(vhost, QUEUE)
    found = Fleet(controlplane, namespace)
    found.create_secret(rabbitmq.amqp_url(vhost))
    with in_process(controlplane, namespace):
        yield found


def deployment_path(fleet: Fleet, more: str = "") -> str:
    return f"/apis/apps/v1/namespaces/{fleet.namespace}/deployments/fleet-work{more}"


def template_annotations(fleet: Fleet) -> dict[str, str]:
    live = fleet.deployment("work")
    assert live is not None
    annotations: dict[str, str] = live["spec"]["template"]["metadata"].get("annotations") or {}
    return annotations


def applied(fleet: Fleet) -> bool:
    """Whether the operator has looked at the Deployment that it made."""
    live = fleet.deployment("work")
    fields = [] if live is None else live["metadata"]["managedFields"]
    return any(it["manager"] == MANAGER and it["operation"] == "Apply" for it in fields)


def test_a_client_that_scales_a_deployment_again_and_again_is_named_and_not_fought(fleet: Fleet) -> None:
    fleet.create(None, pools=[POOL], beat=OFF)
    # What another writes before the operator's first look at its Deployment, it takes for what was there.
    wait_until(lambda: applied(fleet) and fleet.pool("work").get("replicas") == 2, within=SOON, describe=fleet.describe)
    for _ in range(3):
        wait_until(lambda: fleet.replicas("work") == 2, within=SOON, describe=fleet.describe)
        one = {"spec": {"replicas": 1}}
        fleet.controlplane.request("PATCH", deployment_path(fleet, "/scale?fieldManager=rival"), one, MERGE_PATCH)
    wait_until(
        lambda: (
            fleet.condition("Stalled")[:2] == ("True", "ReplicasTaken") and "rival" in fleet.condition("Stalled")[2]
        ),
        within=SOON,
        describe=lambda: (fleet.condition("Stalled"), fleet.describe()),
    )
    assert fleet.replicas("work") == 1
    assert fleet.pool("work")["trail"][-1]["rule"] == "contested"
    assert any(reason == "ReplicasTaken" for reason, _ in fleet.events())


def test_an_autoscaler_and_a_second_budget_are_named_in_the_advice(fleet: Fleet) -> None:
    at = f"/namespaces/{fleet.namespace}"
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fleet-work"}
    scaler = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3}
    scaler["metrics"] = [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    ]
    budget = {"maxUnavailable": 1, "selector": {"matchLabels": {"utilitarian.io/pool": "work"}}}
    for group, plural, kind, spec in (
        ("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", scaler),
        ("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", budget),
    ):
        body = {"apiVersion": group, "kind": kind, "metadata": {"name": "theirs"}, "spec": spec}
        fleet.controlplane.request("POST", f"/apis/{group}{at}/{plural}", body)
    fleet.create(None, pools=[POOL], beat=OFF)
    wait_until(
        lambda: (
            [it.partition(": ")[2].split(" ")[:2] for it in fleet.status().get("advice", [])]
            == [["HorizontalPodAutoscaler", "theirs"], ["PodDisruptionBudget", "theirs"]]
        ),
        within=STATUS_WRITTEN,
        describe=lambda: fleet.status().get("advice"),
    )


def test_a_restart_by_kubectl_and_another_clients_annotation_stay_when_the_template_changes(fleet: Fleet) -> None:
    fleet.create(None, pools=[POOL], beat=OFF)
    wait_until(lambda: fleet.replicas("work") == 2, within=SOON, describe=fleet.describe)
    fleet.controlplane.kubectl("rollout", "restart", "deployment/fleet-work", "-n", fleet.namespace)
    theirs = {"metadata": {"annotations": {"reloader/checksum": "1"}}}
    patch = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "fleet-work"},
        "spec": {"template": theirs},
    }
    fleet.controlplane.request("PATCH", deployment_path(fleet, "?fieldManager=reloader"), patch, APPLY_PATCH)
    kept = {"kubectl.kubernetes.io/restartedAt", "reloader/checksum"}
    assert kept <= template_annotations(fleet).keys()
    fleet.edit(env=[{"name": "ROUND", "value": "2"}])
    wait_until(lambda: "ROUND" in str(fleet.deployment("work")), within=SOON, describe=fleet.describe)
    assert kept <= template_annotations(fleet).keys()


def test_a_client_that_takes_a_field_again_is_answered_once_and_then_seldom(fleet: Fleet) -> None:
    fleet.create(None, pools=[POOL], beat=OFF)
    wait_until(lambda: fleet.replicas("work") == 2, within=SOON, describe=fleet.describe)

    def image() -> str:
        live = fleet.deployment("work")
        assert live is not None
        return str(live["spec"]["template"]["spec"]["containers"][0]["image"])

    def take(to: str) -> None:
        spec = {"template": {"spec": {"containers": [{"name": "worker", "image": to}]}}}
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "fleet-work"}, "spec": spec}
        fleet.controlplane.request(
            "PATCH", deployment_path(fleet, "?fieldManager=policy&force=true"), body, APPLY_PATCH
        )

    wait_until(lambda: applied(fleet), within=SOON, describe=fleet.describe)
    take("by-hand:1")
    wait_until(lambda: image() == "utilitarian:dev", within=SOON, describe=fleet.describe)
    take("by-hand:2")
    wait_until(
        lambda: any(
            "Deployment fleet-work is changed by another client" in it for it in fleet.status().get("advice", [])
        ),
        within=STATUS_WRITTEN,
        describe=lambda: fleet.status().get("advice"),
    )
    assert image() == "by-hand:2"


def test_what_a_backup_brings_back_with_a_dead_owner_is_made_anew_and_beats_claim_is_taken_over(fleet: Fleet) -> None:
    owner = {
        "apiVersion": "utilitarian.io/v1alpha1",
        "kind": "UtilitarianWorkerPool",
        "name": "fleet",
        "controller": True,
    }
    labels = {"app.kubernetes.io/managed-by": "utilitarian-operator", "app.kubernetes.io/instance": "fleet"}
    dead = [owner | {"uid": "00000000-0000-0000-0000-000000000000", "blockOwnerDeletion": True}]
    template = {"metadata": {"labels": {"app": "it"}}, "spec": {"containers": [{"name": "it", "image": "it"}]}}
    at = f"/namespaces/{fleet.namespace}"
    old = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "fleet-work", "labels": labels, "ownerReferences": dead},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "it"}}, "template": template},
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "fleet-beat", "labels": labels},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    kept = fleet.controlplane.request("POST", f"/api/v1{at}/persistentvolumeclaims", claim)
    made = fleet.controlplane.request("POST", f"/apis/apps/v1{at}/deployments", old)
    fleet.create(None, pools=[POOL])
    uid = fleet.read()["metadata"]["uid"]

    def owners() -> list[str]:
        live = fleet.deployment("work")
        return [] if live is None else [it["uid"] for it in live["metadata"].get("ownerReferences", [])]

    wait_until(lambda: owners() == [uid], within=STATUS_WRITTEN, describe=fleet.describe)
    live = fleet.deployment("work")
    assert live is not None
    assert live["metadata"]["uid"] != made["metadata"]["uid"]
    wait_until(fleet.beat, within=SOON, describe=fleet.describe)
    found = fleet.controlplane.request("GET", f"/api/v1{at}/persistentvolumeclaims/fleet-beat")
    assert found["metadata"]["uid"] == kept["metadata"]["uid"]
