"""The release on a real cluster while workers are busy: upgraded, rolled back, uninstalled, installed again."""

import time
from collections.abc import Iterator

import pytest
import yaml

from demo.bed import Bed
from demo.broker import Broker, Lot
from demo.cluster import DEPLOYMENTS, PODS, Cluster
from demo.scenario import SECRET, environment, quickstart
from demo.snapshot import Watcher
from hack.chart import NAMESPACE as SYSTEM
from hack.chart import RELEASE
from tests.support.chart import CHART, helm

NAMESPACE = "e2e-chart"
QUEUE = "utilitarian.tasks.default"
SOON = 120.0
WITHIN_S = 180.0
POOL = {"name": "one", "queues": [QUEUE], "worker": {"concurrency": 1}, "scaling": {"max": 2}, "drainTimeout": "60s"}


@pytest.fixture
def watcher(bed: Bed) -> Iterator[Watcher]:
    """A fleet of one pool, not created yet."""
    cluster, broker = Cluster.of(bed, NAMESPACE), Broker(bed)
    cluster.delete_namespace()
    cluster.wait_gone(120)
    broker.sweep()
    cluster.make_namespace()
    cluster.make_secret(SECRET, environment(bed))
    resource = quickstart()
    resource["spec"] |= {"pools": [POOL], "beat": {"enabled": False}, "podSecurity": "Restricted"}
    made = Watcher(cluster, broker, resource)
    try:
        yield made
    finally:
        cluster.delete_fleet(made.name)
        cluster.wait_without_pods(90)
        cluster.delete_namespace()
        cluster.wait_gone(120)
        broker.sweep()


def release(bed: Bed, *arguments: str) -> str:
    """What helm says of the release of the test bed."""
    where = ("--kubeconfig", bed.kubeconfig, "--kube-context", bed.context)
    return helm(*arguments, *where, namespace=SYSTEM)


def installed(bed: Bed, values: str) -> None:
    """Install the release with these values, in YAML."""
    where = ("--kubeconfig", bed.kubeconfig, "--kube-context", bed.context)
    options = ("--wait", "--timeout=120s", "--values", "-")
    helm("install", RELEASE, str(CHART), *options, *where, values=yaml.safe_load(values), namespace=SYSTEM)


def pods(cluster: Cluster) -> set[str]:
    return {pod["metadata"]["uid"] for pod in cluster.items(PODS)}


def test_two_commands_lead_to_a_running_fleet_within_three_minutes(bed: Bed, watcher: Watcher) -> None:
    values = release(bed, "get", "values", RELEASE, "--output", "yaml")
    release(bed, "uninstall", RELEASE, "--wait", "--timeout=120s")
    watcher.broker.send([Lot(QUEUE, 1, {"distribution": "uniform", "low": 1, "high": 2})])
    began = time.monotonic()
    installed(bed, values)
    watcher.cluster.make_fleet(watcher.resource)
    watcher.until(lambda seen: seen.pools[0].ready >= 1, within=SOON, what="no worker came")
    assert time.monotonic() - began < WITHIN_S


def test_no_release_touches_a_worker_that_is_busy(bed: Bed, watcher: Watcher) -> None:
    slow = {"distribution": "uniform", "low": 25, "high": 35}
    sent = watcher.broker.send([Lot(QUEUE, 6, slow)])
    watcher.cluster.make_fleet(watcher.resource)
    watcher.until(lambda seen: seen.pools[0].ready >= 1, within=SOON, what="no worker came")
    values = release(bed, "get", "values", RELEASE, "--output", "yaml")
    before = pods(watcher.cluster)

    upgrade = ("upgrade", RELEASE, str(CHART), "--reuse-values", "--wait", "--timeout=120s")
    release(bed, *upgrade, "--set-string", "podAnnotations.round=two")
    assert before <= pods(watcher.cluster)
    release(bed, "rollback", RELEASE, "--wait", "--timeout=120s")
    assert before <= pods(watcher.cluster)
    assert "Succeeded" in release(bed, "test", RELEASE, "--timeout=60s")

    release(bed, "uninstall", RELEASE, "--wait", "--timeout=120s")
    assert before <= pods(watcher.cluster)
    assert watcher.cluster.items(DEPLOYMENTS)
    installed(bed, values)
    watcher.until(lambda seen: seen.asleep, within=300.0, what="the fleet did not finish and sleep")
    summary = watcher.ledger.summary(task for part in sent for task in part.ids)
    assert summary.each_finished_once, summary
