"""A value of a status is taken within its bounds, or left out and named."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from utilitarian_operator.core.reading import Reader

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "kind,value,read",
    [
        ("moment", "2026-11-23T12:00:00Z", NOW),
        ("moment", "2026-11-23T13:00:00+01:00", NOW),
        ("moment", None, None),
        ("figure", 1.5, 1.5),
        ("figure", 0, 0.0),
        ("count", 3, 3),
        ("count", 3.0, 3),
        ("flag", True, True),
        ("flag", None, False),
        ("name", "amr", "amr"),
        ("fields", {"a": 1}, {"a": 1}),
        ("pair", ["a", 1], ("a", 1)),
    ],
)
def test_what_is_taken(kind: str, value: object, read: object) -> None:
    left_out: list[str] = []
    assert getattr(Reader(NOW, "status", left_out), kind)(value) == read
    assert left_out == []


@pytest.mark.parametrize(
    "kind,value,why",
    [
        ("moment", "soon", "'soon', which is no moment"),
        ("moment", "2026-11-23T12:00:00", "no moment with a time zone"),
        ("moment", "1999-12-31T00:00:00Z", "too far away"),
        ("moment", "2026-11-25T00:00:00Z", "too far away"),
        ("moment", "0001-01-01T00:00:00+14:00", "no moment"),
        ("moment", 5, "no moment with a time zone"),
        ("figure", "1", "no number"),
        ("figure", True, "no number"),
        ("figure", -1, "out of bounds"),
        ("figure", float("nan"), "out of bounds"),
        ("figure", float("inf"), "out of bounds"),
        ("count", 1.5, "no whole number"),
        ("count", 10**10, "out of bounds"),
        ("flag", "yes", "neither true nor false"),
        ("name", "", "no name"),
        ("name", "a" * 256, "no name"),
        ("fields", [1], "nothing with fields"),
        ("pair", [1, 2, 3], "no pair"),
        ("pair", None, "no pair"),
        ("pair", [None, True, 3], "no pair"),
    ],
)
def test_what_is_left_out(kind: str, value: object, why: str) -> None:
    left_out: list[str] = []
    assert not getattr(Reader(NOW, "status.pools", left_out), kind)(value)
    (said,) = left_out
    assert said.startswith("status.pools is ")
    assert said.endswith(why)
    assert "None" not in said, "in a resource it is null"
    assert "True" not in said
    assert len(said) < 120


def test_a_moment_may_lie_as_far_ahead_as_its_reader_says() -> None:
    reader = Reader(NOW, "", [])
    assert reader.moment("2026-12-23T12:00:00Z", ahead=timedelta(days=40)) == NOW + timedelta(days=30)


def test_of_a_list_the_parts_that_can_be_read_are_taken() -> None:
    left_out: list[str] = []

    def read(reader: Reader, part: Any) -> int | None:
        return reader.count(part)

    assert list(Reader(NOW, "runs", left_out).each([1, "x", 3], read)) == [1, 3]
    assert left_out == ["runs[1] is 'x', which is no number"]
    assert list(Reader(NOW, "runs", left_out).each({"a": 1}, read)) == []
    assert left_out[1:] == ['runs is {"a": 1}, which is no list']


@pytest.mark.parametrize("kind", ["moment", "figure", "count", "flag", "name", "fields", "pair"])
def test_what_python_has_no_text_of_is_left_out_as_well(kind: str) -> None:
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    for value in (deep, 10**5_000):
        left_out: list[str] = []
        assert not getattr(Reader(NOW, "status", left_out), kind)(value)
        assert len(left_out) == 1
