"""The API server keeps the contract of a cluster, by which the fake in memory is held to it."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from tests.support.cluster_contract import THEM, ClusterContract, Stage
from tests.support.controlplane import MERGE_PATCH, ControlPlane
from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.api.objects import Object


class TestApiServer(ClusterContract):
    @pytest.fixture
    async def stage(self, controlplane: ControlPlane, namespace: str) -> AsyncIterator[Stage]:
        async def edit(live: Object, change: Mapping[str, Any]) -> Object:
            group = "/apis/apps/v1" if live["kind"] == "Deployment" else "/api/v1"
            plural, name = f"{live['kind'].lower()}s", live["metadata"]["name"]
            path = f"{group}/namespaces/{namespace}/{plural}/{name}?fieldManager={THEM}"
            return dict(controlplane.request("PATCH", path, change, MERGE_PATCH))

        configuration = Configuration()
        await config.load_kube_config(str(controlplane.kubeconfig), client_configuration=configuration)
        async with ApiClient(configuration) as client:
            yield Stage(ClusterClient(client), namespace, edit)
