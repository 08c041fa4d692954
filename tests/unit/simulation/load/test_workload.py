from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.examples import length
from tests.support.simulated import load, one_pool, stage
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.simulation.load import arrivals
from utilitarian_operator.simulation.load.arrivals import tasks_of
from utilitarian_operator.simulation.load.workload import InvalidLoad, Load, OnOneNode, read_load
from utilitarian_operator.simulation.play import scene

EXAMPLES = Path(__file__).resolve().parents[4] / "examples"
HOUR, DAY = 3600, 86400

GOOD = """\
start: 2026-01-01
queues:
  work:
    seconds: {median: 2, p95: 6}
    arrivals:
      - {cron: "0 * * * *", tasks: 5}
"""


@pytest.mark.parametrize(
    "old, new, line, reason",
    [
        pytest.param("  work:", "  wrok:", 3, "unknown queue wrok: no pool consumes it; known are work", id="queue"),
        pytest.param('cron: "0 * * * *", tasks: 5', "rate: -1/s", 6, "a rate can't be negative", id="negative rate"),
        pytest.param('cron: "0 * * * *", tasks: 5', "poisson: -3/h", 6, "a rate can't be negative", id="negative flow"),
        pytest.param('cron: "0 * * * *", tasks: 5', "rate: 5", 6, "is no rate: write tasks per time", id="no unit"),
        pytest.param('"0 * * * *"', '"0 * * 13 *"', 6, "is no cron line", id="cron"),
        pytest.param('cron: "0 * * * *", ', "", 6, "give exactly one of cron", id="no kind"),
        pytest.param(", tasks: 5", "", 6, "cron and tasks go together", id="no tasks"),
        pytest.param("p95: 6", "p95: 1", 4, "p95 1 is below the median 2", id="spread"),
        pytest.param("median: 2", "median: 0", 4, "must be more than 0", id="no time at all"),
        pytest.param("p95: 6", "p96: 6", 4, "p96: unknown field", id="closed"),
        pytest.param("start: 2026-01-01", "start: soon", 1, "valid date", id="date"),
        pytest.param("queues:", "timeZone: Mars\nqueues:", 2, "is no time zone", id="zone"),
        pytest.param("tasks: 5}", "tasks: 5", 7, "can't be read as YAML", id="yaml"),
        pytest.param("start: 2026-01-01", "start: 2026-13-01", 1, "start: Input should be a valid date", id="month"),
        pytest.param("p95: 6", "p95: .inf", 4, "JSON has no such value", id="endless"),
        pytest.param("p95: 6", "p95: 1e300", 4, "p95: must be at most 2678400", id="p95 of 1e300"),
        pytest.param("median: 2", "median: 0.001", 4, "more than 1,000 times the median", id="no such distribution"),
        pytest.param("start: 2026-01-01", "start: 9999-12-31", 1, "start: must be ", id="the end of time"),
        pytest.param("start: 2026-01-01", "start: 0001-01-01", 1, "start: must be ", id="its begin"),
        pytest.param(
            'cron: "0 * * * *", tasks: 5', f"rate: {'9' * 400}/s", 6, "at most 10,000 tasks a second", id="endless rate"
        ),
        pytest.param("start: 2026-01-01", "start: !!int soon", 1, "can't be read as YAML: this is no int", id="tag"),
        pytest.param("start: 2026-01-01", "start: !!bool soon", 1, "this is no bool", id="no yes"),
        pytest.param("start: 2026-01-01", "start: !!timestamp x", 1, "this is no timestamp", id="no moment"),
        pytest.param("tasks: 5}", f"tasks: {'[' * 3000}", 6, "more than 100 parts within each other", id="deep"),
        pytest.param("start: 2026-01-01", "start: \x07", 1, "special characters are not allowed", id="a bell"),
        pytest.param(
            "queues:", "startUp: {median: 1s, p95: 2h}\nqueues:", 2, "startUp: p95 7200 is more than", id="any start-up"
        ),
        pytest.param(
            "queues:",
            "startUps: {other: {each: 8s}}\nqueues:",
            2,
            "startUps.other: no such pool: known are pool",
            id="a pool's start-up",
        ),
        pytest.param(
            "queues:", "startUps: {pool: {each: 0s}}\nqueues:", 2, "each: must be from 1ms to 24h", id="a node's"
        ),
        pytest.param("queues:", "startUp: 48h\nqueues:", 2, "startUp: must be from 0s to 24h", id="never started"),
        pytest.param("queues:", "departure: -1s\nqueues:", 2, "departure: '-1s' is no duration", id="gone before"),
        pytest.param("queues:", "departure: 61m\nqueues:", 2, "departure: must be from 0s to 1h", id="never gone"),
        pytest.param("queues:", "departure: true\nqueues:", 2, "departure: True is no duration", id="gone, yes"),
        pytest.param("queues:", "departure: [1]\nqueues:", 2, "departure: [1] is no duration", id="a list of times"),
        pytest.param("queues:", "days: 1\ndays: 2\nqueues:", 3, "days stands there twice", id="twice"),
        pytest.param("queues:", "startUp: -3s\nqueues:", 2, "startUp: '-3s' is no duration", id="start-up"),
        pytest.param(
            "queues:", "startUp: {median: 9s, p95: 8s}\nqueues:", 2, "startUp: p95 0:00:08 is below", id="start-ups"
        ),
        pytest.param(
            "queues:", "startUp: {median: 0s, p95: 8s}\nqueues:", 2, "median: must be from 1ms to 24h", id="at once"
        ),
        pytest.param(
            "queues:",
            "nodeKills: [{cron: '0 3 * * *'}, {at: 2025-12-31}]\nqueues:",
            2,
            "nodeKills.1.at: 2025-12-31T00:00:00 is before the load's start, 2026-01-01",
            id="a node that died before",
        ),
        pytest.param(
            "queues:",
            "timeZone: Asia/Tokyo\nnodeKills:\n  - {at: 0001-01-01}\nqueues:",
            4,
            "nodeKills.0.at: 0001-01-01T00:00:00 is before",
            id="at the begin of time",
        ),
        pytest.param(
            "{median: 2, p95: 6}", "2", 4, "seconds: must be an object with named fields (median, p95)", id="one"
        ),
        pytest.param('\n      - {cron: "0 * * * *", tasks: 5}', " []", 5, "arrivals: may not be empty", id="none"),
        pytest.param(
            '{cron: "0 * * * *", tasks: 5}',
            "5/h",
            6,
            "arrivals.0: must be an object with named fields (cron, tasks, poisson, rate, trace, prometheus, from, to)",
            id="no fields",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, old: str, new: str, line: int, reason: str) -> None:
    assert old in GOOD
    path = tmp_path / "load.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(InvalidLoad, match=r"load\.yaml:\d+: ") as raised:
        read_load(path, one_pool(["work"], {}))
    assert reason in raised.value.reason
    assert raised.value.line == line


def test_a_load_without_a_zone_has_the_fleet_s(tmp_path: Path) -> None:
    path = tmp_path / "load.yaml"
    stockholm = replace(one_pool(["work"], {}), time_zone="Europe/Stockholm")
    path.write_text(GOOD)
    assert read_load(path, stockholm).begins == datetime(2025, 12, 31, 23, tzinfo=UTC)
    path.write_text(f"timeZone: UTC\n{GOOD}")
    assert read_load(path, stockholm).begins == datetime(2026, 1, 1, tzinfo=UTC)
    path.write_text(GOOD.replace('{cron: "0 * * * *", tasks: 5}', "{trace: trace.csv}"))
    (tmp_path / "trace.csv").write_text("time,count\n2026-01-01T00:00:05,2\n")
    asked = read_load(path, stockholm)
    assert list(tasks_of(stockholm.pools[0], stockholm, asked, days=1, seed=1, folder=tmp_path).at) == [5, 5]


def test_more_tasks_than_can_be_kept_are_refused_with_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "MOST_TASKS", 1000)
    path, fleet = tmp_path / "load.yaml", one_pool(["work"], {})
    path.write_text(GOOD.replace("tasks: 5", f"tasks: {10**15}"))
    with pytest.raises(InvalidLoad, match=r"load\.yaml:5: queues\.work\.arrivals: more than 1,000 tasks: play fewer"):
        scene(fleet, read_load(path, fleet), days=1, seed=1, folder=tmp_path)


def test_a_mark_of_the_byte_order_is_no_part_of_a_file(tmp_path: Path) -> None:
    path, fleet = tmp_path / "load.yaml", one_pool(["work"], {})
    path.write_text(GOOD.replace('{cron: "0 * * * *", tasks: 5}', "{trace: trace.csv}"), encoding="utf-8-sig")
    (tmp_path / "trace.csv").write_text("time,count\n2026-01-01T00:00:05Z,2\n", encoding="utf-8-sig")
    assert list(scene(fleet, read_load(path, fleet), days=1, seed=1, folder=tmp_path).tasks["pool"].at) == [5, 5]


@pytest.mark.parametrize("text", ["", "- 1\n", "nothing\n"])
def test_a_file_without_a_load_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "load.yaml"
    path.write_text(text)
    with pytest.raises(InvalidLoad):
        read_load(path, one_pool(["work"], {}))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidLoad, match="can't be read"):
        read_load(tmp_path / "none.yaml", one_pool(["work"], {}))


@pytest.mark.parametrize("name, resource", [("load-typical", "production"), ("load-hard", "hard")])
def test_the_examples_can_be_played(name: str, resource: str) -> None:
    fleet = effective_fleet(accept(yaml.safe_load((EXAMPLES / f"{resource}.yaml").read_text())).spec)
    assert read_load(EXAMPLES / f"{name}.yaml", fleet).queues


def test_the_typical_load_is_the_documented_one() -> None:
    fleet = effective_fleet(accept(yaml.safe_load((EXAMPLES / "production.yaml").read_text())).spec)
    typical = read_load(EXAMPLES / "load-typical.yaml", fleet)
    played = length(31, quick=7)
    counts: Counter[str] = Counter()
    for pool in fleet.pools:
        tasks = tasks_of(pool, fleet, typical, days=played, seed=1, folder=EXAMPLES)
        for index, queue in enumerate(tasks.queues):
            counts[queue.removeprefix("utilitarian.tasks.")] += tasks.queue.count(index)
    exact = {
        "amr.scheduled.hourly": 2000 * 24 * played,
        "amr.scheduled.daily": 20000 * played,
        "amr.scheduled.monthly": 20000,
        "amr.scheduled.quarterly": 5000,
        "amr.scheduled.yearly": 20000,
        "commits.meter_readings": (5 * HOUR + 19 * 360) * played,
        "commits.meter_system_events": DAY // 20 * played,
        "commits": DAY // 50 * played,
        "external.publish": (20 * 720 + 4 * 7200) * played,
        "external": DAY // 50 * played,
        "default": DAY // 10 * played,
        "cleanup": 50 * played,
    }
    assert {queue: counts[queue] for queue in exact} == exact
    assert counts["amr.on_demand"] == pytest.approx(20 * 14 * played, rel=0.05 * (31 / played) ** 0.5)
    assert counts["amr"] == pytest.approx(60 * 24 * played, rel=0.03 * (31 / played) ** 0.5)


def tasks(queue: dict[str, Any], *, seed: int = 1, days: float = 1, **more: Any) -> Any:
    return stage({"work": queue}, seed=seed, days=days, **more).tasks["pool"]


def test_a_pool_s_own_start_up_counts_before_the_load_s() -> None:
    asked = load({"work": {"arrivals": [{"rate": "1/s"}]}}, startUp="5s", startUps={"pool": {"each": "8s"}})
    assert isinstance(asked.start_up_of("pool"), OnOneNode)
    assert asked.start_up_of("other") == timedelta(seconds=5)


def test_start_up_is_a_duration_or_a_spread() -> None:
    queues = {"work": {"arrivals": [{"rate": "1/s"}]}}
    assert load(queues).start_up == timedelta(seconds=10)
    spread = load(queues, startUp={"median": "8s", "p95": "20s"})
    assert isinstance(spread, Load)
    assert not isinstance(spread.start_up, timedelta)
