"""The documented day in the sixtieth part of its time: what comes when, what the resource says, what is counted."""

from collections import Counter

import pytest
import yaml

from bench.compressed_day import (
    Became,
    Task,
    coming,
    compressed_cron,
    compressed_s,
    figures,
    fleet,
    fleet_spec,
    in_time,
    whole_hour,
)
from tests.support.controlplane import REPOSITORY
from utilitarian import routing
from utilitarian_operator.api.validation.resource_rules import accept

RUNS = {"amr-hourly", "amr-daily", "amr-monthly", "amr-quarterly", "amr-yearly", "cleanup"}
OUTSIDE = {"amr-on-demand", "commits", "default", "amr", "external"}


@pytest.fixture(scope="module")
def day() -> list[Task]:
    return coming(24)


@pytest.mark.parametrize(
    "cron, whole",
    [
        ("0 1 * * *", "0 1 * * *"),
        ("0 * * * *", "0 * * * *"),
        ("30 0 1 * *", "0 1 1 * *"),
        ("1 22 * * *", "0 23 * * *"),
    ],
)
def test_a_run_starts_at_the_next_whole_hour(cron: str, whole: str) -> None:
    assert whole_hour(cron) == whole


@pytest.mark.parametrize("cron", ["*/5 1 * * *", "30 * * * *", "0,30 1 * * *"])
def test_a_run_that_has_no_plain_hour_is_refused(cron: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        whole_hour(cron)


@pytest.mark.parametrize(
    "cron, first_minute, compressed",
    [
        ("0 * * * *", 17, "* * * * *"),
        ("0 1 * * *", 0, "1 * * * *"),
        ("30 0 1 * *", 17, "18 * * * *"),
        ("0 3 1 1,4,7,10 *", 58, "1 * * * *"),
    ],
)
def test_an_hour_of_the_day_is_a_minute_from_its_start(cron: str, first_minute: int, compressed: str) -> None:
    assert compressed_cron(cron, first_minute) == compressed


@pytest.mark.parametrize("duration, seconds", [("4h", 240), ("24h", 1440), ("48h", 2880), ("2h", 120), ("30m", 60)])
def test_a_deadline_is_a_sixtieth_and_no_shorter_than_a_resource_may_say(duration: str, seconds: int) -> None:
    assert compressed_s(duration) == seconds


@pytest.mark.parametrize("first_minute", [None, 0, 36, 59])
def test_the_compressed_fleet_is_one_that_the_operator_takes(first_minute: int | None) -> None:
    url = {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}}
    body = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool", "metadata": {"name": "fleet"}}
    spec = accept({**body, "spec": {"image": "a:1", "broker": url, **fleet_spec(first_minute)}}).spec
    assert {it.name for it in spec.pools or () if it.schedule} == (set() if first_minute is None else RUNS)
    assert {it.name for it in spec.pools or ()} == RUNS | OUTSIDE


def test_of_scaling_only_what_could_not_be_else_is_changed() -> None:
    before = yaml.safe_load((REPOSITORY / "examples/production.yaml").read_text())["spec"]["pools"]
    scaling = {it["name"]: it["scaling"] for it in fleet_spec(0)["pools"]}
    changed = {
        it["name"]: {key: value for key, value in scaling[it["name"]].items() if value != it["scaling"].get(key)}
        for it in before
    }
    durations = {name: it.pop("taskDuration", "as it was") for name, it in changed.items()}
    assert {name: it for name, it in changed.items() if it} == {"amr-hourly": {"idleAfter": "10s"}}
    assert (durations["cleanup"], durations["amr"], durations["commits"]) == ("14000ms", "4000ms", "as it was")


@pytest.mark.thorough
def test_one_task_in_sixty_comes_as_often_a_second_as_in_the_day(day: list[Task]) -> None:
    came = Counter(it.queue for it in day)
    assert came.keys() == set(routing.WORK_TASKS)
    assert came["utilitarian.tasks.default"] / 1440 == pytest.approx(0.1, rel=0.2)
    assert came["utilitarian.tasks.external.publish"] / 1440 == pytest.approx(0.5, rel=0.15)
    assert came["utilitarian.tasks.amr.scheduled.daily"] == pytest.approx(20_000 / 60, rel=0.2)
    assert len(day) == pytest.approx(3_300, rel=0.1)


@pytest.mark.thorough
def test_runs_come_whole_at_their_minute(day: list[Task]) -> None:
    moments = {pool: sorted({it.at for it in day if it.pool == pool}) for pool in RUNS}
    assert moments.pop("amr-hourly") == [60.0 * hour for hour in range(24)]
    assert moments == {
        "amr-daily": [60.0],
        "amr-monthly": [60.0],
        "cleanup": [120.0],
        "amr-quarterly": [180.0],
        "amr-yearly": [240.0],
    }


@pytest.mark.thorough
def test_two_cores_bear_it(day: list[Task]) -> None:
    slots = {it.name: it.worker.concurrency for it in fleet().pools}
    busy = sum(it.seconds / slots[it.pool] for it in day)
    assert busy / 1440 < 2, "workers that are busy on the average"


@pytest.mark.thorough
def test_tasks_fit_into_the_deadline_of_their_run(day: list[Task]) -> None:
    within = {it.name: it.schedule[0].finish_within for it in fleet().pools if it.schedule}
    longest = {pool: max(it.seconds for it in day if it.pool == pool) for pool in RUNS}
    late = {pool: seconds for pool, seconds in longest.items() if seconds > within[pool].total_seconds() / 2}  # type: ignore[union-attr]
    assert late == {}


@pytest.mark.thorough
def test_a_shorter_slice_is_the_beginning_of_the_same_day(day: list[Task]) -> None:
    assert coming(3) == [it for it in day if it.at < 180]


def _became(pool: str, at: float, began: float | None, ended: float | None) -> Became:
    return Became(Task(at, pool, "queue", 1.0), began, ended)


def test_a_run_is_in_time_when_the_last_of_its_tasks_is() -> None:
    became = [
        _became("amr-hourly", 0, 3, 5),
        _became("amr-hourly", 0, 3, 60),
        _became("amr-hourly", 60, 61, 121),
        _became("amr-daily", 60, 62, 64),
        _became("amr-daily", 60, 62, None),
        _became("default", 0, 1, 1000),
    ]
    assert in_time(became, {"amr-hourly": 60, "amr-daily": 240}) == [True, False, False]


def test_waits_and_promises_are_of_tasks_outside_runs() -> None:
    became = [
        *(_became("default", at, at + 10, at + 11) for at in range(18)),
        _became("default", 0, 301, 302),
        _became("default", 0, None, None),
        _became("amr-on-demand", 5, 35, 36),
        _became("amr-hourly", 0, 59, 60),
    ]
    assert figures(became) == {
        "tasks": 22,
        "wait_p50_s": 10,
        "wait_p95_s": 30,
        "wait_max_s": 301,
        "person_wait_p50_s": 30,
        "person_wait_p95_s": 30,
        "person_wait_max_s": 30,
        "deadlines_met": 1,
        "deadlines": 1,
        "outside_runs": 21,
        "started_in_time": 19,
    }


def test_what_did_not_happen_has_no_figure() -> None:
    found = figures([_became("default", 0, None, None)])
    assert (found["wait_p50_s"], found["person_wait_max_s"], found["deadlines"]) == (None, None, 0)
