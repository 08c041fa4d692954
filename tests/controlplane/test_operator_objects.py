"""The objects that the operator makes on a real API server: created once, applied without replicas, never another's."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.controlplane import MERGE_PATCH, ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import in_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until

SOON = timedelta(seconds=20)
QUEUE = "utilitarian.tasks.default"
OTHER_QUEUE = "utilitarian.tasks.cleanup"
POOL = {"name": "work", "queues": [QUEUE]}
OTHER_POOL = {"name": "other", "queues": [OTHER_QUEUE]}
NO_BEAT = {"enabled": False}


@pytest.fixture
def fleet(controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str) -> Iterator[Fleet]:
    """A fleet under a running operator; its queues exist and are empty, and its pods don't run."""
    rabbitmq.declare(vhost, QUEUE, OTHER_QUEUE)
    found = Fleet(controlplane, namespace)
    found.create_secret(rabbitmq.amqp_url(vhost))
    with in_process(controlplane, namespace):
        yield found


def manager_entries(live: dict[str, Any], field: str) -> set[tuple[str, str, str]]:
    """(manager, operation, subresource) of each holder of a field of the spec."""
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", ""))
        for entry in live["metadata"]["managedFields"]
        if field in entry.get("fieldsV1", {}).get("f:spec", {})
    }


def environment(live: dict[str, Any] | None) -> dict[str, Any]:
    assert live
    return {it["name"]: it.get("value") for it in live["spec"]["template"]["spec"]["containers"][0]["env"]}


def wait_applied(fleet: Fleet, pool: str = "work") -> dict[str, Any]:
    """The Deployment once the operator's apply is the only holder of its template."""

    def applied() -> dict[str, Any] | None:
        live = fleet.deployment(pool)
        alone = live and manager_entries(live, "f:template") == {("utilitarian-operator", "Apply", "")}
        return live if alone else None

    found = wait_until(applied, within=SOON, describe=lambda: (fleet.deployment(pool), fleet.describe()))
    assert found
    return found


@pytest.mark.parametrize("replicas", [0, 5])
def test_an_apply_leaves_the_replicas_as_they_were_created(fleet: Fleet, replicas: int) -> None:
    env = [{"name": "ROUND", "value": "0"}]
    fleet.create(None, pools=[POOL], defaults={"scaling": {"min": replicas}}, beat=NO_BEAT, env=env)
    live = wait_applied(fleet)
    assert (live["spec"]["replicas"], live["metadata"]["generation"]) == (replicas, 1)
    for edit in ("1", "2"):
        fleet.edit(env=[{"name": "ROUND", "value": edit}])
        wait_until(
            lambda edit=edit: environment(fleet.deployment("work"))["ROUND"] == edit,  # type: ignore[misc]
            within=SOON,
            describe=fleet.describe,
        )
    live = wait_applied(fleet)
    # Every change of the spec counts: the replicas were not even for a moment anything else.
    assert (live["spec"]["replicas"], live["metadata"]["generation"]) == (replicas, 3)


def test_a_variable_that_the_resource_drops_disappears(fleet: Fleet) -> None:
    two = [{"name": "KEPT", "value": "1"}, {"name": "DROPPED", "value": "1"}]
    fleet.create(None, pools=[POOL], env=two, beat={"storage": {"ephemeral": True}})
    wait_applied(fleet)
    assert "DROPPED" in environment(fleet.deployment("work"))
    wait_until(fleet.beat, within=SOON, describe=fleet.describe)
    fleet.edit(env=two[:1])
    wait_until(
        lambda: "DROPPED" not in environment(fleet.deployment("work")) and "DROPPED" not in environment(fleet.beat()),
        within=SOON,
        describe=lambda: (fleet.deployment("work"), fleet.beat()),
    )
    assert "KEPT" in environment(fleet.deployment("work"))


def test_replicas_are_changed_through_scale_alone(fleet: Fleet, rabbitmq: RabbitMQ, vhost: str) -> None:
    fleet.create(None, pools=[POOL], beat=NO_BEAT)
    wait_applied(fleet)
    rabbitmq.publish(vhost, QUEUE, ["{}"] * 3)
    wait_until(lambda: fleet.replicas("work"), within=SOON, describe=fleet.describe)
    live = wait_applied(fleet)
    assert live["metadata"]["generation"] == 2
    assert manager_entries(live, "f:replicas") == {("utilitarian-operator", "Update", "scale")}
    fleet.edit(env=[{"name": "NEW", "value": "1"}])
    wait_until(lambda: "NEW" in environment(fleet.deployment("work")), within=SOON, describe=fleet.describe)
    assert fleet.replicas("work") == live["spec"]["replicas"]


def test_a_pool_that_is_removed_loses_its_deployment_and_the_others_stay(fleet: Fleet) -> None:
    fleet.create(None, pools=[POOL, OTHER_POOL], beat=NO_BEAT)
    wait_applied(fleet, "other")
    kept = wait_applied(fleet)
    fleet.edit(pools=[POOL])
    wait_until(lambda: fleet.deployment("other") is None, within=SOON, describe=fleet.describe)
    live = fleet.deployment("work")
    assert live
    assert live["metadata"]["uid"] == kept["metadata"]["uid"]


def test_a_deployment_that_is_deleted_is_made_again(fleet: Fleet) -> None:
    fleet.create(None, pools=[POOL], beat=NO_BEAT)
    first = wait_applied(fleet)
    path = f"/apis/apps/v1/namespaces/{fleet.namespace}/deployments/fleet-work"
    fleet.controlplane.request("DELETE", path)
    wait_until(
        lambda: (live := fleet.deployment("work")) and live["metadata"]["uid"] != first["metadata"]["uid"],
        within=SOON,
        describe=fleet.describe,
    )


def test_preview_makes_nothing_and_says_what_would_be(fleet: Fleet, rabbitmq: RabbitMQ, vhost: str) -> None:
    rabbitmq.publish(vhost, QUEUE, ["{}"] * 3)
    fleet.create(None, pools=[POOL], mode="Preview")
    wait_until(lambda: fleet.pool("work").get("desired") == 1, within=SOON, describe=fleet.describe)
    assert fleet.deployment("work") is None
    assert fleet.beat() is None
    claims = f"/api/v1/namespaces/{fleet.namespace}/persistentvolumeclaims"
    assert not fleet.controlplane.request("GET", claims)["items"]


def test_paused_follows_templates_and_leaves_the_number_of_workers_alone(
    fleet: Fleet, rabbitmq: RabbitMQ, vhost: str
) -> None:
    fleet.create(None, pools=[POOL], mode="Paused", beat=NO_BEAT)
    wait_applied(fleet)
    rabbitmq.publish(vhost, QUEUE, ["{}"] * 3)
    wait_until(lambda: fleet.pool("work").get("reason") == "paused", within=SOON, describe=fleet.describe)
    path = f"/apis/apps/v1/namespaces/{fleet.namespace}/deployments/fleet-work/scale"
    fleet.controlplane.request("PATCH", path, {"spec": {"replicas": 4}}, MERGE_PATCH)
    fleet.edit(env=[{"name": "NEW", "value": "1"}])
    wait_until(lambda: "NEW" in environment(fleet.deployment("work")), within=SOON, describe=fleet.describe)
    assert fleet.replicas("work") == 4
