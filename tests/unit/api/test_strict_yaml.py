"""YAML is read as the API server reads it."""

from typing import Any

import pytest
import yaml

from utilitarian_operator.api.strict_yaml import DEEPEST, StrictLoader


def read(text: str) -> Any:
    return yaml.load(text, Loader=StrictLoader)  # noqa: S506 - it is a safe one


@pytest.mark.parametrize(
    "text,value",
    [
        ("at: 2026-11-23", {"at": "2026-11-23"}),
        ("at: 2026-13-01T99:00:00Z", {"at": "2026-13-01T99:00:00Z"}),
        ("{a: 1, b: {a: 1}}", {"a": 1, "b": {"a": 1}}),
        ("[true, null, 1.5, text]", [True, None, 1.5, "text"]),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
    ],
    ids=["a date is text", "no date is text", "the same key in another part", "scalars", "an anchor"],
)
def test_what_is_read(text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    "text,says",
    [
        pytest.param("a: 1\nb: 2\na: 3", "a stands there twice", id="a key twice"),
        pytest.param("a: {b: 1, b: 2}", "b stands there twice", id="a key twice within"),
        pytest.param("a: !!int soon", "this is no int", id="a tag that does not fit"),
        pytest.param("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "parts within each other", id="too deep"),
        pytest.param("a: !!python/object:os.system {}", "could not determine a constructor", id="an object of Python"),
        pytest.param("a: [", "expected the node content", id="no YAML"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(yaml.YAMLError, match=says):
        read(text)


def test_a_long_list_is_not_deep() -> None:
    assert len(read("[" + "{a: 1}," * 10 * DEEPEST + "]")) == 10 * DEEPEST
