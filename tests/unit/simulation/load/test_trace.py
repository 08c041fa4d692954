from pathlib import Path

import pytest

from tests.support.simulated import load, one_pool
from utilitarian_operator.simulation.load.arrivals import tasks_of
from utilitarian_operator.simulation.load.workload import InvalidLoad

HOUR, DAY = 3600, 86400


def test_a_trace_is_played_at_its_times(tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_text("time,count\n2026-03-02T00:00:05Z,2\n\n2026-03-02T01:00:00+01:00,0\n")
    with pytest.raises(InvalidLoad, match=r"trace\.csv:4: 2026-03-02T01:00:00\+01:00 is before .* sort it"):
        trace(tmp_path)
    (tmp_path / "trace.csv").write_text("time,count\n2026-03-02T00:00:05Z,2\n2026-03-02T02:00:00+01:00,1\n")
    assert trace(tmp_path) == [5, 5, HOUR]


@pytest.mark.parametrize(
    "text, reason",
    [
        ("2026-03-02T00:00:05Z,2\n", ":1: the first line must be"),
        ("time,count\n2026-03-02T00:00:05Z,-2\n", ":2: a count can't be negative"),
        ("time,count\nyesterday,2\n", ":2: can't be read"),
        ("time,count\n1,2,3\n", ":2: 3 columns"),
        (f"time,count\n2026-03-02T00:00:05Z,{10**15}\n", ":2: a count of 1e+15 is more than"),
        (f"time,count\n2026-03-02T00:00:05Z,{'1' * 200_000}\n", ":1: can't be read: field larger than field limit"),
        (f"time,count\n2026-03-02T00:00:05Z,{'1' * 5_000}\n", ":2: can't be read"),
    ],
)
def test_what_is_wrong_with_a_trace_is_said_with_its_line(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "trace.csv").write_text(text)
    with pytest.raises(InvalidLoad) as raised:
        trace(tmp_path)
    assert reason in str(raised.value)


def trace(folder: Path) -> list[float]:
    asked = load({"work": {"arrivals": [{"trace": "trace.csv"}]}})
    fleet = one_pool(["work"], {})
    return list(tasks_of(fleet.pools[0], fleet, asked, days=1, seed=1, folder=folder).at)
