"""Memory, descriptors, threads, connections and metric series stay flat while fleets come, work, change and go.

`make soak NAME=flat` goes round for twenty minutes (MINUTES=60 for an hour) with real workers and prints the figures.
"""

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.footprint import Footprint, connected, grown
from tests.support.installation import CLEANUP, DEFAULT, DEFAULTS, NO_BEAT, Installation
from tests.support.operator import Operator, as_process
from tests.support.process_node import ProcessNode
from tests.support.processes import Process
from tests.support.rabbitmq import RabbitMQ

MINUTES = float(os.environ.get("MINUTES", "20"))
ROUNDS = 3
"""Of the slice in `make test`, whose pods don't run."""

AT_REST = timedelta(seconds=90)


@dataclass
class Rounds:
    """One operator and its fleets.

    Args:
        installation: the fleet that stays; a pool of it has another name in each round.
        node: whether its pods run.
        process, operator: under which all of it happens.
    """

    installation: Installation
    node: bool
    process: Process
    operator: Operator

    def go_round(self, number: int) -> Footprint:
        """Another pool, another login, a second fleet, work and rest; what the operator takes then."""
        installation, fleet = self.installation, self.installation.fleet
        pools = [{"name": f"work-{number}", "queues": [DEFAULT]}, {"name": "cleanup", "queues": [CLEANUP]}]
        fleet.edit(pools=pools)
        other = Fleet(fleet.controlplane, fleet.namespace, f"other-{number}")
        other.create(None, pools=[{"name": "work", "queues": [f"q-{number}"]}], beat=NO_BEAT)
        installation.wait(lambda: other.condition("Ready")[0])
        installation.wait(lambda: fleet.replicas(f"work-{number}") == 0 and self._pools() == 3)
        installation.send(DEFAULT, 4, 0.2)
        installation.send(CLEANUP, 1, 0.2)
        installation.wait(lambda: all(fleet.replicas(pool["name"]) for pool in pools))
        if not self.node:
            installation.rabbitmq.purge(installation.vhost, DEFAULT, CLEANUP)
        installation.wait(lambda: self._at_rest([pool["name"] for pool in pools]), AT_REST)
        installation.rabbitmq.close_connections(installation.vhost)
        other.delete()
        installation.wait(lambda: self._pools() == 2)
        installation.wait_looks(self.operator, 2)
        installation.wait(lambda: connected(installation.rabbitmq, installation.vhost))
        installation.wait(lambda: fleet.condition("BrokerReachable")[0] == "True")
        assert self._of_earlier_rounds(number) == []
        return Footprint.of(self.process, self.operator, installation.rabbitmq, installation.vhost)

    def _of_earlier_rounds(self, number: int) -> list[str]:
        """Series of pools and fleets that are gone."""
        named = re.compile(r'"(?:work|other)-(\d+)"')
        return [it for it in self.operator.metrics() if (found := named.search(it)) and int(found[1]) != number]

    def _pools(self) -> int:
        """Deployments of all fleets."""
        fleet = self.installation.fleet
        path = f"/apis/apps/v1/namespaces/{fleet.namespace}/deployments"
        return len(fleet.controlplane.request("GET", path)["items"])

    def _at_rest(self, pools: list[str]) -> bool:
        fleet = self.installation.fleet
        return not any(fleet.replicas(pool) or fleet.pods(pool) for pool in pools)


@contextmanager
def rounds(
    controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str, folder: Path, *, node: bool
) -> Iterator[Rounds]:
    """The parts, and a fleet at rest."""
    with ExitStack() as stack:
        running = ProcessNode(controlplane, namespace, folder / "node")
        if node:
            stack.enter_context(running)
        installation = Installation(Fleet(controlplane, namespace), rabbitmq, vhost, running, folder / "ledger")
        installation.declare()
        process, operator = stack.enter_context(as_process(controlplane, namespace, directory=folder))
        installation.create(pools=[{"name": "cleanup", "queues": [CLEANUP]}], defaults=DEFAULTS)
        yield Rounds(installation, node, process, operator)


def test_a_few_rounds_without_workers_leave_nothing(
    controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str, tmp_path: Path
) -> None:
    with rounds(controlplane, namespace, rabbitmq, vhost, tmp_path, node=False) as going:
        taken = [going.go_round(number) for number in range(ROUNDS)]
    assert not grown(taken), taken


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_flat_with_workers_for_a_while(
    controlplane: ControlPlane,
    namespace: str,
    rabbitmq: RabbitMQ,
    vhost: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    taken: list[Footprint] = []
    until = time.monotonic() + 60 * MINUTES
    with rounds(controlplane, namespace, rabbitmq, vhost, tmp_path, node=True) as going:
        while time.monotonic() < until:
            taken.append(going.go_round(len(taken)))
            with capsys.disabled():
                row = {"bench": "flat", "round": len(taken), **asdict(taken[-1])}
                sys.stdout.write(f"{json.dumps(row)}\n")
    assert not grown(taken), taken
