"""Each fault in docs/reliability.md names the tests that prove it, they exist, and none that is played is left out."""

import pytest

from tests.support.real_faults import FAULTS
from tests.support.tested_rows import TESTS, named_in, rows

ROWS = rows("reliability.md", "## Fault")


@pytest.mark.parametrize("cells", ROWS, ids=lambda cells: cells[0])
def test_a_fault_says_for_how_long_and_has_tests_that_exist(cells: list[str]) -> None:
    fault, happens, lasts, tests = cells
    assert happens
    assert lasts
    assert fault in FAULTS or named_in(tests)
    assert set(named_in(tests)) <= TESTS


def test_each_fault_that_is_played_has_a_row() -> None:
    assert FAULTS.keys() - {cells[0] for cells in ROWS} == set()
