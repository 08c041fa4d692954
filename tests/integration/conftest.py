"""The fixtures of the tests on a real broker that the other tiers have no use for."""

from collections.abc import Iterator

import pytest

from tests.support.rabbitmq import RabbitMQ


@pytest.fixture(scope="session")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A second broker, to be stopped and frozen; who uses it leaves it running."""
    with RabbitMQ(tmp_path_factory.mktemp("fragile")) as started:
        yield started
