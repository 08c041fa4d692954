"""The status on a real API server: a fleet at rest is not written, and what is left over of an older one goes."""

from datetime import timedelta

import pytest

from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import Operator, in_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian_operator.core.status.change import REFRESH

SOON = timedelta(seconds=20)
TICK = timedelta(milliseconds=200)
LOOKS = 3
QUEUE, UNSEEN = "utilitarian.tasks.default", "utilitarian.tasks.cleanup"
POOLS = [
    {"name": "asleep", "queues": [QUEUE]},
    {"name": "awake", "queues": [UNSEEN], "scaling": {"min": 1}},
]
LEFTOVERS = {
    "nextRun": "gone 2026-03-02T12:00Z",
    "beat": {
        "ready": False,
        "lastMessages": [{"queue": "gone", "at": "2026-03-02T12:00:00Z"}],
    },
}


@pytest.fixture
def fleet(controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str) -> Fleet:
    """A fleet whose status has parts of another spec; no operator runs yet."""
    found = Fleet(controlplane, namespace)
    rabbitmq.declare(vhost, QUEUE, UNSEEN)
    found.create(rabbitmq.amqp_url(vhost), pools=POOLS, beat={"enabled": False})
    path = f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/utilitarianworkerpools/{found.name}/status"
    controlplane.request("PATCH", path, {"status": LEFTOVERS}, "application/merge-patch+json")
    return found


def looks(operator: Operator, fleet: Fleet) -> float:
    """How often it has looked at the fleet."""
    name = f'utilitarian_tick_duration_seconds_count{{fleet="fleet",namespace="{fleet.namespace}"}}'
    return operator.metrics().get(name, 0)


def test_nothing_is_written_while_nothing_happens_and_what_is_left_over_goes(fleet: Fleet) -> None:
    def looked(operator: Operator, more: int) -> None:
        until = looks(operator, fleet) + more
        wait_until(lambda: looks(operator, fleet) >= until, within=3 * more * TICK + SOON, describe=fleet.describe)

    with in_process(fleet.controlplane, fleet.namespace, tick=TICK) as operator:
        wait_until(lambda: fleet.pool("awake").get("desired") == 1, within=SOON, describe=fleet.describe)
        assert fleet.status()["beat"] == {"ready": False}
        assert "nextRun" not in fleet.status()
        looked(operator, round(REFRESH / TICK))  # a Deployment and its pod come to their places
        before = fleet.read()
        looked(operator, round(REFRESH / TICK) + 10)
        after = fleet.read()
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"], (
        before["status"],
        after["status"],
    )


def test_a_new_template_is_never_called_rolled_out_before_its_pods_are_there(fleet: Fleet) -> None:
    """No pod runs, so that the rollout stays where it is; who waits for the new generation waits on."""
    said: list[tuple[int | None, str]] = []

    def rolls_out(generation: int) -> bool:
        status = fleet.status()
        reconciling = next(it["status"] for it in status["conditions"] if it["type"] == "Reconciling")
        said.append((status.get("observedGeneration"), reconciling))
        return said[-1] == (generation, "True")

    with in_process(fleet.controlplane, fleet.namespace):
        wait_until(
            lambda: fleet.condition("Reconciling")[0] == "False" and fleet.pods("awake"),
            within=SOON,
            describe=fleet.describe,
        )
        generation = fleet.edit(env=[{"name": "ROUND", "value": "2"}])["metadata"]["generation"]
        wait_until(lambda: rolls_out(generation), within=SOON, describe=lambda: said)
        wait_until(lambda: len(fleet.pods("awake")) == 2, within=SOON, describe=fleet.describe)
        assert rolls_out(generation)
    assert (generation, "False") not in said


def test_a_worker_that_went_first_is_replaced_only_when_the_new_one_is_ready(fleet: Fleet) -> None:
    """Without a surge no pod of the old template is left long before one of the new works."""
    plane, first = fleet.controlplane, {**POOLS[1], "rollout": {"maxSurge": 0, "maxUnavailable": 1}}

    def pod(count: int = 1) -> str:
        pods = fleet.pods("awake")
        return pods[0] if len(pods) == count else ""

    def told(generation: int, reconciling: str) -> bool:
        status = fleet.status()
        said = next(it["status"] for it in status["conditions"] if it["type"] == "Reconciling")
        return (status.get("observedGeneration"), said) == (generation, reconciling)

    fleet.edit(pools=[POOLS[0], first])
    with in_process(plane, fleet.namespace) as operator:
        wait_until(pod, within=SOON, describe=fleet.describe)
        old = pod()
        plane.mark_pod_ready(fleet.namespace, old)
        wait_until(lambda: progress(fleet) == "NewReplicaSetAvailable", within=SOON, describe=fleet.describe)
        generation = fleet.edit(env=[{"name": "ROUND", "value": "2"}])["metadata"]["generation"]
        wait_until(lambda: pod() not in {"", old}, within=SOON, describe=fleet.describe)
        wait_until(lambda: told(generation, "True"), within=SOON, describe=fleet.describe)
        until = looks(operator, fleet) + LOOKS
        wait_until(lambda: looks(operator, fleet) >= until, within=SOON, describe=fleet.describe)
        assert told(generation, "True"), fleet.condition("Reconciling")
        plane.mark_pod_ready(fleet.namespace, pod())
        wait_until(lambda: told(generation, "False"), within=SOON, describe=fleet.describe)


def progress(fleet: Fleet) -> str:
    """What the Deployment controller says of the pool's rollout."""
    conditions = (fleet.deployment("awake") or {}).get("status", {}).get("conditions", [])
    return next((it["reason"] for it in conditions if it["type"] == "Progressing"), "")
