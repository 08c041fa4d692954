"""A rule has one name, and its name is written once."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import utilitarian_operator
from utilitarian_operator.core.sizing.decision import Rule, Step, start

PACKAGE = Path(utilitarian_operator.__file__).parent
TEXTS = {path: path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
MODULES = [path for path, text in TEXTS.items() if "Step(" in text or "rule" in text]


def literals(tree: ast.AST) -> Iterator[ast.expr]:
    """What stands where the name of a rule is meant: the first word of a step, and what a rule is compared with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Step":
            yield from node.args[:1]
        if isinstance(node, ast.Compare) and ast.unparse(node.left).split(".")[-1] == "rule":
            for it in node.comparators:
                yield from it.elts if isinstance(it, ast.Set | ast.Tuple | ast.List) else [it]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_rule_is_named_by_a_bare_string(path: Path) -> None:
    found = [it for it in literals(ast.parse(TEXTS[path])) if isinstance(it, ast.Constant | ast.JoinedStr)]
    assert [ast.unparse(it) for it in found] == []


def test_the_step_that_set_the_number_is_the_last_that_changed_it() -> None:
    steps = [
        Step(Rule.DEMAND, 0, 3, "3 are needed"),
        Step(Rule.BOUNDS, 3, 2, "max is 2"),
        Step(Rule.CALM, 2, 2, "2 are kept"),
    ]
    decision = start(steps[0]).then(steps[1]).then(None).then(steps[2])
    assert (decision.replicas, decision.rule, decision.message) == (2, "bounds", "max is 2")
    assert decision.trail == tuple(steps)


def test_a_first_step_that_changes_nothing_decides() -> None:
    assert start(Step(Rule.UNKNOWN, 2, 2, "nothing changes")).rule == "unknown"
