"""Columns that fit a terminal of any width, in any alphabet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.cli.tables import columns, cut, terminal_width, width_of, wrapped

HEAD = ["POOL", "READY", "NEXT-RUN", "WHY"]
ROW = ["amr-hourly", "3/5", "2026-03-02T13:00:00Z", "max is 5, 9 workers would be needed"]


@pytest.fixture(autouse=True)
def _pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def test_in_a_pipe_columns_are_as_wide_as_they_must_be_and_the_last_as_long_as_it_likes() -> None:
    said = columns(["POOL", "WHY"], [["a", f"1 task{'!' * 300}"], ["longer", ""]])
    assert said.splitlines() == ["POOL     WHY", f"a        1 task{'!' * 300}", "longer"]


@pytest.mark.parametrize(
    "width,lines",
    [
        (
            100,
            [
                "POOL         READY   NEXT-RUN               WHY",
                "amr-hourly   3/5     2026-03-02T13:00:00Z   max is 5, 9 workers would be needed",
            ],
        ),
        (
            72,
            [
                "POOL         READY   NEXT-RUN               WHY",
                "amr-hourly   3/5     2026-03-02T13:00:00Z   max is 5, 9 workers would be",
                "                                            needed",
            ],
        ),
        (
            64,
            [
                "POOL       READY NEXT-RUN             WHY",
                "amr-hourly 3/5   2026-03-02T13:00:00Z max is 5, 9 workers would",
                "                                      be needed",
            ],
        ),
        (
            60,
            [
                "POOL       READY NEXT-RUN",
                "amr-hourly 3/5   2026-03-02T13:00:00Z",
                "  max is 5, 9 workers would be needed",
            ],
        ),
        (
            30,
            [
                "POOL       READY NEXT-RUN",
                "amr-hourly 3/5   2026-03-02T1…",
                "  max is 5, 9 workers would be",
                "  needed",
            ],
        ),
    ],
    ids=["wide", "the last is broken", "narrow gaps", "the last below", "others are cut"],
)
def test_the_narrower_the_terminal_the_more_lines(
    monkeypatch: pytest.MonkeyPatch, width: int, lines: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert columns(HEAD, [ROW]).splitlines() == lines


def test_a_row_of_one_line_is_cut_or_loses_its_last_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "64")
    assert columns(HEAD, [ROW], one_line=True).splitlines()[1].endswith(" max is 5, 9 workers would…")
    monkeypatch.setenv("COLUMNS", "50")
    assert columns(HEAD, [ROW], one_line=True).splitlines()[1] == "amr-hourly 3/5   2026-03-02T13:00:00Z"


CELLS = st.text(st.sampled_from("ab z\u00e9\u6d4b\u8bd5\u2581\U0001f600"), max_size=60)


@given(
    width=st.integers(60, 200),
    indent=st.sampled_from([0, 2]),
    one_line=st.booleans(),
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5),
)
def test_no_line_is_wider_than_the_terminal(
    width: int, indent: int, rows: list[tuple[str, str, str]], *, one_line: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        said = columns(["A", "B", "WHY"], rows, indent=indent, one_line=one_line)
    lines = said.splitlines()
    assert all(width_of(line) <= width - indent for line in lines)
    if one_line:
        assert len(lines) <= len(rows) + 1
    else:
        letters = "".join("".join(line.split()) for line in lines)
        assert all("".join(row[2].split())[:1] in letters for row in rows)


@given(text=CELLS, most=st.integers(2, 40))
def test_a_text_is_broken_without_losing_a_letter_and_cut_with_an_ellipsis(text: str, most: int) -> None:
    lines = wrapped(text, most)
    assert all(width_of(line) <= most for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert width_of(cut(text, most)) <= most
    assert cut(text, 200) == text


@pytest.mark.parametrize("value", ["", "0", "-1", "many", "9" * 5000, "\u00b2"])
def test_a_width_that_is_none_does_not_count(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("COLUMNS", value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    assert terminal_width() is None
