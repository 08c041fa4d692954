"""The admission webhook called by a real API server: what it refuses, its certificate, and its absence."""

import asyncio
import base64
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kubernetes.aio import client, config

from tests.support.controlplane import ControlPlane
from tests.support.http import HttpError
from tests.support.operator import in_process
from tests.support.ports import LOOPBACK, free_port
from tests.support.resources import resource
from tests.support.waiting import wait_until, wait_until_async
from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.api.objects import Object
from utilitarian_operator.host.certificates import LIFETIME, make
from utilitarian_operator.host.leadership import Leadership
from utilitarian_operator.host.settings import Admission, Settings
from utilitarian_operator.host.wiring import run

SOON = timedelta(seconds=20)
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
FLEETS = "/apis/utilitarian.io/v1alpha1/namespaces/{}/utilitarianworkerpools"


@pytest.fixture
def port(controlplane: ControlPlane, namespace: str) -> Iterator[int]:
    """The port that the API server calls for fleets of the namespace, by a configuration like the chart's."""
    chosen = free_port()
    webhook = {
        "name": "fleets.utilitarian.io",
        "clientConfig": {"url": f"https://{LOOPBACK}:{chosen}/validate"},
        "rules": [
            {
                "apiGroups": ["utilitarian.io"],
                "apiVersions": ["v1alpha1"],
                "resources": ["utilitarianworkerpools"],
                "operations": ["CREATE", "UPDATE"],
            }
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "timeoutSeconds": 3,
        "admissionReviewVersions": ["v1"],
    }
    body = {"metadata": {"name": namespace}, "webhooks": [webhook]}
    controlplane.request("POST", CONFIGURATIONS, body)
    yield chosen
    controlplane.request("DELETE", f"{CONFIGURATIONS}/{namespace}")


def admission(namespace: str, port: int, *, own: bool = True) -> Admission:
    return Admission(namespace, "admission", (LOOPBACK,), namespace if own else None, port)


def refusal(controlplane: ControlPlane, namespace: str, body: Object) -> str:
    """The API server's words, empty if it takes the resource."""
    try:
        controlplane.request("POST", f"{FLEETS.format(namespace)}?dryRun=All", body)
    except HttpError as error:
        return error.body
    return ""


def schedule(start: str, zone: str = "UTC", name: str = "probe") -> Object:
    pools = f"[{{name: a, queues: [q], schedule: [{{name: s, start: '{start}'}}]}}]"
    return resource(f"timeZone: {zone}\npools: {pools}", name)


NEVER = schedule("0 0 30 2 *")


@contextlib.contextmanager
def serving(controlplane: ControlPlane, namespace: str, settings: Admission, **more: Any) -> Iterator[None]:
    """An operator whose webhook refuses what it should."""
    with in_process(controlplane, namespace, admission=settings, **more):
        wait_until(lambda: refusal(controlplane, namespace, NEVER), within=SOON)
        yield


def test_cron_and_zone_are_refused_at_apply(controlplane: ControlPlane, namespace: str, port: int) -> None:
    assert not refusal(controlplane, namespace, NEVER)  # no replica serves: the API server goes on
    with serving(controlplane, namespace, admission(namespace, port)):
        said = refusal(controlplane, namespace, NEVER)
        assert "spec.pools[0].schedule[0].start: not a cron line" in said
        said = refusal(controlplane, namespace, schedule("0 0 L * *", "Mars/Olympus"))
        assert "spec.timeZone: no such time zone" in said
        assert "Mars/Olympus" in said
        assert not refusal(controlplane, namespace, schedule("0 0 LW * *", "Europe/Stockholm"))
    assert not refusal(controlplane, namespace, NEVER)


def test_what_is_far_too_large_is_refused_in_one_sentence(
    controlplane: ControlPlane, namespace: str, port: int
) -> None:
    large = resource(name="probe")
    large["spec"]["defaults"] = {"pod": {"template": {"spec": {"x": [{}] * 100_000}}}}
    with serving(controlplane, namespace, admission(namespace, port)):
        said = refusal(controlplane, namespace, large)
    assert "spec.defaults.pod.template.spec.x: has most of a spec that takes more than 4 MiB" in said
    assert len(said) < 1_000


def test_what_is_wrong_already_can_still_be_labelled_and_mended(
    controlplane: ControlPlane, namespace: str, port: int
) -> None:
    controlplane.request("POST", FLEETS.format(namespace), schedule("0 0 30 2 *", name="fleet"))
    fleet = f"{FLEETS.format(namespace)}/fleet"
    with serving(controlplane, namespace, admission(namespace, port)):
        label = {"metadata": {"labels": {"a": "b"}}}
        controlplane.request("PATCH", fleet, label, "application/merge-patch+json")
        with pytest.raises(HttpError, match="no such time zone"):
            controlplane.request("PATCH", fleet, {"spec": {"timeZone": "Mars"}}, "application/merge-patch+json")
        controlplane.request("PATCH", fleet, {"spec": {"pools": None}}, "application/merge-patch+json")
        controlplane.request("DELETE", fleet)


def test_a_certificate_that_ends_soon_is_renewed_and_the_old_one_trusted_for_a_while(
    controlplane: ControlPlane, namespace: str, port: int
) -> None:
    old = make([LOOPBACK], datetime.now(UTC) - LIFETIME + timedelta(days=1))
    values = {"tls.crt": old.certificate, "tls.key": old.key, "ca.crt": old.authority}
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    body = {"metadata": {"name": "admission"}, "type": "kubernetes.io/tls", "stringData": values}
    controlplane.request("POST", secrets, body)
    with serving(controlplane, namespace, admission(namespace, port)):
        data = controlplane.request("GET", f"{secrets}/admission")["data"]
        new = {name: base64.b64decode(value).decode() for name, value in data.items()}
        assert new["tls.crt"] != old.certificate
        assert new["ca.crt"].endswith(old.authority)
        webhook = controlplane.request("GET", f"{CONFIGURATIONS}/{namespace}")["webhooks"][0]
        assert webhook["clientConfig"]["caBundle"] == data["ca.crt"]


async def test_it_is_served_while_another_leads_and_with_a_certificate_of_others(
    controlplane: ControlPlane, namespace: str, port: int
) -> None:
    theirs = make([LOOPBACK], datetime.now(UTC))
    values = {"tls.crt": theirs.certificate, "tls.key": theirs.key, "ca.crt": theirs.authority}
    body = {"metadata": {"name": "admission"}, "type": "kubernetes.io/tls", "stringData": values}
    controlplane.request("POST", f"/api/v1/namespaces/{namespace}/secrets", body)
    bundle = base64.b64encode(theirs.authority.encode()).decode()
    patch: Any = [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle}]
    controlplane.request("PATCH", f"{CONFIGURATIONS}/{namespace}", patch, "application/json-patch+json")
    settings = Settings(
        metrics_port=0,
        health_port=0,
        host=LOOPBACK,
        kubeconfig=controlplane.kubeconfig,
        lease_namespace=namespace,
        admission=admission(namespace, port, own=False),
    )
    configuration, stop = client.Configuration(), asyncio.Event()
    await config.load_kube_config(str(controlplane.kubeconfig), client_configuration=configuration)
    async with (
        client.ApiClient(configuration) as api,
        (another := Leadership(ClusterClient(api), namespace, settings.lease, "another")).held(asyncio.Event()),
    ):
        waiting = asyncio.create_task(run(settings, stop))
        await wait_until_async(lambda: asyncio.to_thread(refusal, controlplane, namespace, NEVER), within=SOON)
        lease = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{settings.lease}"
        found = await asyncio.to_thread(controlplane.request, "GET", lease)
        assert found["spec"]["holderIdentity"] == another.identity
        assert not waiting.done()
        stop.set()
        await waiting
