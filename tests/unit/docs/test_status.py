"""docs/events.md and docs/status.md name what the operator says, all of it and nothing else."""

import ast
import re
from pathlib import Path

import pytest

from utilitarian_operator.api.generated.crd import definition
from utilitarian_operator.core import blocker
from utilitarian_operator.core.beat import checks as beat
from utilitarian_operator.core.observation import pod_failures as pod_failure
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.core.status import conditions
from utilitarian_operator.reconcile.act.events import WARNINGS

ROOT = Path(__file__).resolve().parents[3]
EVENTS = (ROOT / "docs" / "events.md").read_text()
STATUS = (ROOT / "docs" / "status.md").read_text()


def rows(page: str) -> list[list[str]]:
    """The cells of every row of the tables of a page, without the heads."""
    lines = [line.strip("|").split(" | ") for line in page.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in cells] for cells in lines if not set("".join(cells)) <= set("- |")]


def test_every_event_is_described_with_its_type_and_what_to_do() -> None:
    described = {cells[0].strip("`"): cells[1:] for cells in rows(EVENTS)[1:]}
    assert set(described) == set(Reason)
    for reason, (kind, when, what_to_do) in described.items():
        assert kind == ("Warning" if reason in WARNINGS else "Normal"), reason
        assert when.endswith(".")
        assert what_to_do.endswith(".")


def test_every_reason_of_a_condition_is_described() -> None:
    """Each `Condition(type, status, reason, …)` of the source has its row; so have blockers and pod failures."""
    described = set()
    kind = ""
    for cells in rows(STATUS)[1:]:
        kind = cells[0].strip("`") or kind
        status = cells[1].partition(" ")[0]
        described |= {(kind, status, reason) for reason in re.findall(r"`(\w+)`", cells[1])}
    blockers = {value for name, value in vars(blocker).items() if name.isupper()}
    said = _conditions() | {("Stalled", "True", reason) for reason in blockers}
    said |= {("Ready", "False", reason) for reason in pod_failure.REASONS}
    said |= {("Ready", "False", reason) for reason in (blocker.REFUSED, blocker.NAME_TAKEN)}
    said |= {(kind, "False", reason) for kind in ("Ready", "Reconciling") for reason in conditions.WHY_NOTHING_RUNS}
    assert described == said


def _conditions() -> set[tuple[str, ...]]:
    trees = [ast.parse(Path(module.__file__ or "").read_text()) for module in (beat, conditions)]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = [call.args[:3] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Condition"]
    return {tuple(a.value for a in args) for args in found if all(isinstance(a, ast.Constant) for a in args)}  # type: ignore[misc, attr-defined]


@pytest.mark.parametrize("reason", [value for name, value in vars(blocker).items() if name.isupper()])
def test_a_blocker_is_recorded_as_a_warning(reason: str) -> None:
    assert Reason(reason) in WARNINGS


def test_every_column_is_described() -> None:
    columns = [it["name"] for it in definition()["spec"]["versions"][0]["additionalPrinterColumns"]]
    section = STATUS.partition("## Columns")[2]
    assert [name for name in columns if name not in section and name != "Message"] == []
