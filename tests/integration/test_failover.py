"""Two replicas on a real API server and broker, under load; each is killed, and ended, in turn.

The load are fleets whose brokers are silent or drip: looks at them wait while a replica ends, and while another begins.
`make soak NAME=failover` does it ten times each.
"""

import logging
import signal
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.controlplane import ControlPlane
from tests.support.hostile_server import DRIP, serving
from tests.support.operator import Operator, as_process
from tests.support.pace import paced
from tests.support.plain_fleet import apply
from tests.support.ports import LOOPBACK
from tests.support.processes import Process
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until

LEASE, HOSTILE = "uo", 5
SOON = timedelta(seconds=120)
KILLED_WITHIN_S, ENDED_WITHIN_S = 10.0, 2.0


def holder(controlplane: ControlPlane, namespace: str) -> str:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}"
    return str(controlplane.request("GET", path)["spec"].get("holderIdentity", ""))


def make_fleets(
    controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str, queues: list[str], hostile: list[int]
) -> None:
    """One that wakes, and others whose brokers, on these ports of this machine, don't answer as brokers do."""
    for queue in queues:
        rabbitmq.declare(vhost, queue)
    apply(controlplane, namespace, "healthy", rabbitmq.amqp_url(vhost), "", queues)
    for number in range(HOSTILE):
        url = ";".join(f"amqp://u{number}:p@{LOOPBACK}:{port}" for port in hostile)
        apply(controlplane, namespace, f"hostile-{number}", url, "", ["q"])


@pytest.mark.parametrize(
    "how, within_s", [(signal.SIGKILL, KILLED_WITHIN_S), (signal.SIGTERM, ENDED_WITHIN_S)], ids=["killed", "ended"]
)
@pytest.mark.parametrize("times", [2, pytest.param(10, marks=pytest.mark.soak)])
def test_the_other_replica_writes_soon(  # noqa: PLR0913 - the real parts
    controlplane: ControlPlane,
    namespace: str,
    rabbitmq: RabbitMQ,
    vhost: str,
    tmp_path: Path,
    times: int,
    how: signal.Signals,
    within_s: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queues = [f"q{number}" for number in range(times)]
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"

    def start(name: str) -> tuple[Process, Operator]:
        monkeypatch.setenv("POD_NAME", name)
        folder = tmp_path / f"{name}-{time.monotonic_ns()}"
        folder.mkdir()
        options = ("--lease", LEASE, "--lease-namespace", namespace)
        return stack.enter_context(as_process(controlplane, namespace, directory=folder, options=options))

    def made() -> int:
        items = controlplane.request("GET", deployments)["items"]
        return sum(it["metadata"]["name"].startswith("healthy") for it in items)

    took, by_the_other = [], 0
    with paced() as pace, serving(b"", 0) as silent, serving(DRIP, 1.0) as dripping, ExitStack() as stack:
        make_fleets(controlplane, namespace, rabbitmq, vhost, queues, [silent, dripping])
        replicas = {name: start(name) for name in ("one", "two")}
        wait_until(lambda: made() == times, within=SOON)
        for number, queue in enumerate(queues):
            leader = holder(controlplane, namespace).rpartition("_")[0]
            process, _ = replicas[leader]
            begun = time.monotonic()
            process.signal(how)
            rabbitmq.publish(vhost, queue, ["{}"])  # after it, so that it is not answered by the one that ends
            path = f"{deployments}/healthy-p{number}"

            def written(path: str = path, leader: str = leader) -> bool:
                seen = controlplane.request("GET", path)["spec"]["replicas"] >= 1
                return bool(seen and holder(controlplane, namespace).rpartition("_")[0] not in {leader, ""})

            wait_until(written, within=SOON)
            took.append(round(time.monotonic() - begun, 2))
            [other] = replicas.keys() - {leader}
            by_the_other += has_scaled(replicas[other][1], namespace, number)
            replicas[leader] = start(leader)
    said = "to the next writer, in seconds: %s; scaled by it: %s of %s"
    logging.getLogger(__name__).warning(said, took, by_the_other, times)
    assert by_the_other
    assert pace.allows(max(took), within_s), (took, pace)


def has_scaled(operator: Operator, namespace: str, pool: int) -> bool:
    """Whether this process has asked for the first worker of a pool."""
    labels = f'direction="up",fleet="healthy",namespace="{namespace}",pool="p{pool}"'
    return operator.metrics().get(f"utilitarian_scale_requests_total{{{labels}}}", 0) >= 1
