"""What only a real API server does: it checks objects, fails, is away, and is not written to without the Lease."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from aiohttp import web
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from tests.support.cluster_contract import deployment
from tests.support.controlplane import ControlPlane
from tests.support.ports import LOOPBACK, free_port
from tests.support.resources import resource
from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.adapters.cluster.request_rate import RequestRate
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.errors import ClusterError, Conflict, Gone, LeadershipLost, Rejected
from utilitarian_operator.host.serving.http import serve
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


@pytest.mark.parametrize("note", ["x" * 2 * LONGEST_NOTE, "ö" * LONGEST_NOTE], ids=["long", "long-and-not-ascii"])
async def test_the_longest_note_is_accepted(
    cluster: Cluster, controlplane: ControlPlane, namespace: str, note: str
) -> None:
    made = controlplane.request(
        "POST", f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/utilitarianworkerpools", resource()
    )
    now = datetime.now(UTC)
    await cluster.create(event(made, Reason.SCALED_UP, note, instance="operator-0", now=now, unique=uuid4()))
    [said] = controlplane.request("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")["items"]
    assert (said["reason"], said["regarding"]["name"]) == ("ScaledUp", "fleet")


async def test_an_object_that_can_not_be_is_refused(cluster: Cluster, namespace: str) -> None:
    invalid = deployment(namespace, name="invalid")
    invalid["spec"]["template"]["spec"]["containers"][0]["image"] = ""
    with pytest.raises(Rejected, match=r"HTTP 422.*image"):
        await cluster.create(invalid)
    with pytest.raises((Gone, Rejected)):
        await cluster.create(deployment("no-such-namespace"))


@pytest.mark.parametrize(
    "text",
    [
        "💡",
        "a\U0010fffd",
        "\x7f\x80\x85\u2028\ufeff\uffff",
        "\x01\t\n\r",
        "\\ud83d\\udca1 \\",
        "ü 計",
        "\"'",
        "$(A) %2f",
    ],
    ids=ascii,
)
async def test_any_text_is_applied_and_kept_as_it_is(cluster: Cluster, namespace: str, text: str) -> None:
    """An apply is read as YAML, which has no surrogates, and no control characters but escaped."""
    manifest = deployment(namespace, name="any")
    manifest["metadata"]["annotations"] = {"said": text}
    revision = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": "any", "namespace": namespace},
        "revision": 1,
        "data": {"said": text},
    }
    applied = await cluster.apply(manifest, force=True)
    assert applied["metadata"]["annotations"]["said"] == text
    assert (await cluster.create(revision))["data"] == {"said": text}


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


@pytest.mark.parametrize(
    "status, body, said",
    [
        (200, '{"resources": [{"name": "utilitarianworkerpools"}]}', "True"),
        (200, '{"resources": [{"name": "others"}]}', "False"),
        (404, "404 page not found", "False"),
        (403, '{"message": "no"}', "Rejected: GET apis/utilitarian.io/v1alpha1: HTTP 403: no"),
        (200, "{}", "ClusterError: GET apis/utilitarian.io/v1alpha1: the answer is no list of kinds"),
        (200, "[]", "ClusterError: GET apis/utilitarian.io/v1alpha1: the answer is no list of kinds"),
    ],
    ids=["served", "others of its group", "no such group", "no right", "nothing", "another shape"],
)
async def test_whether_the_api_server_serves_a_kind(
    controlplane: ControlPlane, status: int, body: str, said: str
) -> None:
    async with (
        serve(LOOPBACK, 0, {"/{path:.*}": lambda: web.Response(status=status, text=body)}) as port,
        client(controlplane, f"http://{LOOPBACK}:{port}") as made,
    ):
        try:
            found = str(await ClusterClient(made).serves("utilitarianworkerpools"))
        except ClusterError as error:
            found = f"{type(error).__name__}: {error}"
        assert found == said


async def test_an_api_server_that_is_away_is_a_cluster_error(controlplane: ControlPlane) -> None:
    async with client(controlplane, f"https://{LOOPBACK}:{free_port()}") as made:
        with pytest.raises(ClusterError, match="GET api/v1/namespaces/ns/secrets/env: ") as raised:
            await ClusterClient(made).read("Secret", "ns", "env")
        assert type(raised.value) is ClusterError


async def test_reads_and_writes_go_at_the_rate_that_is_allowed(controlplane: ControlPlane) -> None:
    async with (
        serve(LOOPBACK, 0, {"/{path:.*}": lambda: web.Response(text="{}")}) as port,
        client(controlplane, f"http://{LOOPBACK}:{port}") as made,
    ):
        cluster = ClusterClient(made, rate=RequestRate(time.monotonic, asyncio.sleep, per_second=10, burst=2))
        began = time.monotonic()
        reads = [cluster.read("Secret", "ns", "env") for _ in range(5)]
        writes = [cluster.scale("ns", "fleet-a", 1) for _ in range(4)]  # refused here: only GET is served
        await asyncio.gather(*reads, *writes, return_exceptions=True)
        assert time.monotonic() - began >= (9 - 2) / 10


async def test_nothing_is_written_without_the_lease(controlplane: ControlPlane, namespace: str) -> None:
    def refuse(_: str) -> float:
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
