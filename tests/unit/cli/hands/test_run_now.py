"""`run-now`: the annotation that it sets, what it says, and what it refuses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.fake_shell import FakeShell
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.spec.by_hand import RUN_NOW, by_hand

RUN = {"name": "monthly-run", "start": "0 0 1 1 *", "workers": 2, "finishWithin": "24h"}


def pools(*schedule: dict[str, Any]) -> list[dict[str, Any]]:
    """The saved fleet's two pools, the first with these runs."""
    first = {"name": "amr-hourly", "queues": ["one"], "schedule": list(schedule)}
    return [first, {"name": "cleanup", "queues": ["two"]}]


def test_the_only_run_begins_now(shell: FakeShell) -> None:
    shell.fleet(pools=pools(RUN))
    done = shell.run("run-now", "amr-hourly")
    run = by_hand(shell.annotations())[0].runs["amr-hourly"]
    assert run.name == "monthly-run"
    said = "metering/utilitarian: run monthly-run of amr-hourly begins now, with 2 workers at least, due 20"
    assert done.stdout.startswith(said)
    assert done.stderr.startswith("note: the operator sends no tasks, and Celery's beat sends no entry before its time")


def test_one_of_several_is_named(shell: FakeShell) -> None:
    shell.fleet(pools=pools(RUN, {**RUN, "name": "late-run", "finishWithin": "1h"}), mode="Paused")
    done = shell.run("run-now", "amr-hourly")
    assert done.stderr == "error: pool amr-hourly has several runs, name one: monthly-run, late-run\n"
    done = shell.run("run-now", "amr-hourly", "late-run")
    assert (done.returncode, shell.annotations()[f"{RUN_NOW}amr-hourly"][:12]) == (0, "late-run at ")
    assert "note: the fleet's mode is Paused: no number of workers changes before it is Auto" in done.stderr


@pytest.mark.parametrize(
    "words,said",
    [
        (["cleanup"], "error: pool cleanup has no runs; scale cleanup N --for 2h gives it workers for a while\n"),
        (
            ["amr-hourly", "montly-run"],
            "error: pool amr-hourly has no run montly-run; there are: monthly-run; did you mean monthly-run?\n",
        ),
        (["nothing"], "error: no pool nothing; there are: amr-hourly, cleanup\n"),
    ],
    ids=["a pool without runs", "nearly a run", "no pool"],
)
def test_what_is_refused(shell: FakeShell, words: list[str], said: str) -> None:
    shell.fleet(pools=pools(RUN))
    done = shell.run("run-now", *words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.parametrize(
    "run,start,said",
    [
        (
            {"name": "monthly-run", "started": "2026-03-02T12:00:00Z"},
            "0 0 1 1 *",
            "of 2026-03-02T12:00:00Z is open: it",
        ),
        (None, "* * * * *", "is being prepared: it begins at 20"),
    ],
    ids=["open", "being prepared"],
)
def test_no_second_run_of_a_schedule_beside_the_first(
    shell: FakeShell, run: dict[str, str] | None, start: str, said: str
) -> None:
    fleet = shell.fleet(pools=pools({**RUN, "start": start, "finishWithin": "1h"}))
    if run is not None:
        status = fleet["status"]
        status["pools"][0]["run"] = run
        shell.cluster._objects["UtilitarianWorkerPool", "metering", "utilitarian"]["status"] = status
    done = shell.run("run-now", "amr-hourly")
    assert (done.returncode, done.stdout, shell.annotations()) == (2, "", {})
    assert said in done.stderr


def test_of_several_open_runs_none_is_opened_a_second_time(shell: FakeShell) -> None:
    """A pool's status shows the one whose deadline is nearest."""
    other = {**RUN, "name": "late-run", "finishWithin": "1h"}
    status = shell.fleet(pools=pools(RUN, other))["status"]
    status["pools"][0]["run"] = {"name": "late-run", "started": "2026-03-02T12:00:00Z"}
    runs = [{"name": "monthly-run", "start": "2026-03-02T11:00:00+00:00"}]
    status["pools"][0]["memory"] = {"runs": runs}
    shell.cluster._objects["UtilitarianWorkerPool", "metering", "utilitarian"]["status"] = status
    done = shell.run("run-now", "amr-hourly", "monthly-run")
    assert (done.returncode, done.stdout, shell.annotations()) == (2, "", {})
    assert "run monthly-run of 2026-03-02T11:00:00Z is open" in done.stderr


def test_two_hands_before_the_operator_looks(shell: FakeShell) -> None:
    """The annotation has one run: the operator would open the second and never know of the first, or open it twice."""
    shell.fleet(pools=pools(RUN, {**RUN, "name": "late-run"}))
    assert shell.run("run-now", "amr-hourly", "monthly-run").returncode == 0
    before = shell.annotations()
    again = shell.run("run-now", "amr-hourly", "monthly-run")
    assert (again.returncode, again.stdout, shell.annotations()) == (2, "", before)
    assert "run monthly-run was asked for at 20" in again.stderr
    other = shell.run("run-now", "amr-hourly", "late-run")
    assert other.returncode == 0
    assert "note: it takes the place of run monthly-run at 20" in other.stderr


@pytest.mark.parametrize(
    "asked,over",
    [("monthly-run at 2020-01-01T00:00Z", []), ("gone-run at 2100-01-01T00:00Z", []), ("what", []), (None, ["Done"])],
    ids=["long ago", "of no schedule", "unreadable", "over"],
)
def test_what_was_asked_for_before_and_is_past_counts_no_more(
    shell: FakeShell, asked: str | None, over: list[str]
) -> None:
    fleet = shell.fleet(pools=pools(RUN))
    start = timestamp(datetime.now(UTC) - timedelta(minutes=10))
    live = shell.cluster._objects["UtilitarianWorkerPool", "metering", "utilitarian"]
    live["metadata"]["annotations"] = {f"{RUN_NOW}amr-hourly": asked or f"monthly-run at {start}"}
    fleet["status"]["pools"][0]["history"] = [{"name": "monthly-run", "started": start, "outcome": it} for it in over]
    live["status"] = fleet["status"]
    done = shell.run("run-now", "amr-hourly")
    assert done.returncode == 0, done.stderr
    assert "takes the place" not in done.stderr
