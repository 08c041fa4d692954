"""Whoever else works on the same objects, on a real API server: named, followed or left, and written against seldom."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.controlplane import APPLY_PATCH, MERGE_PATCH, ControlPlane
from tests.support.fleet import Fleet
from tests.support.mutating_webhook import MutatingWebhook, Patch
from tests.support.operator import Operator, in_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian_operator.core.labels import MANAGER

SOON, STATUS_WRITTEN = timedelta(seconds=20), timedelta(seconds=60)
THREE_WRITES = timedelta(seconds=120)
"""Of a HorizontalPodAutoscaler, which looks every fifteen seconds, on a slow machine."""
FULL_TURN = 20
"""Looks, one a second: more than an autoscaler's fifteen seconds, and than the ten after which a drift is mended."""
QUEUE = "utilitarian.tasks.default"
POOL: dict[str, Any] = {"name": "work", "queues": [QUEUE], "scaling": {"min": 2, "max": 5}}
OFF = {"enabled": False}
AUTOSCALERS = "horizontalpodautoscalers"


@pytest.fixture
def operator(controlplane: ControlPlane, namespace: str) -> Iterator[Operator]:
    with in_process(controlplane, namespace) as running:
        yield running


@pytest.fixture
def fleet(controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str, operator: Operator) -> Fleet:
    """A fleet under a running operator; its queue exists and is empty, and its pods don't run."""
    assert operator.healthy()
    rabbitmq.declare(vhost, QUEUE)
    found = Fleet(controlplane, namespace)
    found.create_secret(rabbitmq.amqp_url(vhost))
    return found


def looks(operator: Operator) -> float:
    """How often it has looked at its fleets."""
    return sum(value for name, value in operator.metrics().items() if "tick_duration_seconds_count" in name)


def wait_full_turn(operator: Operator, fleet: Fleet) -> None:
    before = looks(operator)
    wait_until(lambda: looks(operator) - before > FULL_TURN, within=STATUS_WRITTEN, describe=fleet.describe)


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


def test_a_real_autoscaler_has_the_number_after_three_writes_and_is_named(fleet: Fleet, operator: Operator) -> None:
    """Kubernetes' own controller, at its own pace of fifteen seconds: KEDA makes one of these, too."""
    fleet.create(None, pools=[POOL], beat=OFF)
    wait_until(lambda: applied(fleet) and fleet.pool("work").get("replicas") == 2, within=SOON, describe=fleet.describe)
    scaler = autoscaler(minReplicas=4, maxReplicas=6)
    fleet.controlplane.request("POST", f"/apis/autoscaling/v2/namespaces/{fleet.namespace}/{AUTOSCALERS}", scaler)

    def stalled() -> bool:
        status, reason, message = fleet.condition("Stalled")
        return (status, reason) == ("True", "ReplicasTaken") and "kube-controller-manager" in message

    wait_until(stalled, within=THREE_WRITES, describe=lambda: (fleet.condition("Stalled"), fleet.describe()))
    written = scale_writes(fleet)
    assert (fleet.replicas("work"), fleet.pool("work")["trail"][-1]["rule"]) == (4, "contested")
    assert [it for it in fleet.status()["advice"] if "HorizontalPodAutoscaler theirs" in it]
    wait_full_turn(operator, fleet)
    assert scale_writes(fleet) == written, "the operator has written the number again"


def autoscaler(**spec: Any) -> dict[str, Any]:
    """One that targets the pool's Deployment; it needs no metrics to bring the number within its bounds."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fleet-work"}
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    whole = {"scaleTargetRef": target, "metrics": [{"type": "Resource", "resource": cpu}], **spec}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "theirs"}} | {
        "spec": whole
    }


def scale_writes(fleet: Fleet) -> list[str]:
    """When each client has set the number last."""
    live = fleet.deployment("work")
    assert live is not None
    return [
        f"{it['manager']} {it.get('time')}"
        for it in live["metadata"]["managedFields"]
        if it.get("subresource") == "scale"
    ]


def test_an_autoscaler_and_a_second_budget_are_named_in_the_advice(fleet: Fleet) -> None:
    at = f"/namespaces/{fleet.namespace}"
    scaler = autoscaler(minReplicas=1, maxReplicas=3)
    selector = {"maxUnavailable": 1, "selector": {"matchLabels": {"utilitarian.io/pool": "work"}}}
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "theirs"}}
    fleet.controlplane.request("POST", f"/apis/autoscaling/v2{at}/{AUTOSCALERS}", scaler)
    fleet.controlplane.request("POST", f"/apis/policy/v1{at}/poddisruptionbudgets", {**budget, "spec": selector})
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


MIRROR = Patch("replace", "/spec/template/spec/containers/0/image", "mirror.example/utilitarian:dev")
SIDECAR = Patch("add", "/spec/template/spec/containers/-", {"name": "mesh", "image": "mesh:1"})
LABEL = Patch("add", "/spec/template/metadata/labels/mesh", "injected")
STRIPPED = Patch("remove", "/metadata/annotations/utilitarian.io~1applied")
GRACE = Patch("replace", "/spec/template/spec/terminationGracePeriodSeconds", 30)


@pytest.mark.parametrize(
    "patches,named",
    [
        pytest.param((MIRROR,), False, id="another registry"),
        pytest.param((SIDECAR, LABEL), False, id="an injected sidecar"),
        pytest.param((GRACE,), False, id="a shorter grace period"),
        pytest.param((STRIPPED,), True, id="a policy without foreign annotations"),
    ],
)
def test_a_webhook_that_changes_what_is_applied_is_no_reason_to_apply_it_again_and_again(
    patches: tuple[Patch, ...], fleet: Fleet, operator: Operator, tmp_path: Path, *, named: bool
) -> None:
    """A real server that the real API server calls; it counts what the operator sends."""
    with MutatingWebhook(fleet.controlplane, fleet.namespace, tmp_path, patches) as webhook:
        fleet.create(None, pools=[POOL], beat=OFF)
        wait_until(lambda: fleet.replicas("work") == 2, within=SOON, describe=fleet.describe)
        wait_full_turn(operator, fleet)
        written = webhook.writes(MANAGER)
        wait_full_turn(operator, fleet)
        assert webhook.writes(MANAGER) == written, "it writes against the webhook"
    assert 2 <= written <= 4, "what is made is applied once, and what had no effect once more"
    said = [it for it in fleet.status().get("advice", []) if "changed by another client or by a webhook" in it]
    assert bool(said) == named, fleet.status().get("advice")


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
