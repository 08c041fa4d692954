"""Pods that a real API server doesn't let the ReplicaSet make, and pods that find no node: said, and not answered."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.controlplane import MERGE_PATCH, ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import in_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.times import ago
from tests.support.waiting import wait_until
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.validation.pod_security import Allowances

SOON = timedelta(seconds=30)
QUEUE = "utilitarian.tasks.default"
# A worker a task, so that each message is worth a worker.
WORK = {
    "name": "work",
    "queues": [QUEUE],
    "worker": {"concurrency": 1},
    "scaling": {"taskDuration": "10m", "drainWithin": "10m", "max": 5},
}


@pytest.fixture
def fleet(controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str) -> Iterator[Fleet]:
    """A fleet under a running operator, not created yet; its queue has two messages, and its pods don't run."""
    rabbitmq.declare(vhost, QUEUE)
    rabbitmq.publish(vhost, QUEUE, ["{}"] * 2)
    found = Fleet(controlplane, namespace)
    found.create_secret(rabbitmq.amqp_url(vhost))
    with in_process(controlplane, namespace, allowances=Allowances.read(["serviceAccountName"])):
        yield found


def create(fleet: Fleet, **pool: Any) -> None:
    fleet.create(None, pools=[{**WORK, **pool}], beat={"enabled": False})


def write(fleet: Fleet, method: str, path: str, body: Object) -> None:
    content = MERGE_PATCH if method == "PATCH" else "application/json"
    fleet.controlplane.request(method, f"/api/v1/namespaces/{fleet.namespace}{path}", body, content)


def not_ready(fleet: Fleet, reason: str, *parts: str) -> None:
    def is_so() -> bool:
        found = fleet.condition("Ready")
        return found[:2] == ("False", reason) and all(part in found[2] for part in parts)

    wait_until(is_so, within=SOON, describe=lambda: (fleet.condition("Ready"), fleet.describe()))
    assert fleet.pool("work")["reason"] == reason


def ready(fleet: Fleet, pods: int) -> None:
    def is_so() -> bool:
        return fleet.condition("Ready")[0] == "True" and len(fleet.pods("work")) == pods

    wait_until(is_so, within=SOON, describe=lambda: (fleet.condition("Ready"), fleet.describe()))


def test_a_quota_is_named_and_no_more_workers_are_asked_for(fleet: Fleet, rabbitmq: RabbitMQ, vhost: str) -> None:
    write(fleet, "POST", "/resourcequotas", {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}})
    create(fleet)
    not_ready(fleet, "PodsRefused", "exceeded quota: few", "raise the ResourceQuota few")
    assert (fleet.replicas("work"), len(fleet.pods("work"))) == (2, 1)
    rabbitmq.publish(vhost, QUEUE, ["{}"] * 50)

    def held_up() -> bool:
        return "held-up" in [step["rule"] for step in fleet.pool("work")["trail"]]

    wait_until(held_up, within=SOON, describe=fleet.describe)
    assert fleet.replicas("work") == 2
    write(fleet, "PATCH", "/resourcequotas/few", {"spec": {"hard": {"pods": "20"}}})
    ready(fleet, pods=5)


def test_a_fleet_whose_deployment_a_quota_refuses_is_not_ready_until_it_is_made(fleet: Fleet) -> None:
    hard = {"count/deployments.apps": "0"}
    write(fleet, "POST", "/resourcequotas", {"metadata": {"name": "none"}, "spec": {"hard": hard}})
    create(fleet)

    def told() -> bool:
        status, reason, message = fleet.condition("Ready")
        return (status, reason) == ("False", "Refused") and "exceeded quota: none" in message

    wait_until(told, within=SOON, describe=fleet.describe)
    write(fleet, "PATCH", "/resourcequotas/none", {"spec": {"hard": {"count/deployments.apps": "5"}}})
    ready(fleet, pods=2)


RESTRICTED = {"runAsNonRoot": True, "runAsUser": 1000}


def test_pod_security_is_told_in_its_own_words_and_what_it_asks_for_is_enough(fleet: Fleet) -> None:
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    write(fleet, "PATCH", "", {"metadata": {"labels": label}})
    create(fleet)
    not_ready(fleet, "PodsRefused", 'violates PodSecurity "restricted:latest": runAsNonRoot', "pod.securityContext")
    assert fleet.pods("work") == []
    fleet.edit(pod={"securityContext": RESTRICTED})
    wait_until(lambda: fleet.pods("work"), within=SOON, describe=fleet.describe)


def test_a_limit_range_is_told_in_its_own_words(fleet: Fleet) -> None:
    limits = [{"type": "Container", "min": {"memory": "1Gi"}}]
    write(fleet, "POST", "/limitranges", {"metadata": {"name": "large"}, "spec": {"limits": limits}})
    create(fleet)
    not_ready(fleet, "PodsRefused", "minimum memory usage per Container is 1Gi", "what the LimitRange allows")
    fleet.edit(pools=[{**WORK, "worker": {"concurrency": 1, "resources": {"requests": {"memory": "1Gi"}}}}])
    wait_until(lambda: fleet.pods("work"), within=SOON, describe=fleet.describe)


def test_a_service_account_that_is_missing_is_named(fleet: Fleet) -> None:
    create(fleet, pod={"serviceAccountName": "worker"})
    not_ready(fleet, "PodsRefused", 'serviceaccount "worker" not found', "make the ServiceAccount worker")
    write(fleet, "POST", "/serviceaccounts", {"metadata": {"name": "worker"}})
    ready(fleet, pods=2)


def test_a_rollout_that_a_person_has_paused_is_named_and_goes_on_when_it_is_resumed(fleet: Fleet) -> None:
    create(fleet)
    ready(fleet, pods=2)
    fleet.controlplane.kubectl("rollout", "pause", "deployment/fleet-work", "-n", fleet.namespace)
    fleet.edit(env=[{"name": "ROUND", "value": "2"}])
    not_ready(fleet, "RolloutFailing", "is paused; kubectl rollout resume deployment/fleet-work")
    fleet.controlplane.kubectl("rollout", "resume", "deployment/fleet-work", "-n", fleet.namespace)
    wait_until(
        lambda: "is paused" not in fleet.condition("Ready")[2], within=SOON, describe=lambda: fleet.condition("Ready")
    )


def test_workers_that_find_no_node_are_named_after_a_while(fleet: Fleet, rabbitmq: RabbitMQ, vhost: str) -> None:
    create(fleet)
    wait_until(lambda: len(fleet.pods("work")) == 2, within=SOON, describe=fleet.describe)
    since = ago(timedelta(minutes=3))
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/2 nodes are available: 2 Insufficient cpu.",
        "lastTransitionTime": since,
    }
    first, second = fleet.pods("work")
    for pod in (first, second):
        write(fleet, "PATCH", f"/pods/{pod}/status", {"status": {"conditions": [condition]}})
    not_ready(fleet, "Unschedulable", "2 workers found no node", "2 Insufficient cpu", "add nodes")
    rabbitmq.publish(vhost, QUEUE, ["{}"] * 50)
    wait_until(
        lambda: "50" in str(fleet.pool("work")["trail"]) or "52" in str(fleet.pool("work")["trail"]),
        within=SOON,
        describe=fleet.describe,
    )
    assert fleet.replicas("work") == 2
    placed = {**condition, "status": "True", "reason": "", "message": ""}
    for pod in (first, second):
        write(fleet, "PATCH", f"/pods/{pod}/status", {"status": {"conditions": [placed]}})
    ready(fleet, pods=5)


def test_a_worker_that_hangs_after_a_wake_from_zero_is_named_with_what_kubernetes_warns_of(fleet: Fleet) -> None:
    """Kubernetes itself never calls such a Deployment late: it was complete with no replicas."""
    create(fleet)
    wait_until(lambda: len(fleet.pods("work")) == 2, within=SOON, describe=fleet.describe)
    since = ago(timedelta(minutes=11))
    conditions = [
        {"type": kind, "status": status, "lastTransitionTime": since}
        for kind, status in (("PodScheduled", "True"), ("PodReadyToStartContainers", "False"), ("Ready", "False"))
    ]
    container = {
        "name": "worker",
        "image": "i",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"waiting": {"reason": "ContainerCreating"}},
    }
    first, second = sorted(fleet.pods("work"))
    for name in (first, second):
        status = {"conditions": conditions, "containerStatuses": [container]}
        write(fleet, "PATCH", f"/pods/{name}/status", {"status": status})
    said = 'MountVolume.SetUp failed for volume "config" : configmap "worker-config" not found'
    uid = fleet.controlplane.request("GET", f"/api/v1/namespaces/{fleet.namespace}/pods/{first}")["metadata"]["uid"]
    event = {
        "metadata": {"name": "mount"},
        "involvedObject": {"kind": "Pod", "namespace": fleet.namespace, "name": first, "uid": uid},
        "type": "Warning",
        "reason": "FailedMount",
        "message": said,
        "lastTimestamp": since,
    }
    write(fleet, "POST", "/events", event)
    not_ready(fleet, "NeverReady", "2 workers did not become ready within 10m", f"pod {first}")
    assert "its volumes or its network are not ready" in fleet.condition("Ready")[2]

    def has_its_words() -> bool:
        return f"FailedMount: {said}" in fleet.condition("Ready")[2]

    wait_until(has_its_words, within=timedelta(seconds=60), describe=lambda: fleet.condition("Ready"))
