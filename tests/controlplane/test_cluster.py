"""Requests to a real API server: what each leaves behind, who holds which field, and how a refusal is called."""

import base64
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from tests.support.controlplane import ControlPlane
from tests.support.ports import LOOPBACK, free_port
from tests.support.resources import resource
from tests.support.waiting import wait_until_async
from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.adapters.cluster.seam import Cluster, secret_values
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core import labels
from utilitarian_operator.core.objects import manifests
from utilitarian_operator.core.objects.actions import held_by_create, released_fields
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.errors import ClusterError, Conflict, Gone, LeadershipLost, Rejected
from utilitarian_operator.host.http import serve
from utilitarian_operator.reconcile.act.events import LONGEST_NOTE, event


@contextlib.asynccontextmanager
async def client(controlplane: ControlPlane, host: str | None = None) -> AsyncIterator[ApiClient]:
    configuration = Configuration()
    await config.load_kube_config(str(controlplane.kubeconfig), client_configuration=configuration)
    if host is not None:
        configuration.host = host
    async with ApiClient(configuration) as made:
        yield made


@pytest.fixture
async def cluster(controlplane: ControlPlane) -> AsyncIterator[Cluster]:
    async with client(controlplane) as made:
        yield ClusterClient(made)


def deployment(namespace: str, *variables: str, name: str = "fleet") -> Object:
    """A pool's Deployment as the operator makes it, with environment variables; it has no owner."""
    env = ", ".join(f"{{name: {variable}, value: x}}" for variable in variables)
    spec = parse(resource(f"pools: [{{name: a, queues: [q], env: [{env}]}}]")).spec
    fleet = effective_fleet(spec)
    made = manifests.deployment(labels.Owner(namespace, name, "u"), fleet, fleet.pools[0])
    del made["metadata"]["ownerReferences"]
    return made


def with_replicas(manifest: Object, replicas: int) -> Object:
    return manifest | {"spec": manifest["spec"] | {"replicas": replicas}}


def letting_go(live: Object) -> Object:
    version = live["metadata"]["resourceVersion"]
    return {"metadata": {"managedFields": released_fields(live), "resourceVersion": version}}


def variables_of(live: Object) -> set[str]:
    return {variable["name"] for variable in live["spec"]["template"]["spec"]["containers"][0]["env"]}


@pytest.mark.parametrize("replicas", [0, 5])
async def test_created_and_then_applied_twice_the_replicas_stay(
    cluster: Cluster, namespace: str, replicas: int
) -> None:
    manifest = deployment(namespace)
    created = await cluster.create(with_replicas(manifest, replicas))
    assert created["spec"]["replicas"] == replicas
    first = await cluster.apply(manifest, force=True)
    second = await cluster.apply(manifest, force=True)
    assert first["spec"]["replicas"] == second["spec"]["replicas"] == replicas
    assert first["metadata"]["generation"] == second["metadata"]["generation"] == created["metadata"]["generation"]
    await cluster.scale(namespace, "fleet-a", replicas + 1)
    assert (await cluster.apply(manifest, force=True))["spec"]["replicas"] == replicas + 1


async def test_what_the_manifest_drops_vanishes_once_the_create_has_let_go(
    cluster: Cluster, controlplane: ControlPlane, namespace: str
) -> None:
    await cluster.create(with_replicas(deployment(namespace, "KEPT", "DROPPED"), 3))
    applied = await cluster.apply(deployment(namespace, "KEPT", "DROPPED"), force=True)
    assert held_by_create(applied)

    async def let_go() -> dict[str, Any]:
        # The Deployment controller writes meanwhile: what it changed must be looked at again.
        live = controlplane.request("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments/fleet-a")
        whole = {"apiVersion": "apps/v1", "kind": "Deployment", **live}
        return await cluster.patch(whole, letting_go(whole))

    released = await wait_until_async(let_go, within=timedelta(seconds=10), ignoring=(Conflict,))
    assert not held_by_create(released)
    assert released["metadata"]["generation"] == applied["metadata"]["generation"]
    again = await cluster.apply(deployment(namespace, "KEPT"), force=True)
    assert {"KEPT", "DROPPED"} & variables_of(again) == {"KEPT"}
    assert again["spec"]["replicas"] == 3
    assert not held_by_create(again)


async def test_who_holds_what_is_not_rewritten_if_the_object_changed(cluster: Cluster, namespace: str) -> None:
    created = await cluster.create(with_replicas(deployment(namespace), 1))
    await cluster.scale(namespace, "fleet-a", 2)
    with pytest.raises(Conflict):
        await cluster.patch(created, letting_go(created))


async def test_an_apply_without_force_leaves_what_others_hold(
    cluster: Cluster, controlplane: ControlPlane, namespace: str
) -> None:
    await cluster.create(with_replicas(deployment(namespace), 1))
    controlplane.kubectl("set", "image", "-n", namespace, "deployment/fleet-a", "worker=theirs", "--field-manager=them")
    with pytest.raises(Conflict, match="them"):
        await cluster.apply(deployment(namespace), force=False)
    taken_back = await cluster.apply(deployment(namespace), force=True)
    assert taken_back["spec"]["template"]["spec"]["containers"][0]["image"] != "theirs"


async def test_a_step_is_refused_if_the_deployment_changed_since_it_was_seen(cluster: Cluster, namespace: str) -> None:
    seen = (await cluster.create(with_replicas(deployment(namespace), 5)))["metadata"]["resourceVersion"]
    assert (await cluster.scale(namespace, "fleet-a", 6))["spec"]["replicas"] == 6
    with pytest.raises(Conflict, match="fleet-a"):
        await cluster.scale(namespace, "fleet-a", 0, seen)

    async def down_from_what_was_seen() -> dict[str, Any]:
        scaled = await cluster.scale(namespace, "fleet-a", 7)  # a step up asks for no such thing
        return await cluster.scale(namespace, "fleet-a", 0, scaled["metadata"]["resourceVersion"])

    # Refused as long as the Deployment's controller writes its status in between.
    down = await wait_until_async(down_from_what_was_seen, within=timedelta(seconds=10), ignoring=(Conflict,))
    assert down["spec"] == {}


async def test_only_the_object_that_was_seen_is_deleted(cluster: Cluster, namespace: str) -> None:
    first = await cluster.create(with_replicas(deployment(namespace), 0))
    changed = await cluster.scale(namespace, "fleet-a", 1)
    with pytest.raises(Conflict):
        await cluster.delete(first)  # another client asked for a worker meanwhile
    assert changed["spec"]["replicas"] == 1

    async def delete_what_is_there() -> bool:
        await cluster.delete({**first, **await cluster.read("Deployment", namespace, "fleet-a")})
        return True

    # Refused as long as the Deployment's controller writes its status in between.
    await wait_until_async(delete_what_is_there, within=timedelta(seconds=10), ignoring=(Conflict,))
    with pytest.raises(Gone):
        await cluster.delete(first)
    second = await cluster.create(with_replicas(deployment(namespace), 0))
    with pytest.raises(Conflict):
        await cluster.delete(first)
    assert (await cluster.items("deployments", namespace))[0][0]["metadata"]["uid"] == second["metadata"]["uid"]


async def test_a_list_tells_kinds_and_its_version_and_is_narrowed_by_labels(cluster: Cluster, namespace: str) -> None:
    nothing, before = await cluster.items("deployments", namespace)
    assert nothing == []
    await cluster.create(with_replicas(deployment(namespace), 0))
    items, version = await cluster.items("deployments", namespace, "app.kubernetes.io/instance=fleet")
    assert [(item["kind"], item["apiVersion"], item["metadata"]["name"]) for item in items] == [
        ("Deployment", "apps/v1", "fleet-a")
    ]
    assert version >= int(items[0]["metadata"]["resourceVersion"]) > before
    assert (await cluster.items("deployments", namespace, "app.kubernetes.io/instance=other"))[0] == []
    everywhere = (await cluster.items("deployments", None, "app.kubernetes.io/instance=fleet"))[0]
    assert namespace in {item["metadata"]["namespace"] for item in everywhere}


async def test_a_status_is_written_and_what_is_not_given_stays(
    cluster: Cluster, controlplane: ControlPlane, namespace: str
) -> None:
    path = f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/utilitarianworkerpools"
    made = controlplane.request("POST", path, resource())
    await cluster.patch(made, {"status": {"mode": "Auto", "backlog": 3}}, "status")
    written = await cluster.patch(made, {"status": {"backlog": 4}}, "status")
    assert written["status"] == {"mode": "Auto", "backlog": 4}
    assert written["metadata"]["generation"] == made["metadata"]["generation"]


async def test_a_secret_is_decoded_and_a_binary_key_hides_none(
    cluster: Cluster, controlplane: ControlPlane, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets"
    data = {"URL": "amqp://ä".encode(), "keystore": b"\xff\xfe\x00"}
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    controlplane.request("POST", path, {"metadata": {"name": "env"}, "data": encoded})
    controlplane.request("POST", path, {"metadata": {"name": "empty"}})
    assert secret_values(await cluster.read("Secret", namespace, "env"))["URL"] == "amqp://ä"
    assert secret_values(await cluster.read("Secret", namespace, "empty")) == {}
    with pytest.raises(Gone, match="missing"):
        await cluster.read("Secret", namespace, "missing")


@pytest.mark.parametrize("note", ["x" * 2 * LONGEST_NOTE, "ö" * LONGEST_NOTE], ids=["long", "long-and-not-ascii"])
async def test_the_longest_note_is_accepted(
    cluster: Cluster, controlplane: ControlPlane, namespace: str, note: str
) -> None:
    made = controlplane.request(
        "POST", f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/utilitarianworkerpools", resource()
    )
    now = datetime.now(UTC)
    await cluster.create(event(made, Reason.SCALED_UP, note, instance="operator-0", now=now))
    [told] = controlplane.request("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")["items"]
    assert (told["reason"], told["regarding"]["name"]) == ("ScaledUp", "fleet")


async def test_what_the_api_server_refuses_is_called_by_its_kind(cluster: Cluster, namespace: str) -> None:
    manifest = with_replicas(deployment(namespace), 0)
    await cluster.create(manifest)
    with pytest.raises(Conflict, match=r"HTTP 409.*already exists"):
        await cluster.create(manifest)
    invalid = deployment(namespace, name="invalid")
    invalid["spec"]["template"]["spec"]["containers"][0]["image"] = ""
    with pytest.raises(Rejected, match=r"HTTP 422.*image"):
        await cluster.create(invalid)
    with pytest.raises(Gone, match=r"HTTP 404.*nobody"):
        await cluster.scale(namespace, "nobody", 1)
    with pytest.raises((Gone, Rejected)):
        await cluster.create(deployment("no-such-namespace") | {"spec": manifest["spec"]})


@pytest.mark.parametrize(
    "status,kind",
    [(400, Rejected), (403, Rejected), (404, Gone), (409, Conflict), (422, Rejected)]
    + [(status, ClusterError) for status in (401, 410, 429, 500, 503)],
)
@pytest.mark.parametrize("body", ['{"message": "why"}', "why, in a page", '["why"]'], ids=["status", "page", "list"])
async def test_an_error_by_its_http_status(
    controlplane: ControlPlane, status: int, kind: type[ClusterError], body: str
) -> None:
    async with (
        serve(LOOPBACK, 0, {"/{path:.*}": lambda: web.Response(status=status, text=body)}) as port,
        client(controlplane, f"http://{LOOPBACK}:{port}") as made,
    ):
        with pytest.raises(ClusterError, match=f"HTTP {status}: .*why") as raised:
            await ClusterClient(made).read("Secret", "ns", "env")
        assert type(raised.value) is kind


async def test_an_answer_that_is_no_json_is_a_cluster_error(controlplane: ControlPlane) -> None:
    async with (
        serve(LOOPBACK, 0, {"/{path:.*}": lambda: web.Response(text="<html>a proxy's page</html>")}) as port,
        client(controlplane, f"http://{LOOPBACK}:{port}") as made,
    ):
        with pytest.raises(ClusterError, match="GET api/v1/namespaces/ns/secrets/env: no JSON"):
            await ClusterClient(made).read("Secret", "ns", "env")


async def test_an_api_server_that_is_away_is_a_cluster_error(controlplane: ControlPlane) -> None:
    async with client(controlplane, f"https://{LOOPBACK}:{free_port()}") as made:
        with pytest.raises(ClusterError, match="GET api/v1/namespaces/ns/secrets/env: ") as raised:
            await ClusterClient(made).read("Secret", "ns", "env")
        assert type(raised.value) is ClusterError


async def test_nothing_is_written_without_the_lease(controlplane: ControlPlane, namespace: str) -> None:
    def refuse() -> None:
        raise LeadershipLost("another holds it")

    manifest = deployment(namespace)
    async with client(controlplane) as made:
        cluster = ClusterClient(made, refuse)
        live = {"kind": "Deployment", "metadata": {**manifest["metadata"], "uid": "u", "resourceVersion": "1"}}
        for write in (
            cluster.create(manifest),
            cluster.apply(manifest, force=True),
            cluster.patch(live, {}),
            cluster.scale(namespace, "fleet-a", 1),
            cluster.delete(live),
        ):
            with pytest.raises(LeadershipLost):
                await write
        assert (await cluster.items("deployments", namespace))[0] == []  # reading is allowed


async def test_of_two_objects_of_a_name_only_the_one_that_was_seen_is_patched(cluster: Cluster, namespace: str) -> None:
    first = await cluster.create(with_replicas(deployment(namespace), 0))
    other = {**first, "metadata": {**first["metadata"], "uid": "another"}}
    with pytest.raises(Rejected, match=r"HTTP 422.*uid"):
        await cluster.patch(other, {"metadata": {"labels": {"a": "b"}}})
