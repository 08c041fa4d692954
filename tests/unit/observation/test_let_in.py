"""What stands in a status for the addresses by which a broker let the operator in."""

from typing import Any

import pytest

from utilitarian_operator.core.observation.let_in import FIELD, LENGTH, mark, recorded


def test_a_mark_tells_places_apart_and_names_none() -> None:
    places = [(["a:1"], "/"), (["b:1"], "/"), (["a:2"], "/"), (["a:1"], "v"), (["a:1", "b:1"], "/"), (["a:1"], "/a:1")]
    marks = {mark(*place) for place in places}
    assert len(marks) == len(places)
    assert {len(it) for it in marks} == {LENGTH}
    assert "secret" not in mark(["secret:1"], "secret")


def test_a_host_is_the_same_however_it_is_written() -> None:
    assert mark(["B.:1", "a:1", "b:1"], "v") == mark(["a:1", "b:1"], "v")


@pytest.mark.parametrize("status, found", [({}, ""), ({FIELD: "0a"}, "0a"), ({FIELD: 5}, ""), ({FIELD: None}, "")])
def test_what_a_status_says_is_read_whatever_stands_there(status: dict[str, Any], found: str) -> None:
    assert recorded(status) == found
