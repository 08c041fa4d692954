"""Each situation in docs/sight.md names the tests that prove it, and they exist."""

import re

import pytest

from tests.support.tested_rows import ROOT, TESTS, named_in, rows


@pytest.mark.parametrize("cells", rows("sight.md", "## Situation"), ids=lambda cells: cells[0])
def test_a_situation_has_tests_that_exist(cells: list[str]) -> None:
    named = named_in(cells[3])
    assert named
    assert set(named) <= TESTS


def test_other_pages_name_only_tests_that_exist() -> None:
    files = set(re.findall(r"`(tests/[\w/.]+)`", "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))))
    assert {path for path in files if not (ROOT / path).exists()} == set()
