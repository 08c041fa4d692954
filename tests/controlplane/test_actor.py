"""What the actor hands back of its writes, on a real API server with somebody else writing at the same moment."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from prometheus_client import CollectorRegistry

from tests.support.controlplane import APPLY_PATCH, ControlPlane
from tests.unit.api_cases import resource
from utilitarian_operator.actor import Actor
from utilitarian_operator.adapters.cluster import Cluster
from utilitarian_operator.adapters.store import DEPLOYMENTS, Key, Store
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core import manifests
from utilitarian_operator.core.drift import AGAIN_AFTER, applied, drifted
from utilitarian_operator.core.objects import Wanted
from utilitarian_operator.core.plan import Apply
from utilitarian_operator.metrics import Metrics
from utilitarian_operator.wiring import utc_now

Object = dict[str, Any]


class Meddled(Cluster):
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
    manifest = manifests.deployment(manifests.Owner(namespace, "fleet", "uid"), fleet, fleet.pools[0])
    del manifest["metadata"]["ownerReferences"]  # of nobody: it would be collected as garbage
    cluster = Meddled(client, controlplane, store)
    actor = Actor(cluster, store, Metrics(CollectorRegistry()), "test", utc_now)
    owner = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool"}
    owner |= {"metadata": {"namespace": namespace, "name": "fleet", "uid": "uid"}}

    outcome = await actor.carry_out(owner, [(Wanted(manifest, "spec.pools[0]", "work"), Apply(manifest))])

    assert not outcome.refused
    (answer,) = outcome.applied
    (live,) = store.children(DEPLOYMENTS, Key(namespace, "fleet")).values()
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "by-hand:1"
    now = datetime.now(UTC)
    assert drifted(live, applied(answer, now), now + AGAIN_AFTER)
