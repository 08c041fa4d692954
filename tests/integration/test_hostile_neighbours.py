"""Hostile neighbours beside a healthy fleet, on a real API server and broker: it wakes in time, and memory is bounded.

Ten fleets whose brokers are silent, drip or send bombs; and a namespace full of objects as large as etcd takes.
"""

import contextlib
import gzip
import logging
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.controlplane import MERGE_PATCH, ControlPlane
from tests.support.hostile_server import DRIP, serving
from tests.support.http import HttpError
from tests.support.operator import Operator, as_process, in_process
from tests.support.pace import Pace, paced
from tests.support.plain_fleet import apply
from tests.support.ports import LOOPBACK
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian_operator.api.objects import Object

HOSTILE, POOLS = 10, 20
WAKES_WITHIN_S = 2.0
LARGE_FLEETS, LARGE_PODS, LIMIT_MIB = 8, 16, 256
"""Read whole and kept, they would take 150 MiB, and several times that while they are listed and told."""

SOON = timedelta(seconds=120)
BOMB = gzip.compress(b" " * 64 * 1024 * 1024, 9)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"


def woken(
    controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str, pools: range = range(POOLS)
) -> tuple[list[float], Pace]:
    """After how many seconds each of these pools of the healthy fleet is asked for, one after the other."""
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    wait_until(lambda: len(controlplane.request("GET", deployments)["items"]) == POOLS, within=SOON)

    def replicas(number: int) -> int:
        return int(controlplane.request("GET", f"{deployments}/healthy-p{number}")["spec"]["replicas"])

    took = []
    with paced() as pace:
        for number in pools:
            begun = time.monotonic()
            rabbitmq.publish(vhost, f"q{number}", ["{}"])
            wait_until(lambda number=number: replicas(number) >= 1, within=SOON)
            took.append(time.monotonic() - begun)
    return took, pace


def healthy_fleet(controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str) -> None:
    queues = [f"q{number}" for number in range(POOLS)]
    for queue in queues:
        rabbitmq.declare(vhost, queue)
    apply(controlplane, namespace, "healthy", rabbitmq.amqp_url(vhost), "", queues)


@pytest.fixture
def theirs(controlplane: ControlPlane) -> Iterator[str]:
    """A hostile namespace."""
    with controlplane.namespace("hostile") as name:
        yield name


def test_a_healthy_fleet_wakes_in_time_beside_ten_hostile_ones(
    controlplane: ControlPlane, namespace: str, theirs: str, rabbitmq: RabbitMQ, vhost: str
) -> None:
    with (
        serving(b"", 0) as silent,
        serving(DRIP, 1.0) as dripping,
        serving(HEAD % len(BOMB) + BOMB, 0) as bomb,
        in_process(controlplane, namespace, theirs) as operator,
    ):
        for number in range(HOSTILE):
            ports = [(silent, dripping)[(number + address) % 2] for address in range(3)]
            url = ";".join(f"amqp://u{number}:p@{LOOPBACK}:{port}" for port in ports)
            apply(controlplane, theirs, f"hostile-{number}", url, f"http://{LOOPBACK}:{bomb}", ["q"])
        healthy_fleet(controlplane, namespace, rabbitmq, vhost)
        took, pace = woken(controlplane, namespace, rabbitmq, vhost)
        healthy = operator.healthy()
    told("wakes", took)
    assert healthy
    assert pace.allows(max(took), WAKES_WITHIN_S), (took, pace)


def told(what: str, took: list[float], **more: object) -> None:
    figures = {"longest": round(max(took), 2), "median": round(sorted(took)[len(took) // 2], 2)}
    logging.getLogger(__name__).warning("%s in seconds: %s", what, figures | more)


def large_fleet(name: str, parts: int = 100_000) -> Object:
    """One of 300 KB that takes 8 MiB as Python keeps it: of larger ones the API server gives up some."""
    broker = {"urlFrom": {"secretKeyRef": {"name": "none", "key": "URL"}}}
    template = {"spec": {"x": [{}] * parts}}
    return {
        "apiVersion": "utilitarian.io/v1alpha1",
        "kind": "UtilitarianWorkerPool",
        "metadata": {"name": name},
        "spec": {"image": "u:1", "broker": broker, "defaults": {"pod": {"template": template}}},
    }


def large_pod(name: str) -> Object:
    """One of 800 KB with the operator's labels, of whose environment each variable takes ten times its text."""
    env = [{"name": f"E{number}", "value": ""} for number in range(20_000)]
    labels = {"app.kubernetes.io/managed-by": "utilitarian-operator", "app.kubernetes.io/instance": "hostile"}
    annotations = {f"a{number}": "x" * 200 for number in range(1_000)}
    return {
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
        "spec": {"automountServiceAccountToken": False, "containers": [{"name": "c", "image": "u:1", "env": env}]},
    }


@contextlib.contextmanager
def rewriting(controlplane: ControlPlane, path: str) -> Iterator[list[int]]:
    """Write an object again and again, as fast as the API server lets a client; yields how often that was."""
    over, written = threading.Event(), [0]

    def write() -> None:
        while not over.is_set():
            change = {"metadata": {"annotations": {"utilitarian.io/again": str(written[0])}}}
            controlplane.request("PATCH", path, change, MERGE_PATCH)
            written[0] += 1

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield written
    finally:
        over.set()
        thread.join()


def most_memory(pid: int) -> int:
    """The most MiB that a process has had in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def test_a_namespace_full_of_large_objects_fills_no_memory_and_holds_up_no_other(
    controlplane: ControlPlane,
    namespace: str,
    theirs: str,
    rabbitmq: RabbitMQ,
    vhost: str,
    tmp_path: Path,
) -> None:
    of_fleets = f"/apis/utilitarian.io/v1alpha1/namespaces/{theirs}/utilitarianworkerpools"
    flood = [
        *((of_fleets, large_fleet(f"f{number}")) for number in range(LARGE_FLEETS)),
        *((f"/api/v1/namespaces/{theirs}/pods", large_pod(f"p{number}")) for number in range(LARGE_PODS)),
    ]
    memory = ["--memory", f"{LIMIT_MIB}Mi"]
    with as_process(controlplane, namespace, theirs, directory=tmp_path, options=memory) as (process, operator):
        healthy_fleet(controlplane, namespace, rabbitmq, vhost)
        at_first = most_memory(process.pid)
        for path, body in flood:
            controlplane.request("POST", path, body)
        half = POOLS // 2
        with rewriting(controlplane, f"{of_fleets}/f0") as written:
            took, pace = woken(controlplane, namespace, rabbitmq, vhost, range(half))
        flooded = most_memory(process.pid)
        assert operator.healthy()
        process.stop()
        process.start()
        process.wait_ready(operator.healthy, within=SOON, ignoring=(OSError, HttpError))
        apart = woken(controlplane, namespace, rabbitmq, vhost, range(half, half + 1))[0]
        anew, pace_anew = woken(controlplane, namespace, rabbitmq, vhost, range(half + 1, POOLS))
        begun_anew = most_memory(process.pid)
    told("wakes", [*took, *anew], first_after_a_start=apart, rewritten=written[0], mib=(at_first, flooded, begun_anew))
    assert max(flooded, begun_anew) < LIMIT_MIB
    assert pace.allows(max(took), WAKES_WITHIN_S), (took, pace)
    assert pace_anew.allows(max(anew), WAKES_WITHIN_S), (anew, pace_anew)


LIMIT, PARTS_THAT_ARE_KEPT = 32 * 2**20, 40_000
"""All objects together may take a quarter of the limit; a resource with so many parts takes 3.5 MiB, and is kept."""


def test_a_namespace_that_takes_too_much_gives_way_and_is_taken_back(
    controlplane: ControlPlane, namespace: str, theirs: str, rabbitmq: RabbitMQ, vhost: str
) -> None:
    of_fleets = f"/apis/utilitarian.io/v1alpha1/namespaces/{theirs}/utilitarianworkerpools"
    deployment = f"/apis/apps/v1/namespaces/{theirs}/deployments/theirs-p0"
    left_alone = f"the fleets of namespace {theirs} are left alone: its objects take"
    flood = [f"f{number}" for number in range(3)]

    def replicas() -> int:
        return int(controlplane.request("GET", deployment)["spec"]["replicas"])

    def told_by(instance: str) -> list[str]:
        found = controlplane.request("GET", f"/apis/events.k8s.io/v1/namespaces/{theirs}/events")["items"]
        by = [it for it in found if it["reason"] == "NamespaceTooLarge" and it["reportingInstance"] == instance]
        return [it["note"] for it in by if left_alone in it["note"]]

    def operating(instance: str) -> contextlib.AbstractContextManager[Operator]:
        bounds = {"memory": LIMIT, "resync": timedelta(seconds=2)}
        return in_process(controlplane, namespace, theirs, instance=instance, **bounds)

    rabbitmq.declare(vhost, "theirs")
    with operating("first") as operator:
        apply(controlplane, theirs, "theirs", rabbitmq.amqp_url(vhost), "", ["theirs"])
        healthy_fleet(controlplane, namespace, rabbitmq, vhost)
        wait_until(lambda: replicas() == 0, within=SOON, ignoring=(HttpError,))
        for name in flood:
            controlplane.request("POST", of_fleets, large_fleet(name, PARTS_THAT_ARE_KEPT))
        wait_until(lambda: left_alone in operator.readiness(), within=SOON, describe=operator.readiness)
        wait_until(lambda: told_by("first"), within=SOON)
        rabbitmq.publish(vhost, "theirs")
        took, pace = woken(controlplane, namespace, rabbitmq, vhost, range(3))
        assert replicas() == 0, "it is left as it is"
        figures = operator.metrics()
        assert 0 < figures["utilitarian_kept_bytes"] < figures["utilitarian_kept_limit_bytes"] == LIMIT / 4
    with operating("second") as operator:  # the first list has it all, before any Lease is held
        wait_until(lambda: told_by("second"), within=SOON)
        for name in flood:
            controlplane.request("DELETE", f"{of_fleets}/{name}")
        wait_until(lambda: replicas() == 1, within=SOON)
        wait_until(lambda: operator.readiness() == "ok\n", within=SOON, describe=operator.readiness)
    told("wakes", took)
    assert pace.allows(max(took), WAKES_WITHIN_S), (took, pace)
