"""Brings the test bed (a kind cluster with RabbitMQ and the operator) up for a run, and opens ports into it."""

import contextlib
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from demo.bed import ROOT, STATE, Bed, read_bed
from hack import chart, rabbitmq, tools
from hack.cluster import has_node, ours
from hack.engine import running
from tests.support.processes import Process

_LOG = "UTILITARIAN_OPERATOR_LOG"
OPEN_WITHIN = timedelta(seconds=30)


@contextlib.contextmanager
def bed_up(*, keep: bool, workers: int = 0) -> Iterator[Bed]:
    """The test bed for the time of the block; one that was up before is used and left as it is.

    Args:
        keep: leave it.
        workers: nodes beside the control plane; one that was up with another number of them is made anew.

    Raises:
        subprocess.CalledProcessError: it doesn't come up, or something is left of it; the reason stands on stderr.
    """
    was_up = STATE.exists()
    testbed = (sys.executable, "-m", "hack.testbed")
    subprocess.run([*testbed, "up"], cwd=ROOT, check=True, env={**os.environ, "WORKERS": str(workers)})
    try:
        yield read_bed()
    finally:
        if not (keep or was_up):
            subprocess.run([*testbed, "down"], cwd=ROOT, check=True)


@contextlib.contextmanager
def operator_metrics(bed: Bed, folder: Path) -> Iterator[tuple[str, str]]:
    """Where this machine reads the operator's metrics, as `host:port` and path, for the time of the block.

    Through the API server, so that it goes on when the operator's pod is replaced (a forwarded port would not).

    Raises:
        ProcessEndedError: kubectl could not open a port; the message holds what it said.
    """
    path = f"/api/v1/namespaces/{chart.NAMESPACE}/services/{chart.RELEASE}-metrics:metrics/proxy/metrics"
    command = [*_kubectl(bed), "proxy", "--port=0", f"--accept-paths=^{path}$"]
    with Process("kubectl-proxy", command, log=folder / "kubectl-proxy.log") as proxy:
        proxy.wait_ready(lambda: _opened(proxy), within=OPEN_WITHIN)
        yield _opened(proxy), path


@contextlib.contextmanager
def recording_operator(bed: Bed) -> Iterator[Callable[[], list[str]]]:
    """Has the operator write each of its looks into its log, for the time of the block; yields a reader of that log."""
    deployment = f"deployment/{chart.RELEASE}"
    _run(bed, "set", "env", deployment, f"{_LOG}_LEVEL=DEBUG", f"{_LOG}_FORMAT=json")
    _run(bed, "rollout", "status", deployment, "--timeout=300s")
    try:
        yield lambda: _run(bed, "logs", deployment, "--tail=-1").splitlines()
    finally:
        _run(bed, "set", "env", deployment, f"{_LOG}_LEVEL-", f"{_LOG}_FORMAT-")


def kill_operator(bed: Bed) -> None:
    """Kills the operator (SIGKILL), which the kubelet then starts again; in a cluster that was there, its pod goes."""
    pods = ("get", "pods", f"--selector=app.kubernetes.io/name={chart.RELEASE}")
    engine = running()
    if engine is None or not has_node(engine):
        pod = _run(bed, *pods, "--output=jsonpath={.items[0].metadata.name}")
        _run(bed, "delete", "pod", pod, "--force", "--grace-period=0", "--wait=false")
        return
    found = _run(bed, *pods, "--output=jsonpath={.items[0].status.containerStatuses[0].containerID}")
    _, _, container = found.partition("://")
    tasks = ("ctr", "--namespace", "k8s.io", "tasks")
    engine.docker("exec", ours().node, *tasks, "kill", "--signal", "SIGKILL", container)


def stop_broker(bed: Bed) -> None:
    """Ends the broker's process in good order; the kubelet starts it again, with its data."""
    _run(bed, "exec", "deployment/rabbitmq", "--", "sh", "-c", "kill 1", namespace=rabbitmq.NAMESPACE)


@contextlib.contextmanager
def virtual_host(bed: Bed, name: str) -> Iterator[Bed]:
    """The same test bed on a virtual host of its own for the time of the block; all that is on it goes with it.

    Args:
        bed: whose broker.
        name: of the virtual host, to which something is added that no other has.
    """
    user, made = unquote(urlsplit(bed.amqp_url).username or ""), f"{name}-{secrets.token_hex(3)}"

    def of(url: str) -> str:
        return urlunsplit(urlsplit(url)._replace(path=f"/{quote(made, safe='')}"))

    _rabbitmqctl(bed, "add_vhost", made)
    try:
        _rabbitmqctl(bed, "set_permissions", "--vhost", made, user, ".*", ".*", ".*")
        yield replace(bed, amqp_url=of(bed.amqp_url), cluster_amqp_url=of(bed.cluster_amqp_url))
    finally:
        _rabbitmqctl(bed, "delete_vhost", made)


def described(bed: Bed, namespace: str) -> str:
    """What kubectl says of the fleets and pods of a namespace, and its events."""
    return _run(bed, "describe", "uwp,pods", namespace=namespace) + _run(bed, "get", "events", namespace=namespace)


def in_worker(bed: Bed, namespace: str, pod: str, *words: str) -> str:
    """Runs a command in a worker's container and returns what it prints."""
    return _run(bed, "exec", pod, "--container=worker", "--", *words, namespace=namespace)


def _rabbitmqctl(bed: Bed, *words: str) -> None:
    # The user of the management API may look and not make.
    _run(bed, "exec", "deployment/rabbitmq", "--", "rabbitmqctl", "--quiet", *words, namespace=rabbitmq.NAMESPACE)


def _run(bed: Bed, *words: str, namespace: str = chart.NAMESPACE) -> str:
    command = [*_kubectl(bed), "-n", namespace, *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _kubectl(bed: Bed) -> list[str]:
    return [str(tools.program("kubectl")), f"--kubeconfig={bed.kubeconfig}", f"--context={bed.context}"]


def _opened(proxy: Process) -> str:
    found = re.search(r"Starting to serve on (127\.0\.0\.1:\d+)", proxy.log_text())
    return found[1] if found else ""
