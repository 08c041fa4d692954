"""Workers that are lost on a real API server, by the status that others write: counted, named, and not made up for."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import Operator, in_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.times import ago
from tests.support.waiting import wait_until
from utilitarian_operator.api.objects import Object

SOON = timedelta(seconds=20)
QUEUE = "utilitarian.tasks.default"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
LIMIT = {"requests": {"memory": "64Mi"}, "limits": {"memory": "64Mi"}}
WORK = {"name": "work", "queues": [QUEUE], "scaling": {"min": 2}, "worker": {"resources": LIMIT}}


@pytest.fixture
def operator(controlplane: ControlPlane, namespace: str) -> Iterator[Operator]:
    """An operator for the test's namespace."""
    with in_process(controlplane, namespace) as running:
        yield running


@pytest.fixture
def fleet(operator: Operator, controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str) -> Fleet:
    """A fleet of two workers, whose pods don't run; the operator has seen them."""
    rabbitmq.declare(vhost, QUEUE)
    found = Fleet(controlplane, namespace)
    found.create(rabbitmq.amqp_url(vhost), pools=[WORK], beat={"enabled": False})
    wait_until(lambda: len(found.pods("work")) == 2, within=SOON, describe=found.describe)
    wait_until(lambda: counted(operator, found, "Evicted") == 0, within=SOON, describe=operator.metrics)
    return found


def counted(operator: Operator, fleet: Fleet, reason: str) -> float | None:
    labels = f'fleet="fleet",namespace="{fleet.namespace}",pool="work",reason="{reason}"'
    return operator.metrics().get(f"utilitarian_worker_losses_total{{{labels}}}")


def write_status(fleet: Fleet, pod: str, **status: Any) -> None:
    path = f"/api/v1/namespaces/{fleet.namespace}/pods/{pod}/status"
    fleet.controlplane.request("PATCH", path, {"status": status}, STRATEGIC_MERGE_PATCH)


def restarted(times: int) -> list[Object]:
    at = ago(-timedelta(seconds=times))
    last = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": at, "startedAt": at}}
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    shown = {"image": "i", "imageID": "i", "ready": False, "restartCount": times}
    return [{"name": "worker", "state": state, "lastState": last, **shown}]


def test_a_worker_that_is_killed_for_memory_is_counted_each_time_and_named_once(
    fleet: Fleet, operator: Operator
) -> None:
    pod = fleet.pods("work")[0]
    for times in (1, 2):
        write_status(fleet, pod, containerStatuses=restarted(times))
        wait_until(
            lambda it=times: counted(operator, fleet, "OOMKilled") == it,  # type: ignore[misc]
            within=SOON,
            describe=operator.metrics,
        )
    wait_until(lambda: "OOMKilled" in dict(fleet.events()), within=SOON, describe=fleet.describe)
    (note,) = [note for reason, note in fleet.events() if reason == "OOMKilled"]
    assert f"pool work: pod {pod} (queue {QUEUE})" in note
    assert "at its memory limit of 64Mi; raise worker.resources.limits.memory" in note
    assert fleet.replicas("work") == 2


def test_a_worker_that_goes_with_its_node_at_once_is_counted_all_the_same(fleet: Fleet, operator: Operator) -> None:
    """Kubernetes' own collector of lost pods writes the reason and deletes the pod in the same moment."""
    pod = fleet.pods("work")[0]
    # With a time: Kubernetes' disruption controller takes back a condition that is old and was followed by no deletion.
    at = ago()
    why = {"reason": "DeletionByPodGC", "message": "PodGC: node no longer exists", "lastTransitionTime": at}
    write_status(fleet, pod, conditions=[{"type": "DisruptionTarget", "status": "True", **why}])
    path = f"/api/v1/namespaces/{fleet.namespace}/pods/{pod}?gracePeriodSeconds=0"
    fleet.controlplane.request("DELETE", path)
    wait_until(lambda: counted(operator, fleet, "NodeLost") == 1, within=SOON, describe=operator.metrics)
    wait_until(lambda: "NodeLost" in [reason for reason, _ in fleet.events()], within=SOON, describe=fleet.events)


def test_a_worker_that_is_evicted_is_replaced_and_no_other_is_added(fleet: Fleet, operator: Operator) -> None:
    pod = fleet.pods("work")[0]
    write_status(fleet, pod, phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
    wait_until(lambda: len(fleet.pods("work")) == 3, within=SOON, describe=fleet.describe)
    wait_until(lambda: counted(operator, fleet, "Evicted") == 1, within=SOON, describe=operator.metrics)
    wait_until(lambda: "Evicted" in dict(fleet.events()), within=SOON, describe=fleet.describe)
    (note,) = [note for reason, note in fleet.events() if reason == "Evicted"]
    assert "low on resource: memory; give worker.resources.requests what it uses" in note
    assert fleet.replicas("work") == 2
