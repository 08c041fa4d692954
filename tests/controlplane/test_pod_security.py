"""What pods may be, where a real API server has the last word: in a restricted namespace, and by the operator."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.support.controlplane import MERGE_PATCH, ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import in_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until

SOON = timedelta(seconds=30)
QUEUE = "utilitarian.tasks.default"
POOLS = [{"name": "work", "queues": [QUEUE], "scaling": {"min": 1}}]
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@pytest.fixture
def fleet(controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str) -> Iterator[Fleet]:
    """A fleet that is not created yet, with its operator, in a namespace that lets in the restricted standard alone."""
    controlplane.request("PATCH", f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": RESTRICTED}}, MERGE_PATCH)
    rabbitmq.declare(vhost, QUEUE)
    found = Fleet(controlplane, namespace)
    found.create_secret(rabbitmq.amqp_url(vhost))
    with in_process(controlplane, namespace):
        yield found


def pods(fleet: Fleet) -> list[str]:
    """Names of the fleet's pods, beat's included."""
    return [it["metadata"]["name"] for it in fleet.controlplane.pods(fleet.namespace)]


def test_a_restricted_namespace_lets_in_workers_and_beat_of_a_restricted_fleet(fleet: Fleet) -> None:
    fleet.create(None, podSecurity="Restricted", pools=POOLS)
    wait_until(lambda: len(pods(fleet)) == 2, within=SOON, describe=fleet.describe)
    for pod in fleet.controlplane.pods(fleet.namespace):
        assert pod["spec"]["automountServiceAccountToken"] is False
        volumes = [name for volume in pod["spec"].get("volumes", []) for name in volume if name != "name"]
        assert set(volumes) <= {"persistentVolumeClaim"}


def test_it_does_not_let_in_those_of_another_fleet(fleet: Fleet) -> None:
    fleet.create(None, pools=POOLS)
    wait_until(lambda: fleet.condition("Ready")[1] == "PodsRefused", within=SOON, describe=fleet.describe)
    assert pods(fleet) == []
    fleet.edit(podSecurity="Restricted")
    wait_until(lambda: len(pods(fleet)) == 2, within=SOON, describe=fleet.describe)


def test_null_reaches_the_operator_and_takes_the_group_away(fleet: Fleet) -> None:
    fleet.create(None, podSecurity="Restricted", pools=POOLS, beat={"pod": {"securityContext": {"fsGroup": None}}})
    wait_until(lambda: fleet.beat() is not None, within=SOON, describe=fleet.describe)
    beat = fleet.beat() or {}
    assert beat["spec"]["template"]["spec"]["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_what_the_baseline_forbids_is_stalled_and_makes_nothing(fleet: Fleet) -> None:
    host = {"volumes": [{"name": "node", "hostPath": {"path": "/"}}]}
    fleet.create(None, pools=[{**POOLS[0], "pod": host}])
    wait_until(lambda: fleet.condition("Stalled")[1] == "InvalidSpec", within=SOON, describe=fleet.describe)
    assert "spec.pools[0].pod.volumes[0].hostPath: a hostPath volume shows" in fleet.condition("Stalled")[2]
    assert fleet.deployment("work") is None
