"""What pods use, through a real API server that proxies to a metrics API: whose, in which units, what is refused."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from tests.support.controlplane import ControlPlane
from tests.support.metrics_api import MetricsApi
from tests.support.metrics_contract import MetricsContract
from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.adapters.cluster.pod_metrics import MOST_BYTES
from utilitarian_operator.core.observation.model.usage import PodUsage
from utilitarian_operator.errors import ClusterError, Rejected

OURS = {"app.kubernetes.io/managed-by": "utilitarian-operator", "app.kubernetes.io/instance": "fleet"}
SELECTOR = ",".join(f"{name}={value}" for name, value in OURS.items())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of its own: an API that comes and goes would keep other tests' namespaces from being deleted."""
    with ControlPlane(tmp_path_factory.mktemp("usage")) as started:
        yield started


@pytest.fixture(scope="module")
def metrics(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MetricsApi]:
    with MetricsApi(cluster, tmp_path_factory.mktemp("metrics")) as served:
        served.use("default", "fleet-a-1", OURS, worker=("12345678n", "123456Ki"), proxy=("2", "3Gi"))
        served.use("default", "fleet-beat-0", OURS, beat=("1", "1Gi"))
        served.use("default", "other-1", {}, worker=("1", "1Gi"))
        served.use("elsewhere", "fleet-b-1", OURS, worker=("1", "1Gi"))
        yield served


@pytest.fixture
async def client(cluster: ControlPlane) -> AsyncIterator[ApiClient]:
    configuration = Configuration()
    await config.load_kube_config(str(cluster.kubeconfig), client_configuration=configuration)
    async with ApiClient(configuration) as opened:
        yield opened


async def test_only_the_worker_of_each_pod_of_the_fleet_is_read(client: ApiClient, metrics: MetricsApi) -> None:
    read = await ClusterClient(client).pod_usage("default", SELECTOR)
    assert metrics.body is None
    assert read == {"fleet-a-1": PodUsage(pytest.approx(0.012345678), 123456 * 1024)}


@pytest.mark.parametrize(
    "body, says",
    [
        pytest.param(b"<html>", "no listing|Expecting value", id="no-json"),
        pytest.param(json.dumps({"items": ["x" * MOST_BYTES]}).encode(), "more than", id="endless"),
    ],
)
async def test_an_answer_that_is_no_listing_is_an_error(
    client: ApiClient, metrics: MetricsApi, body: bytes, says: str
) -> None:
    metrics.body = body
    try:
        with pytest.raises(ClusterError, match=says):
            await ClusterClient(client).pod_usage("default", SELECTOR)
    finally:
        metrics.body = None


async def test_without_the_right_it_is_refused(cluster: ControlPlane, client: ApiClient, metrics: MetricsApi) -> None:
    token = cluster.kubectl("create", "token", "default", "--namespace", "default").strip()
    client.configuration.api_key["BearerToken"] = f"Bearer {token}"
    with pytest.raises(Rejected, match="forbidden"):
        await ClusterClient(client).pod_usage("default", SELECTOR)
    assert metrics.body is None


class Real:
    """One pod more, behind the API server."""

    labels = OURS | {"app.kubernetes.io/instance": "contract"}

    def __init__(self, client: ApiClient, metrics: MetricsApi) -> None:
        self._client, self._metrics = client, metrics

    def uses(self, cpu: Any, memory: Any) -> None:
        self._metrics.use("default", "contract-1", self.labels, worker=(cpu, memory))

    async def read(self) -> PodUsage | None:
        selector = ",".join(f"{name}={value}" for name, value in self.labels.items())
        return (await ClusterClient(self._client).pod_usage("default", selector)).get("contract-1")


class TestMetricsApi(MetricsContract):
    """As the adversary's worlds have it: tests/adversary plays the same cases on those."""

    @pytest.fixture
    def scene(self, client: ApiClient, metrics: MetricsApi) -> Real:
        return Real(client, metrics)
