from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.api.units import format_duration, parse_duration, parse_quantity


@pytest.mark.parametrize(
    "text,seconds",
    [
        ("500ms", 0.5),
        ("90s", 90),
        ("1h30m", 5400),
        ("0s", 0),
        ("1.5h", 5400),
        ("2m20s", 140),
        ("30m1h", 5400),
        ("168h", 604_800),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "600",
        "1d",
        "-5m",
        "+5m",
        "5 m",
        "m",
        "1h 30m",
        "1H",
        "1e3s",
        ".5s",
        "1.s",
        "1h30",
        "٣s",
        "9" * 30 + "s",
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 500ms, 90s or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    "seconds,text",
    [(0, "0s"), (0.25, "250ms"), (90, "1m30s"), (3600, "1h"), (5400, "1h30m"), (604_800, "168h"), (1.0004, "1s")],
)
def test_a_duration_is_written_without_zero_parts(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


@given(st.integers(0, 10**9))
def test_a_written_duration_reads_the_same(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    "text,value",
    [
        ("200m", "0.2"),
        ("1", "1"),
        ("1.5", "1.5"),
        ("512Mi", str(512 * 2**20)),
        ("1k", "1000"),
        ("1Ki", "1024"),
        ("2Gi", str(2 * 2**30)),
        ("3E", str(3 * 10**18)),
    ],
)
def test_a_quantity_is_read_as_kubernetes_reads_it(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "Mi", "2GB", "-1", "1 Gi", "1e3", "0x10", "1mi", "1K"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        parse_quantity(text)
