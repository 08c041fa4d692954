"""One test bed for all end-to-end tests of a run."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.bed import Bed
from tests.support.bed import bed_up

# A cluster that was there before has other nodes than these tests stop.
collect_ignore = ["test_beat_nodes.py"] if os.environ.get("CLUSTER") == "existing" else []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests, one of them has all that need the cluster."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group("cluster"))


@pytest.fixture(scope="session")
def bed(request: pytest.FixtureRequest) -> Iterator[Bed]:
    """A cluster with RabbitMQ and the operator, and two workers that take only pods that ask for one.

    Make a namespace of your own in it.
    """
    with bed_up(keep=request.config.getoption("--keep-cluster"), workers=2) as up:
        yield up
