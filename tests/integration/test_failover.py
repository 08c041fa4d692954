"""Two replicas on a real API server and broker, under load; each is killed, and ended, in turn.

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
from tests.support.operator import Operator, as_process
from tests.support.pace import paced
from tests.support.plain_fleet import apply
from tests.support.processes import Process
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until

LEASE = "uo"
SOON = timedelta(seconds=120)
KILLED_WITHIN_S, ENDED_WITHIN_S = 10.0, 2.0


def holder(controlplane: ControlPlane, namespace: str) -> str:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}"
    return str(controlplane.request("GET", path)["spec"].get("holderIdentity", ""))


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
    for queue in queues:
        rabbitmq.declare(vhost, queue)
    apply(controlplane, namespace, "healthy", rabbitmq.amqp_url(vhost), "", queues)
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"

    def start(name: str) -> tuple[Process, Operator]:
        monkeypatch.setenv("POD_NAME", name)
        folder = tmp_path / f"{name}-{time.monotonic_ns()}"
        folder.mkdir()
        options = ("--lease", LEASE, "--lease-namespace", namespace)
        return stack.enter_context(as_process(controlplane, namespace, directory=folder, options=options))

    took = []
    with paced() as pace, ExitStack() as stack:
        replicas = {name: start(name) for name in ("one", "two")}
        wait_until(lambda: len(controlplane.request("GET", deployments)["items"]) == times, within=SOON)
        for number in range(times):
            leader = holder(controlplane, namespace).rpartition("_")[0]
            process, _ = replicas[leader]
            rabbitmq.publish(vhost, queues[number], ["{}"])
            begun = time.monotonic()
            process.signal(how)
            path = f"{deployments}/healthy-p{number}"

            def written(path: str = path, leader: str = leader) -> bool:
                seen = controlplane.request("GET", path)["spec"]["replicas"] >= 1
                return bool(seen and holder(controlplane, namespace).rpartition("_")[0] not in {leader, ""})

            wait_until(written, within=SOON)
            took.append(round(time.monotonic() - begun, 2))
            replicas[leader] = start(leader)
    logging.getLogger(__name__).warning("to the next writer, in seconds: %s", took)
    assert pace.allows(max(took), within_s), (took, pace)
