"""Real faults under a fleet at work: no task is lost, none is run twice without need, and for how long it lasts.

`make soak NAME=real_faults` plays all of them and prints a line each; docs/reliability.md has them as a table.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.controlplane import REPOSITORY, ControlPlane
from tests.support.fault_scene import Scene, play
from tests.support.fleet import Fleet
from tests.support.installation import Installation
from tests.support.process_node import ProcessNode
from tests.support.rabbitmq import RabbitMQ
from tests.support.real_faults import FAULTS

QUICKEST = "resource is made anew"
"""It harms nothing that other tests need."""


@pytest.fixture(scope="module")
def plane_to_harm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that no other test misses."""
    crds = sorted((REPOSITORY / "crds").glob("*.yaml"))
    with ControlPlane(tmp_path_factory.mktemp("plane"), crds=crds) as started:
        yield started


@pytest.fixture(scope="module")
def broker_to_harm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A broker that no other test misses."""
    with RabbitMQ(tmp_path_factory.mktemp("broker")) as started:
        yield started


def played(fault: str, plane: ControlPlane, broker: RabbitMQ, vhost: str, folder: Path) -> dict[str, object]:
    """One fault on a fleet of its own; what is printed of it."""
    with plane.namespace() as namespace, ExitStack() as stack:
        node = stack.enter_context(ProcessNode(plane, namespace, folder / "node"))
        installation = Installation(Fleet(plane, namespace), broker, vhost, node, folder / "ledger")
        return play(Scene(installation, folder, stack), fault, FAULTS[fault]).row()


def test_a_resource_that_is_deleted_and_made_again_at_once_costs_no_task(
    controlplane: ControlPlane, rabbitmq: RabbitMQ, vhost: str, tmp_path: Path
) -> None:
    played(QUICKEST, controlplane, rabbitmq, vhost, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_no_task_is_lost_and_a_pool_wakes_again(
    fault: str,
    plane_to_harm: ControlPlane,
    broker_to_harm: RabbitMQ,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = played(fault, plane_to_harm, broker_to_harm, "/", tmp_path)
    # The next fault begins with a broker on which nothing is left of this one.
    for queue in broker_to_harm.queues("/"):
        broker_to_harm.api("DELETE", f"/api/queues/%2F/{queue}")
    with capsys.disabled():
        sys.stdout.write(f"\n{json.dumps(row)}\n")
