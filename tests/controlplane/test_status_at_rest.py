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


def test_nothing_is_written_while_nothing_happens_and_what_is_left_over_goes(fleet: Fleet) -> None:
    looks = f'utilitarian_tick_duration_seconds_count{{fleet="fleet",namespace="{fleet.namespace}"}}'

    def looked(operator: Operator, more: int) -> None:
        until = operator.metrics().get(looks, 0) + more
        wait_until(
            lambda: operator.metrics().get(looks, 0) >= until, within=3 * more * TICK + SOON, describe=fleet.describe
        )

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
