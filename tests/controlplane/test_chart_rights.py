"""The operator does its whole work with the rights that the chart gives it, and with no others."""

import asyncio
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.aio import client, config

from tests.support.chart import CHART, NAMESPACE, RELEASE, helm
from tests.support.controlplane import ControlPlane
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.prometheus import Prometheus
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.host.leadership import Leadership

ACCOUNT = "uo-utilitarian-operator"
QUEUE = "utilitarian.tasks.cleanup"
SOON = timedelta(seconds=30)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of its own: the CRD that the chart brings would otherwise be another's."""
    with ControlPlane(tmp_path_factory.mktemp("rights")) as started:
        for name in (NAMESPACE, "metering"):
            started.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        yield started


def install(cluster: ControlPlane, watched: list[str], chosen: str = "") -> None:
    helm(
        *("upgrade", "--install", RELEASE, str(CHART), "--kubeconfig", str(cluster.kubeconfig), "--values", "-"),
        values={"watchNamespaces": watched, "namespaceSelector": chosen},
    )


def as_operator(cluster: ControlPlane, folder: Path) -> Path:
    """A kubeconfig with the operator's own token and nothing of the administrator's."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    token = cluster.kubectl("create", "token", ACCOUNT, "--namespace", NAMESPACE).strip()
    config["users"][0]["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def refusals(operator: Process) -> list[str]:
    """What the API server's RBAC refused, in its own words: a bare "403" may stand in a time stamp."""
    return [line for line in operator.log_text().splitlines() if "is forbidden: User" in line]


def fleet(broker: str) -> list[dict[str, Any]]:
    secret = {"name": "utilitarian-env", "key": "CELERY_BROKER_URL"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret["name"]},
            "stringData": {secret["key"]: broker},
        },
        {
            "apiVersion": "utilitarian.io/v1alpha1",
            "kind": "UtilitarianWorkerPool",
            "metadata": {"name": "u"},
            "spec": {
                "image": "utilitarian:dev",
                "broker": {"urlFrom": {"secretKeyRef": secret}},
                "pools": [{"name": "cleanup", "queues": [QUEUE]}],
            },
        },
    ]


@pytest.mark.parametrize(
    "watched, chosen",
    [([], ""), (["metering"], ""), ([], "kubernetes.io/metadata.name=metering")],
    ids=["all namespaces", "one namespace", "chosen by labels"],
)
def test_the_chart_grants_all_that_the_operator_needs(
    cluster: ControlPlane, rabbitmq: RabbitMQ, vhost: str, tmp_path: Path, watched: list[str], chosen: str
) -> None:
    install(cluster, watched, chosen)
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
    rabbitmq.declare(vhost, QUEUE)
    rabbitmq.publish(vhost, QUEUE, ["{}"] * 3)
    metrics, health = free_port(), free_port()
    operator = Process(
        "operator",
        [
            *(sys.executable, "-m", "utilitarian_operator", "run"),
            *("--metrics-port", str(metrics), "--health-port", str(health)),
            *(word for name in watched for word in ("--namespace", name)),
            *(("--namespace-selector", chosen, "--lease", ACCOUNT, "--lease-namespace", NAMESPACE) if chosen else ()),
        ],
        log=tmp_path / "operator.log",
        env={"KUBECONFIG": str(as_operator(cluster, tmp_path))},
    )
    with operator, Prometheus([f"127.0.0.1:{metrics}"], folder=tmp_path / "prometheus") as prometheus:
        for it in fleet(rabbitmq.amqp_url(vhost)):
            cluster.kubectl("apply", "--namespace", "metering", "--filename", "-", stdin=json.dumps(it))

        def wanted() -> bool:
            found = cluster.kubectl("get", "deployments,statefulsets,uwp", "-n", "metering", "--output=json")
            items = {it["kind"]: it for it in json.loads(found)["items"]}
            return (
                items.get("Deployment", {}).get("spec", {}).get("replicas", 0) >= 1
                and "StatefulSet" in items
                and "conditions" in items["UtilitarianWorkerPool"].get("status", {})
            )

        wait_until(wanted, within=SOON, describe=operator.tail)
        wait_until(lambda: prometheus.query("utilitarian_pool_workers"), within=SOON, describe=operator.tail)
        assert prometheus.query("utilitarian_errors_total > 0") == [], operator.tail()
    assert refusals(operator) == [], operator.tail()
    cluster.kubectl("delete", "uwp", "--all", "--namespace", "metering")


def test_the_chart_grants_what_the_webhooks_certificate_needs(cluster: ControlPlane, tmp_path: Path) -> None:
    helm(
        *("upgrade", "--install", RELEASE, str(CHART), "--kubeconfig", str(cluster.kubeconfig), "--values", "-"),
        values={"admission": {"enabled": True}},
    )
    (deployment,) = json.loads(cluster.kubectl("get", "deployments", "-n", NAMESPACE, "--output=json"))["items"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    arguments = container["args"]
    for port in ("--metrics-port", "--health-port", "--admission-port"):
        arguments[arguments.index(port) + 1] = str(free_port())
    operator = Process(
        "operator",
        [sys.executable, "-m", "utilitarian_operator", *arguments],
        log=tmp_path / "operator.log",
        env={"KUBECONFIG": str(as_operator(cluster, tmp_path))},
    )

    def trusted() -> bool:
        found = cluster.kubectl("get", "validatingwebhookconfigurations", "--output=json")
        (configuration,) = json.loads(found)["items"]
        return bool(configuration["webhooks"][0]["clientConfig"].get("caBundle"))

    with operator:
        wait_until(trusted, within=SOON, describe=operator.tail)
        wait_until(lambda: "admission is served" in operator.log_text(), within=SOON, describe=operator.tail)
    assert refusals(operator) == [], operator.tail()
    # Left as the other tests want it.
    install(cluster, [])


@pytest.mark.parametrize("watched", [[], ["metering"]], ids=["all namespaces", "one namespace"])
async def test_the_lease_can_be_taken_and_given_to_the_next(
    cluster: ControlPlane, tmp_path: Path, watched: list[str]
) -> None:
    install(cluster, watched)
    as_itself = client.Configuration()
    await config.load_kube_config(str(as_operator(cluster, tmp_path)), client_configuration=as_itself)
    async with client.ApiClient(as_itself) as api:
        for candidate in ("one", "two"):
            async with asyncio.timeout(SOON.total_seconds()):
                leadership = Leadership(ClusterClient(api), NAMESPACE, ACCOUNT, candidate)
                async with leadership.held(asyncio.Event()):
                    assert holder(cluster) == leadership.identity
                assert holder(cluster) == ""


def holder(cluster: ControlPlane) -> str:
    return cluster.kubectl("get", "lease", ACCOUNT, "-n", NAMESPACE, "--output=jsonpath={.spec.holderIdentity}")
