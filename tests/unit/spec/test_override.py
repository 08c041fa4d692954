"""A number of workers that a person set: read with its end, or refused with the way to write it."""

from datetime import UTC, datetime

import pytest

from utilitarian_operator.core.spec.override import PREFIX, Override, overrides


@pytest.mark.parametrize(
    "text,override",
    [
        ("5 until 2026-11-24T12:00Z", Override(5, datetime(2026, 11, 24, 12, tzinfo=UTC))),
        (" 0 until 2026-11-24T13:00:00+01:00 ", Override(0, datetime(2026, 11, 24, 12, tzinfo=UTC))),
    ],
)
def test_what_is_read(text: str, override: Override) -> None:
    assert overrides({f"{PREFIX}work": text, "other": "5"}) == ({"work": override}, [])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "5 until",
        "5 until soon",
        "5 until 2026-11-24T12:00",
        "-1 until 2026-11-24T12:00Z",
        "12345 until 2026-11-24T12:00Z",
        "5 until 9999-12-31T23:59:59-14:00",
        "5 until 0001-01-01T00:00+14:00",
    ],
    ids=[
        "empty",
        "no end",
        "no moment",
        "no moment at all",
        "no zone",
        "below zero",
        "too many",
        "after all years",
        "before all",
    ],
)
def test_what_is_refused(text: str) -> None:
    found, (problem,) = overrides({f"{PREFIX}work": text})
    assert not found
    assert problem.path == f"metadata.annotations[{PREFIX}work]"
    assert "with an end" in problem.remedy
