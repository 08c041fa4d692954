"""Each line of the operator's log has a constant text and says what it is about in values of its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import utilitarian_operator

PACKAGE = Path(utilitarian_operator.__file__).parent
LEVELS = ("debug", "info", "warning", "error", "exception")


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a `logger`, and where it stands."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"), attr=level)) if level in LEVELS:
                    yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node


CALLS = [pytest.param(call, id=where) for where, call in calls()]


@pytest.mark.parametrize("call", CALLS)
def test_a_message_is_constant(call: ast.Call) -> None:
    (message,) = call.args
    assert isinstance(message, ast.Constant)
    assert isinstance(message.value, str)
    assert "%" not in message.value


@pytest.mark.parametrize("call", CALLS)
def test_what_it_is_about_stands_in_values(call: ast.Call) -> None:
    assert {it.arg for it in call.keywords} <= {"extra", "exc_info"}


def test_the_calls_are_found() -> None:
    assert len(CALLS) > 20
