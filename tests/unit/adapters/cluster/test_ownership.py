"""Who owns which field: paths and trees of them, what a write changed, and what goes when it is dropped."""

from typing import Any

import pytest

from utilitarian_operator.adapters.cluster.ownership import (
    changed_fields,
    from_tree,
    merged,
    owned_fields,
    to_tree,
    without,
)

ITEM = 'k:{"name":"a"}'
LIVE = {
    "kind": "K",
    "metadata": {"name": "n", "uid": "u"},
    "spec": {"x": {"y": 1}, "env": [{"name": "a", "value": "1"}]},
}
OWNED = {
    ("f:spec", "f:x", "f:y"),
    ("f:spec", "f:env", ITEM, "."),
    ("f:spec", "f:env", ITEM, "f:name"),
    ("f:spec", "f:env", ITEM, "f:value"),
}


def test_fields_as_a_tree_and_back() -> None:
    assert owned_fields(LIVE) == from_tree(to_tree(OWNED)) == OWNED
    assert to_tree(OWNED)["f:spec"]["f:env"] == {ITEM: {".": {}, "f:name": {}, "f:value": {}}}


def test_of_an_item_only_what_changed_is_a_change() -> None:
    after = {**LIVE, "spec": {"x": {"y": 1}, "env": [{"name": "a", "value": "2"}, {"name": "b"}]}}
    other = ("f:spec", "f:env", 'k:{"name":"b"}')
    assert changed_fields(LIVE, after) == {
        ("f:spec", "f:env", ITEM, "f:value"),
        (*other, "."),
        (*other, "f:name"),
    }


@pytest.mark.parametrize(
    "kept,left",
    [
        pytest.param(set(), {"x": {}, "env": []}, id="all-of-it"),
        pytest.param(
            {("f:spec", "f:env", ITEM, "f:value")},
            {"x": {}, "env": [{"name": "a", "value": "1"}]},
            id="an-item-of-others",
        ),
    ],
)
def test_what_no_manager_owns_goes(kept: set[tuple[str, ...]], left: dict[str, Any]) -> None:
    assert without(LIVE, OWNED - kept, kept)["spec"] == left


@pytest.mark.parametrize(
    "change,by_key,result",
    [
        pytest.param({"a": None, "b": 2}, True, {"b": 2, "env": [{"name": "x", "v": 1}]}, id="None-takes-away"),
        pytest.param(
            {"env": [{"name": "y"}, {"name": "x", "v": 2}]},
            True,
            {"a": 1, "env": [{"name": "x", "v": 2}, {"name": "y"}]},
            id="by-key",
        ),
        pytest.param({"env": [{"name": "y"}]}, False, {"a": 1, "env": [{"name": "y"}]}, id="whole-lists"),
    ],
)
def test_merging(change: dict[str, Any], *, by_key: bool, result: dict[str, Any]) -> None:
    assert merged({"a": 1, "env": [{"name": "x", "v": 1}]}, change, by_key=by_key) == result
