"""Objects whose parts lie too deep within each other: they are read without them, and the others as they are."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.adapters.cluster.nested_json import DEEPEST, cut, is_shallow, load

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='a"\\[]{},:\n☃'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='a"\\[{'), inner, max_size=3),
    max_leaves=12,
)


def within(levels: int, value: object, *, lists: bool) -> str:
    """The value as JSON, within so many others."""
    before, after = ("[", "]") if lists else ('{"a":', "}")
    return before * levels + json.dumps(value) + after * levels


def depth(value: object) -> int:
    """Levels of a value."""
    deepest, todo = 0, [(value, 1)]
    while todo:
        here, level = todo.pop()
        if isinstance(here, dict | list):
            deepest = max(deepest, level)
            todo += [(it, level + 1) for it in (here.values() if isinstance(here, dict) else here)]
    return deepest


@given(st.lists(VALUES, max_size=5), st.integers(min_value=0, max_value=DEEPEST - 60))
def test_what_is_not_too_deep_is_as_it_was(values: list[Any], levels: int) -> None:
    text = within(levels, values, lists=False).encode()
    assert load(text) == json.loads(text) == json.loads(cut(text))
    assert is_shallow(text)


@given(VALUES, st.integers(min_value=5_000, max_value=10_000), st.booleans())
def test_what_is_too_deep_takes_nothing_else_with_it(value: Any, levels: int, lists: bool) -> None:
    deep = within(levels, value, lists=lists)
    text = f'{{"before": {json.dumps(value)}, "deep": {deep}, "after": {json.dumps([value, "]}"])}}}'.encode()
    assert not is_shallow(text)
    for read in (load(text), json.loads(cut(text))):
        assert read.keys() == {"before", "deep", "after"}
        assert (read["before"], read["after"]) == (value, [value, "]}"])
        assert depth(read["deep"]) == DEEPEST - 1


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[" * 5_000, b"]" * 300 + b"[" * 300, b'{"a":' * 2_000 + b'"', b'{"a"' * 300]
)
def test_what_is_no_json_is_said_to_be_none(text: bytes) -> None:
    with pytest.raises(ValueError, match="column"):
        load(text)
