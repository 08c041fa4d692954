"""A release of the chart on the test bed's cluster, by helm, and a fleet of one pool beside it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo.bed import Bed
from demo.broker import Broker
from demo.cluster import PODS, Cluster
from demo.scenario import SECRET, environment, quickstart
from demo.snapshot import Watcher
from hack.chart import NAMESPACE as SYSTEM
from tests.support.chart import CHART, helm

QUEUE = "utilitarian.tasks.default"
POOL = {"name": "one", "queues": [QUEUE], "worker": {"concurrency": 1}, "scaling": {"max": 2}, "drainTimeout": "60s"}
WAITED = ("--wait", "--timeout=120s")


@contextmanager
def fleet(bed: Bed, namespace: str, queue: str = QUEUE) -> Iterator[Watcher]:
    """A fleet of one pool in a namespace of its own, not created yet; both are gone after the block."""
    cluster, broker = Cluster.of(bed, namespace), Broker(bed)
    cluster.delete_namespace()
    cluster.wait_gone(120)
    broker.sweep()
    cluster.make_namespace()
    cluster.make_secret(SECRET, environment(bed))
    resource = quickstart()
    resource["spec"] |= {"pools": [POOL | {"queues": [queue]}], "beat": {"enabled": False}, "podSecurity": "Restricted"}
    made = Watcher(cluster, broker, resource)
    try:
        yield made
    finally:
        cluster.delete_fleet(made.name)
        cluster.wait_without_pods(90)
        cluster.delete_namespace()
        cluster.wait_gone(120)
        broker.sweep()


def release(bed: Bed, *arguments: str, namespace: str = SYSTEM, values: Mapping[str, Any] | None = None) -> str:
    """What helm says of a release of the test bed's cluster."""
    where = ("--kubeconfig", bed.kubeconfig, "--kube-context", bed.context)
    return helm(*arguments, *where, namespace=namespace, values=values)


def installed(bed: Bed, name: str, values: Mapping[str, Any], *, chart: Path = CHART, namespace: str = SYSTEM) -> None:
    """Install a release with these values, and wait until its operator is ready."""
    options = (*WAITED, "--create-namespace", "--values", "-")
    release(bed, "install", name, str(chart), *options, values=values, namespace=namespace)


def pods(cluster: Cluster) -> set[str]:
    """The uid of each pod of a namespace."""
    return {pod["metadata"]["uid"] for pod in cluster.items(PODS)}
