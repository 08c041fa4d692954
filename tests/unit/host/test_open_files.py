"""The limit of open files, as the system has it."""

import resource
from collections.abc import Iterator

import pytest

from utilitarian_operator.host.open_files import ENOUGH, allow_enough


@pytest.fixture(autouse=True)
def _limits() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_process_may_open_as_many_as_its_user() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    allow_enough()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(hard, ENOUGH) if hard >= 0 else ENOUGH, hard)


def test_a_limit_that_is_high_enough_is_left_alone() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_enough()
    first = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_enough()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == first
    assert first[0] >= before[0]
