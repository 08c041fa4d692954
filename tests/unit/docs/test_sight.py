"""Each situation in docs/sight.md names the tests that prove it, and they exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "sight.md").read_text()
TABLE = PAGE.partition("## Situation")[2].partition("\n## ")[0]
SITUATIONS = [line.strip("|").split("|") for line in TABLE.splitlines() if line.startswith("|")][2:]
TESTS = {
    name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
}


@pytest.mark.parametrize("cells", SITUATIONS, ids=lambda cells: cells[0].strip())
def test_a_situation_has_tests_that_exist(cells: list[str]) -> None:
    named = re.findall(r"`(test_\w+)`", cells[3])
    assert named
    assert set(named) <= TESTS


def test_other_pages_name_only_tests_that_exist() -> None:
    files = set(re.findall(r"`(tests/[\w/.]+)`", "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))))
    assert {path for path in files if not (ROOT / path).exists()} == set()
