"""One test bed for all end-to-end tests of a run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.bed import Bed
from tests.support.bed import bed_up


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests, one of them has all that need the cluster."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group("cluster"))


@pytest.fixture(scope="session")
def bed(request: pytest.FixtureRequest) -> Iterator[Bed]:
    """A cluster with RabbitMQ and the operator; make a namespace of your own in it."""
    with bed_up(keep=request.config.getoption("--keep-cluster")) as up:
        yield up
