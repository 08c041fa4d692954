"""How numbers and lengths of time read in sentences."""

from datetime import timedelta

import pytest

from utilitarian_operator.core import wording


@pytest.mark.parametrize("value,text", [(0, "0"), (20_000, "20,000"), (174.84, "174.8"), (0.1234, "0.123"), (3.0, "3")])
def test_a_number(value: float, text: str) -> None:
    assert wording.number(value) == text


@pytest.mark.parametrize("value,text", [(0, "0 tasks"), (1, "1 task"), (1.5, "1.5 tasks"), (2000, "2,000 tasks")])
def test_a_count_with_its_noun(value: float, text: str) -> None:
    assert wording.plural(value, "task") == text


@pytest.mark.parametrize(
    "value,text", [(0.02, "0.02 s"), (0.24, "0.2 s"), (5, "5 s"), (12.4, "12 s"), (1800, "1,800 s")]
)
def test_seconds(value: float, text: str) -> None:
    assert wording.seconds(value) == text


@pytest.mark.parametrize(
    "length,read",
    [
        (timedelta(milliseconds=20), timedelta(seconds=1)),
        (timedelta(seconds=31.6), timedelta(seconds=32)),
        (timedelta(minutes=30, seconds=40), timedelta(minutes=31)),
    ],
)
def test_a_whole_length(length: timedelta, read: timedelta) -> None:
    assert wording.whole(length) == read


@pytest.mark.parametrize(
    "length,text",
    [
        (timedelta(seconds=2), "2 s"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(days=270), "270 days"),
    ],
)
def test_a_span_in_its_largest_unit(length: timedelta, text: str) -> None:
    assert wording.span(length) == text


def test_of_many_names_the_first_few() -> None:
    assert wording.named(["a", "b"]) == "a, b"
    assert wording.named(list("abcdefg")) == "a, b, c, d, e and 2 more"


@pytest.mark.parametrize(
    "value,text", [(0.44, "0.4s"), (31.2, "31s"), (250, "4m10s"), (7500, "2h05m"), (59.7, "1m00s")]
)
def test_seconds_in_a_table(value: float, text: str) -> None:
    assert wording.clock(value) == text


def test_values_as_bars() -> None:
    assert wording.sparkline([0, 0, 0, 0], 4) == "▁▁▁▁"
    assert wording.sparkline([0, 7, 14, 7], 4) == "▁▅█▅"
    assert wording.sparkline(range(100), 2) == "▄█"
