"""One test bed for all end-to-end tests of a run."""

import os
from collections.abc import Iterator

import pytest

from demo.bed import Bed
from tests.support.bed import bed_up

# A cluster that was there before has other nodes than these tests stop.
collect_ignore = ["test_beat_nodes.py"] if os.environ.get("CLUSTER") == "existing" else []


@pytest.fixture(scope="session")
def bed(request: pytest.FixtureRequest) -> Iterator[Bed]:
    """A cluster with RabbitMQ and the operator, and two workers that take only pods that ask for one.

    Make a namespace of your own in it.
    """
    with bed_up(keep=request.config.getoption("--keep-cluster"), workers=2) as up:
        yield up
