"""Tables of the documentation whose rows name the tests that prove them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = frozenset(
    name
    for pattern in ("test_*.py", "*_contract.py")
    for path in (ROOT / "tests").rglob(pattern)
    for name in re.findall(r"def (test_\w+)", path.read_text())
)


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of each row of the table under a heading of a page, without the head of the table.

    Args:
        page: the name of a file in docs/.
        heading: how the heading begins, with its marks.
    """
    table = (ROOT / "docs" / page).read_text().partition(heading)[2].partition("\n## ")[0]
    found = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in cells] for cells in found[2:]]


def named_in(cell: str) -> list[str]:
    """The tests that a cell names."""
    return re.findall(r"`(test_\w+)`", cell)
