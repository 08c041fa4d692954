"""Each claim of docs/security.md names what proves it, and that is there."""

import re

import pytest

from tests.support.tested_rows import ROOT, TESTS, rows

TABLES = ("## What a platform team checks", "## One neighbour never stops the others", "## Leases and health")
AGAIN = "the same"


def named(cell: str) -> list[str]:
    """Files and tests that a cell names: a file by its path or its name, a test by its name; commands are none."""
    return [part.rstrip("…") for text in re.findall(r"`([^` ]+)`", cell) for part in text.split("::")]


def is_there(name: str) -> bool:
    """Whether there is such a file, or such a test, of which the beginning may be given."""
    if "/" in name:
        return any((ROOT / folder / name).exists() for folder in ("", "tests"))
    if name.endswith(".py"):
        return next((ROOT / "tests").rglob(name), None) is not None
    return any(it.startswith(name) for it in TESTS)


@pytest.mark.parametrize("heading", TABLES)
def test_each_row_names_tests_that_exist(heading: str) -> None:
    last = [cells[-1] for cells in rows("security.md", heading)]
    assert len(last) > 10
    assert [cell for cell in last if not named(cell) and AGAIN not in cell] == []
    assert [name for cell in last for name in named(cell) if not is_there(name)] == []
