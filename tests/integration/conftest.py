"""The fixtures of the tests on a real broker that the other tiers have no use for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.installation import Installation
from tests.support.operator import Operator, in_process
from tests.support.process_node import ProcessNode
from tests.support.rabbitmq import RabbitMQ
from utilitarian_operator.adapters.intervals import (
    Intervals,
)
from utilitarian_operator.api.patience import Patience

SUITES = [
    pytest.param(None, id="rabbitmq3"),
    pytest.param("trixie", id="rabbitmq4-trixie", marks=pytest.mark.soak),
    pytest.param("sid", id="rabbitmq4-sid", marks=pytest.mark.soak),
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of a module with `EVERY_RABBITMQ` on each; `make soak NAME=rabbitmq4` has the newer ones."""
    if getattr(metafunc.module, "EVERY_RABBITMQ", False) and "rabbitmq" in metafunc.fixturenames:
        metafunc.parametrize("rabbitmq", SUITES, indirect=True, scope="session")


@pytest.fixture(scope="session")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A second broker, to be stopped and frozen; who uses it leaves it running."""
    with RabbitMQ(tmp_path_factory.mktemp("fragile")) as started:
        yield started


@pytest.fixture
def installation(
    controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str, tmp_path: Path
) -> Iterator[Installation]:
    """Everything but the operator and the resource."""
    fleet = Fleet(controlplane, namespace)
    with ProcessNode(controlplane, namespace, tmp_path / "node") as node:
        yield Installation(fleet, rabbitmq, vhost, node, tmp_path / "ledger")


@pytest.fixture
def intervals() -> Intervals:
    """How often the operator asks a broker; a module or a test may have its own."""
    return Intervals()


@pytest.fixture
def patience() -> Patience:
    """How long symptoms must last; a module or a test may have its own."""
    return Patience()


@pytest.fixture
def operator(
    controlplane: ControlPlane, namespace: str, intervals: Intervals, patience: Patience
) -> Iterator[Operator]:
    """An operator that watches the test's namespace."""
    with in_process(controlplane, namespace, intervals=intervals, patience=patience) as running:
        yield running
