"""One test bed for all end-to-end tests of a run."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from demo.bed import Bed
from tests.support.bed import bed_up

LOSES_A_NODE = "test_beat_nodes.py"
# A cluster that was there before has other nodes than these tests stop.
collect_ignore = [LOSES_A_NODE] if os.environ.get("CLUSTER") == "existing" else []


IN_USE = pytest.StashKey[ExitStack]()


@pytest.fixture(scope="session")
def bed(request: pytest.FixtureRequest) -> Iterator[Bed]:
    """A cluster with RabbitMQ and the operator; make a namespace of your own in it.

    It has two workers, which take only pods that ask for one, where a test of this run loses a node.
    """
    workers = 2 if any(item.path.name == LOSES_A_NODE for item in request.session.items) else 0
    with request.config.stash.setdefault(IN_USE, ExitStack()) as in_use:
        yield in_use.enter_context(bed_up(keep=request.config.getoption("--keep-cluster"), workers=workers))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Take the cluster down after the last test that needs it: three nodes keep a processor busy for the others."""
    if nextitem is None or not nextitem.path.is_relative_to(Path(__file__).parent):
        item.config.stash.get(IN_USE, ExitStack()).close()
