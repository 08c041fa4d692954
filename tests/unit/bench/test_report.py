"""The report of the measurements: what is kept of a file, and that the page and its plots say what is kept."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench import report
from bench.first_screen import first_screen
from bench.plots import Bar, Chart, svg
from bench.tables import COLUMNS, figure, of, seconds, shown, table

MACHINE = {
    "bench": "machine",
    "of": "reaction",
    "date": "2026-11-29",
    "command": "build/venv/bin/python -m bench.reaction",
    "cores": 2,
    "processor": "Xeon",
    "memory_gib": 23,
    "system": "Debian",
    "kernel": "6.18",
    "loop_s": 0.83,
    "load": 0.5,
}
ROW = {"bench": "reaction", "system": "keda", "step": "0-20", "n": 42, "p50_s": 68.02, "p99_s": 150.4, "load": 11.8}


def _printed(*rows: object) -> str:
    return "make: something else\n" + "".join(f"{json.dumps(row)}\n" for row in rows)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "KEPT", tmp_path)
    return tmp_path


def test_the_page_and_its_plots_say_what_is_kept() -> None:
    stale = [str(place) for place, text in report.files().items() if not place.exists() or place.read_text() != text]
    assert stale == [], "write them anew: build/venv/bin/python -m bench.report"


def test_every_measurement_has_its_place_in_the_page() -> None:
    assert {it["name"] for it in report.PLACE.finditer(report.PAGE.read_text())} == COLUMNS.keys()


def test_a_new_run_takes_the_place_of_what_was_kept_of_its_measurement_alone(place: Path) -> None:
    (place / "reaction.jsonl").write_text(json.dumps({**ROW, "n": 1}) + "\n")
    (place / "day.jsonl").write_text("{}\n")
    (place / "out").write_text(_printed(MACHINE, ROW, {"bench": "machine", "of": "sight"}))
    report.keep([place / "out"])
    assert report.rows_of((place / "reaction.jsonl").read_text()) == [MACHINE, ROW]
    assert (place / "day.jsonl").read_text() == "{}\n"
    assert not (place / "sight.jsonl").exists()


@pytest.mark.parametrize("printed", ["", _printed(MACHINE), _printed({"bench": "sight", "n": 1})])
def test_a_file_without_a_row_is_refused_and_nothing_is_lost(place: Path, printed: str) -> None:
    (place / "reaction.jsonl").write_text(json.dumps(ROW) + "\n")
    (place / "out").write_text(printed)
    with pytest.raises(
        report.NoMeasurement, match=r"out: no line of reaction, drain, watching, day, simulate: give what"
    ):
        report.keep([place / "out"])
    assert report.rows_of((place / "reaction.jsonl").read_text()) == [ROW]


def test_a_place_says_when_where_and_by_which_command() -> None:
    before = "a\n<!-- measured: reaction -->\nold\n<!-- end -->\nb\n<!-- measured: day -->\nold\n<!-- end -->\n"
    assert report.page(before, {"reaction": [MACHINE, ROW]}) == (
        "a\n<!-- measured: reaction -->\n\n"
        "On 2 cores (Xeon; ten million additions take 0.83 s), 23 GiB,\nDebian, Linux 6.18:\n\n"
        "- 2026-11-29, load before it 0.5:\n  `build/venv/bin/python -m bench.reaction`\n\n"
        "![From a message to the workers asked for (logarithmic)](images/bench-reaction.svg)\n\n"
        "| step | system | n | p50 | p99 | first task, p50 | load |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        "| 0 to 20 | `keda` | 42 | 68.02 s | 2m30s | | 11.8 |\n\n"
        "<!-- end -->\nb\n<!-- measured: day -->\n\nNot measured yet.\n\n<!-- end -->\n"
    )


def test_of_a_simulation_only_the_policies_of_the_month_are_shown() -> None:
    month = {"bench": "simulate", "part": "month:1", "policy": "keda"}
    rows = [MACHINE, {"bench": "simulate", "part": "month:1", "cpu_s": 1}, month, {**month, "part": "spread"}]
    assert shown(rows) == [month]


def test_the_first_screen_has_the_newest_row_of_each_system_or_says_that_there_is_none() -> None:
    rest = {"bench": "watching", "system": "keda", "pools": 14, "operator_cores": 0.5, "operator_mib": 300}
    newest = {**rest, "operator_cores": 0.004, "operator_mib": 226}
    *_, last = first_screen({"watching": [rest, newest, {**rest, "pools": 1000}]}).splitlines()
    assert last.split(" | ")[1:4] == ["not measured", "0.004 cores, 226 MiB", "not measured"]


def test_what_stands_twice_on_two_machines_is_said_of_each() -> None:
    other = {**MACHINE, "cores": 8, "command": "other"}
    said = report.said([MACHINE, {**MACHINE, "command": "more"}, other])
    assert [line.split()[1] for line in said if line.startswith("On")] == ["2", "8"]
    assert [line.strip() for line in said if line.startswith("  ")] == [
        "`build/venv/bin/python -m bench.reaction`",
        "`more`",
        "`other`",
    ]


@pytest.mark.parametrize(
    "text, row, said",
    [
        (seconds("s"), {"s": 0.391}, "0.39 s"),
        (seconds("s", digits=1), {"s": 119.94}, "119.9 s"),
        (seconds("s"), {"s": 120}, "2m00s"),
        (seconds("s"), {"s": 239.6}, "4m00s"),
        (seconds("s"), {"s": None}, ""),
        (seconds("s"), {}, ""),
        (figure("n"), {"n": 12345}, "12,345"),
        (figure("n", " MiB"), {"n": 96}, "96 MiB"),
        (figure("n"), {}, ""),
        (of("a", "b"), {"a": 27, "b": 1440}, "27 of 1,440"),
    ],
)
def test_cells(text: object, row: dict[str, float], said: str) -> None:
    assert callable(text)
    assert text(row) == said


def test_an_empty_cell_is_one_space() -> None:
    assert table([("", figure("a")), ("", figure("a")), ("b", figure("b"))], [{"b": 1}]) == [
        "| | | b |",
        "| --- | --- | --- |",
        "| | | 1 |",
    ]


def _widths(chart: Chart) -> list[float]:
    rects = ET.fromstring(svg(chart)).iter("{http://www.w3.org/2000/svg}rect")  # noqa: S314 - made by ourselves
    return [float(it.attrib["width"]) for it in rects if it.attrib["height"] == "16"]


def test_parts_follow_one_another_on_a_linear_axis() -> None:
    chart = Chart("a < b", ["x", "y"], [Bar("one", [30, 10], "40"), Bar("none", [0, 0], "0")])
    assert _widths(chart) == pytest.approx([255, 85])
    assert "a &lt; b" in svg(chart)


def test_a_logarithmic_axis_begins_where_it_says() -> None:
    bars = [Bar("slow", [10, 100], ""), Bar("fast", [0.1, 1], "")]
    chart = Chart("t", ["p50", "p99"], bars, nested=True, logarithmic_from=0.1)
    slow_p99, slow_p50, fast_p99, fast_p50 = _widths(chart)
    assert slow_p99 == pytest.approx(340)
    assert slow_p50 == pytest.approx(340 * 2 / 3, abs=0.1)
    assert fast_p99 == pytest.approx(340 / 3, abs=0.1)
    assert fast_p50 < 1
