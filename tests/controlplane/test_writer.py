"""What comes back from writes, on a real API server with another client that writes at the same moment."""

import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from prometheus_client import CollectorRegistry

from tests.support.controlplane import APPLY_PATCH, MERGE_PATCH, ControlPlane
from tests.support.resources import resource
from tests.support.waiting import wait_until_async
from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, Key, Store
from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core import labels
from utilitarian_operator.core.objects import manifests
from utilitarian_operator.core.objects.actions import Apply, scale_action
from utilitarian_operator.core.objects.drift import AGAIN_AFTER, applied, drifted
from utilitarian_operator.core.objects.wanted import Wanted
from utilitarian_operator.host.clocks import utc_now
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile.act.writer import ObjectWriter


class Meddled(ClusterClient):
    """A cluster in which a person edits what was applied before the operator goes on, and the watch tells it at once.

    Args:
        client: of the official library.
        controlplane: where the person writes.
        store: that the watch tells.
    """

    def __init__(self, client: ApiClient, controlplane: ControlPlane, store: Store) -> None:
        super().__init__(client)
        self._controlplane, self._store = controlplane, store

    async def apply(self, manifest: Object, *, force: bool) -> Object:
        """The real request, and then the person's."""
        answer = await super().apply(manifest, force=force)
        name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        spec = {"template": {"spec": {"containers": [{"name": "worker", "image": "by-hand:1"}]}}}
        edit = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}?fieldManager=person&force=true"
        self._store.see(DEPLOYMENTS, self._controlplane.request("PATCH", path, edit, APPLY_PATCH))
        return answer


@pytest.fixture
async def client(controlplane: ControlPlane) -> AsyncIterator[ApiClient]:
    configuration = Configuration()
    await config.load_kube_config(str(controlplane.kubeconfig), client_configuration=configuration)
    async with ApiClient(configuration) as made:
        yield made


async def test_an_edit_that_overtakes_the_answer_to_an_apply_is_seen_as_drift(
    controlplane: ControlPlane, namespace: str, client: ApiClient
) -> None:
    store = Store()
    fleet = effective_fleet(parse(resource("pools: [{name: work, queues: [q]}]")).spec)
    manifest = manifests.deployment(labels.Owner(namespace, "fleet", "uid"), fleet, fleet.pools[0])
    del manifest["metadata"]["ownerReferences"]  # no owner: it would be collected as garbage
    cluster = Meddled(client, controlplane, store)
    writer = ObjectWriter(cluster, store, Metrics(CollectorRegistry(), time.monotonic), "test", utc_now, uuid.uuid4)
    owner = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool"}
    owner |= {"metadata": {"namespace": namespace, "name": "fleet", "uid": "uid"}}

    outcome = await writer.carry_out(owner, [(Wanted(manifest, "spec.pools[0]", "work"), Apply(manifest))])

    assert not outcome.refused
    (answer,) = outcome.applied
    (live,) = store.children(DEPLOYMENTS, Key(namespace, "fleet")).values()
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "by-hand:1"
    now = datetime.now(UTC)
    assert drifted(live, applied(answer, now), now + AGAIN_AFTER)


@pytest.fixture
async def scaled(client: ApiClient, namespace: str) -> tuple[ObjectWriter, Object, Object]:
    """An actor, a resource, and its Deployment of three workers, as the watch told of it."""
    store, cluster = Store(), ClusterClient(client)
    fleet = effective_fleet(parse(resource("pools: [{name: work, queues: [q]}]")).spec)
    manifest = manifests.deployment(labels.Owner(namespace, "fleet", "uid"), fleet, fleet.pools[0])
    del manifest["metadata"]["ownerReferences"]
    manifest["spec"]["replicas"] = 3
    seen = await cluster.create(manifest)
    store.see(DEPLOYMENTS, seen)
    owner = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool"}
    owner |= {"metadata": {"namespace": namespace, "name": "fleet", "uid": "uid"}}
    return (
        ObjectWriter(cluster, store, Metrics(CollectorRegistry(), time.monotonic), "test", utc_now, uuid.uuid4),
        owner,
        seen,
    )


def path_of(deployment: Object) -> str:
    metadata = deployment["metadata"]
    return f"/apis/apps/v1/namespaces/{metadata['namespace']}/deployments/{metadata['name']}"


async def asked_for(writer: ObjectWriter, owner: Object, seen: Object, replicas: int) -> list[str]:
    """The pools whose request was accepted, of one that rests on a Deployment as it was seen."""
    step = scale_action(seen, replicas)
    assert step is not None
    accepted, _ = await writer.scale(owner, {"work": (step, "because")})
    return accepted


@pytest.mark.parametrize("replicas", [4, 2], ids=["up", "down"])
async def test_what_a_person_set_is_not_undone_by_a_figure_from_before(
    controlplane: ControlPlane, scaled: tuple[ObjectWriter, Object, Object], replicas: int
) -> None:
    writer, owner, seen = scaled
    controlplane.request("PATCH", f"{path_of(seen)}/scale", {"spec": {"replicas": 20}}, MERGE_PATCH)
    assert await asked_for(writer, owner, seen, replicas) == []
    assert controlplane.request("GET", path_of(seen))["spec"]["replicas"] == 20
    (known,) = writer.store.children(DEPLOYMENTS, Key(seen["metadata"]["namespace"], "fleet")).values()
    assert known["spec"]["replicas"] == 20  # the next look starts from it, whatever the watch does


async def test_a_step_up_does_not_wait_for_a_deployment_that_changes_otherwise(
    controlplane: ControlPlane, scaled: tuple[ObjectWriter, Object, Object]
) -> None:
    writer, owner, seen = scaled
    controlplane.request("PATCH", path_of(seen), {"metadata": {"annotations": {"touched": "yes"}}}, MERGE_PATCH)
    assert await asked_for(writer, owner, seen, 4) == ["work"]
    live = controlplane.request("GET", path_of(seen))
    assert live["spec"]["replicas"] == 4
    (known,) = writer.store.children(DEPLOYMENTS, Key(seen["metadata"]["namespace"], "fleet")).values()
    assert known["spec"]["replicas"] == 4
    assert known["metadata"]["generation"] == live["metadata"]["generation"]
    # A second one rests on the first, though no watch has told of it.
    assert await asked_for(writer, owner, known, 6) == ["work"]


async def test_a_step_down_rests_on_the_deployment_as_it_was_seen(
    controlplane: ControlPlane, scaled: tuple[ObjectWriter, Object, Object]
) -> None:
    writer, owner, seen = scaled
    controlplane.request("PATCH", path_of(seen), {"metadata": {"annotations": {"touched": "yes"}}}, MERGE_PATCH)
    assert await asked_for(writer, owner, seen, 2) == []
    assert controlplane.request("GET", path_of(seen))["spec"]["replicas"] == 3


@pytest.fixture
async def broken_webhook(controlplane: ControlPlane, namespace: str) -> AsyncIterator[str]:
    """One for the scale of the namespace's Deployments, whose server is away, and without which nothing is let in."""
    rule = {"operations": ["*"], "apiGroups": ["apps"], "apiVersions": ["*"], "resources": ["deployments/scale"]}
    webhook = {
        "name": "policy.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [rule],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    controlplane.request("POST", path, kind | {"metadata": {"name": namespace}, "webhooks": [webhook]})
    yield "policy.example.com"
    controlplane.request("DELETE", f"{path}/{namespace}")


async def test_a_webhook_that_is_away_refuses_and_is_named(
    scaled: tuple[ObjectWriter, Object, Object], broken_webhook: str
) -> None:
    """The API server answers with HTTP 500, as if it had failed itself; for one pool a look would end each time."""
    writer, owner, seen = scaled

    async def refused() -> list[str]:
        """Sentences; the API server asks a new webhook after a moment."""
        (known,) = writer.store.children(DEPLOYMENTS, Key(seen["metadata"]["namespace"], "fleet")).values()
        step = scale_action(known, known["spec"]["replicas"] + 1)
        assert step is not None
        _, found = await writer.scale(owner, {"work": (step, "because")})
        return [it.blocker.message for it in found]

    (said,) = await wait_until_async(refused, within=timedelta(seconds=30))
    assert f'failed calling webhook "{broken_webhook}"' in said
