"""What others made or changed, on a real API server: their objects are left alone, their edits of ours are undone."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.support.controlplane import APPLY_PATCH, ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import in_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian_operator.api.objects import Object

SOON = timedelta(seconds=20)
QUEUE = "utilitarian.tasks.default"
POOL = {"name": "work", "queues": [QUEUE]}


@pytest.fixture
def fleet(controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str) -> Iterator[Fleet]:
    """A fleet under a running operator; its queue exists and is empty, and its pods don't run."""
    rabbitmq.declare(vhost, QUEUE)
    found = Fleet(controlplane, namespace)
    found.create_secret(rabbitmq.amqp_url(vhost))
    with in_process(controlplane, namespace):
        yield found


@pytest.mark.parametrize(
    "field, value",
    [
        pytest.param("image", "by-hand:1", id="what has a value"),
        pytest.param("envFrom", [{"configMapRef": {"name": "by-hand"}}], id="what is empty"),
    ],
)
def test_a_change_by_hand_is_undone(fleet: Fleet, field: str, value: object) -> None:
    fleet.create(None, pools=[POOL], beat={"enabled": False})
    path = f"/apis/apps/v1/namespaces/{fleet.namespace}/deployments/fleet-work"
    wait_until(lambda: _is_applied(fleet), within=SOON, describe=fleet.describe)
    before = _worker(fleet).get(field)
    by_hand = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "fleet-work"},
        "spec": {"template": {"spec": {"containers": [{"name": "worker", field: value}]}}},
    }
    fleet.controlplane.request("PATCH", f"{path}?fieldManager=person&force=true", by_hand, APPLY_PATCH)
    wait_until(lambda: _worker(fleet).get(field) == before, within=SOON, describe=fleet.describe)


def _is_applied(fleet: Fleet) -> bool:
    live = fleet.deployment("work")
    entries = live["metadata"]["managedFields"] if live else []
    return any((it["manager"], it["operation"]) == ("utilitarian-operator", "Apply") for it in entries)


def _worker(fleet: Fleet) -> Object:
    live = fleet.deployment("work")
    assert live is not None
    found: Object = live["spec"]["template"]["spec"]["containers"][0]
    return found


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({"app": "it"}, id="without our labels"),
        pytest.param(
            {"app.kubernetes.io/managed-by": "utilitarian-operator", "app.kubernetes.io/instance": "fleet"},
            id="with our labels",
        ),
    ],
)
@pytest.mark.parametrize(
    "kind, name", [pytest.param("Deployment", "fleet-work"), pytest.param("StatefulSet", "fleet-beat")]
)
def test_an_object_of_another_owner_is_left_alone_and_named(
    fleet: Fleet, kind: str, name: str, labels: dict[str, str]
) -> None:
    path = f"/apis/apps/v1/namespaces/{fleet.namespace}/{kind.lower()}s"
    template = {"metadata": {"labels": {"app": "it"}}, "spec": {"containers": [{"name": "it", "image": "it"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "it"}}, "template": template}
    metadata = {"name": name, "labels": labels}
    made = fleet.controlplane.request(
        "POST", path, {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}
    )
    fleet.create(None, pools=[POOL], beat={"storage": {"ephemeral": True}})
    wait_until(
        lambda: fleet.condition("Stalled")[:2] == ("True", "NameTaken") and name in fleet.condition("Stalled")[2],
        within=SOON,
        describe=lambda: (fleet.condition("Stalled"), fleet.describe()),
    )
    wait_until(
        lambda: any(reason == "NameTaken" and name in note for reason, note in fleet.events()),
        within=SOON,
        describe=fleet.events,
    )
    live = fleet.controlplane.request("GET", f"{path}/{name}")
    assert live["metadata"]["uid"] == made["metadata"]["uid"]
    assert live["metadata"]["labels"] == made["metadata"]["labels"]
    assert live["metadata"]["generation"] == 1
    assert not live["metadata"].get("ownerReferences")
    # And when it is gone, the fleet takes its place.
    fleet.controlplane.request("DELETE", f"{path}/{name}")
    wait_until(lambda: fleet.condition("Stalled")[0] == "False", within=SOON, describe=fleet.describe)
    ours = fleet.deployment("work") if kind == "Deployment" else fleet.beat()
    assert ours
    assert ours["metadata"]["ownerReferences"][0]["uid"] == fleet.read()["metadata"]["uid"]
