"""The fixtures that every tier shares: thin, because tests/support holds what they start; no test logic here."""

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from hack import debian_rabbitmq
from tests.support.controlplane import REPOSITORY, ControlPlane
from tests.support.examples import examples
from tests.support.rabbitmq import RabbitMQ
from tests.support.sharing import Sharing, measures

# pytest imports readline, which tells the processes that come after it of a terminal, also where there is none.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)
    os.unsetenv(name)

# How long one example takes, or is made, says how busy the machine is, and nothing of the code.
settings.register_profile("tests", deadline=None, max_examples=examples(), suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/golden anew; then look at the diff")
    parser.addoption(
        "--bless-templates",
        metavar="WORDS",
        help="take the pod templates as they are now for those of the release; CHANGELOG.md must say so in these words",
    )
    parser.addoption(
        "--keep-cluster",
        action="store_true",
        help="leave the kind cluster of the end-to-end tests running afterwards, for a look or for the next run",
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import the tests without the search for garbage, which finds none, and search later only in what comes then."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing:
    """How a run of several processes hands out its tests."""
    return Sharing(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what is measured; then the other tests on the cluster, which take long one after the other."""
    cluster = REPOSITORY / "tests" / "e2e"
    items.sort(key=lambda item: (not measures(item.nodeid), not item.path.is_relative_to(cluster)))


@pytest.fixture(scope="session")
def controlplane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real control plane with the product's CRD, for the whole run; make a `namespace` of your own in it."""
    crds = sorted(Path(REPOSITORY, "crds").glob("*.yaml"))
    with ControlPlane(tmp_path_factory.mktemp("controlplane"), crds=crds) as started:
        yield started


@pytest.fixture
def namespace(controlplane: ControlPlane) -> Iterator[str]:
    """A namespace of the test's own."""
    with controlplane.namespace() as name:
        yield name


@pytest.fixture(scope="session")
def rabbitmq(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A real broker for the whole run; make a `vhost` of your own in it. The parameter names a suite of Debian."""
    suite = getattr(request, "param", None)
    root = None if suite is None else debian_rabbitmq.root(suite)
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq"), root=root) as started:
        yield started


@pytest.fixture
def vhost(rabbitmq: RabbitMQ) -> Iterator[str]:
    """A vhost of the test's own."""
    with rabbitmq.vhost() as name:
        yield name
