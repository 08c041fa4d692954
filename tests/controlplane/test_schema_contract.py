"""The real API server keeps the contract by which that of the adversary's model is held to its schema."""

from collections.abc import AsyncIterator

import pytest
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from tests.support.controlplane import MERGE_PATCH, ControlPlane
from tests.support.crd_versions import with_status_schema
from tests.support.schema_contract import SchemaContract, Stage
from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.api.objects import Object

ANY = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


class TestApiServer(SchemaContract):
    @pytest.fixture
    async def stage(self, controlplane: ControlPlane, namespace: str) -> AsyncIterator[Stage]:
        configuration = Configuration()
        await config.load_kube_config(str(controlplane.kubeconfig), client_configuration=configuration)
        path = f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/utilitarianworkerpools/fleet"

        async def store(_: Object, status: Object) -> None:
            with with_status_schema(controlplane, ANY, path, {"unknown": 1}):
                controlplane.request("PATCH", f"{path}/status", {"status": status}, MERGE_PATCH)

        async with ApiClient(configuration) as client:
            yield Stage(ClusterClient(client), namespace, store)
