"""One test bed for all end-to-end tests of a run."""

from collections.abc import Iterator

import pytest

from demo.bed import Bed
from tests.support.bed import bed_up


@pytest.fixture(scope="session")
def bed(request: pytest.FixtureRequest) -> Iterator[Bed]:
    """A cluster with RabbitMQ and the operator; make a namespace of your own in it."""
    with bed_up(keep=request.config.getoption("--keep-cluster")) as up:
        yield up
