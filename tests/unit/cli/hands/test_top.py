"""`top`: one screen for the pools of fleets, in any width."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.fake_shell import FakeShell
from utilitarian_operator.cli.hands.top import History, ago, frame
from utilitarian_operator.cli.resources import Found
from utilitarian_operator.cli.tables import width_of

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_a_screen(shell: FakeShell) -> None:
    shell.fleet()
    shell.lease()
    done = shell.run("top", "--once")
    assert (done.returncode, done.stderr) == (0, "")
    head, operator, beat, trouble, names, hourly, cleanup = done.stdout.splitlines()
    assert head == "metering/utilitarian: workers 3/15, queues 1/2, mode Auto"
    assert operator.startswith("operator seen ")
    assert beat == "beat unknown, broker unknown"
    assert trouble.startswith("AtMaximum=True, MoreNeeded: ")
    assert names.split() == ["POOL", "BACKLOG", "WORKERS", "NEXT-RUN", "KEPT", "WHY"]
    assert hourly.split()[:6] == ["amr-hourly", "19,940", "█", "3/5", "in", hourly.split()[5]]
    assert " no " in hourly  # 200 waves of 5 s are more than 10 minutes
    assert hourly.endswith("max is 5, 9 workers would be needed")
    assert cleanup.split()[:4] == ["cleanup", "?", "0/0", "-"]


def test_beat_and_broker_and_what_beat_has_sent(shell: FakeShell) -> None:
    fleet = shell.fleet()
    ready = {"type": "BeatReady", "status": "True", "reason": "BeatRuns"}
    away = {"type": "BrokerReachable", "status": "False", "reason": "BrokerUnreachable", "message": "away"}
    fleet["status"] |= {"conditions": [ready, away], "beat": {"lastMessages": [{"at": "2026-03-02T11:58:00Z"}]}}
    said = frame(Found([fleet]), [fleet], History(), NOW).splitlines()
    assert "beat ready (BeatRuns), sent something 2 min ago, broker NOT reachable (BrokerUnreachable)" in said


def test_the_backlogs_way_is_drawn_from_look_to_look() -> None:
    history = History()
    assert history.seen("f", "p", None) == ""
    assert [history.seen("f", "p", it) for it in (0, 7, None, 14)] == ["▁", "▁█", "▁█", "▁▅█"]
    for _ in range(1000):
        drawn = history.seen("f", "p", 7)
    assert drawn == "████████"


def test_pools_with_work_come_first_and_each_has_one_line(shell: FakeShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    fleet = shell.fleet()
    fleet["status"]["pools"].reverse()
    lines = frame(Found([fleet]), [fleet], History(), NOW).splitlines()
    assert [line.split()[0] for line in lines[-2:]] == ["amr-hourly", "cleanup"]


@pytest.mark.parametrize("width", [40, 60, 72, 80, 100, 200])
def test_it_fits_the_terminal(shell: FakeShell, width: int) -> None:
    fleet = shell.fleet()
    fleet["status"]["pools"][0]["name"] = "p" * 45
    shell.fleet("other")
    said = shell.run("top", "--once", env={"COLUMNS": str(width)}).stdout
    assert max(map(width_of, said.splitlines())) <= width


def test_a_text_of_escapes_and_lines_is_one_line_that_fits(shell: FakeShell) -> None:
    shell.fleet().setdefault("status", {})["mode"] = "\x1b[2J\x1b[8mhidden\r\nnext"
    said = shell.run("top", "--once", env={"COLUMNS": "40"}).stdout.splitlines()
    assert said[0].startswith("metering/utilitarian: workers")
    assert max(map(width_of, said)) <= 40
    assert "next" not in said


def test_nothing_is_no_error_and_a_fleet_that_is_none_is(shell: FakeShell) -> None:
    assert shell.run("top", "--once").stdout == "no UtilitarianWorkerPool here; -A looks in all namespaces\n"
    shell.fleet()
    done = shell.run("top", "--fleet", "utilitarien")
    assert (done.returncode, done.stderr.endswith("did you mean utilitarian?\n")) == (2, True)


@pytest.mark.parametrize(
    "at,said", [("2026-03-02T11:00:00Z", "60 min"), ("2026-03-02T13:00:00Z", "0 s"), ("soon", "?"), ("2026-03-02", "?")]
)
def test_how_long_ago(at: str, said: str) -> None:
    assert ago(at, NOW) == said
    assert ago(at, NOW + timedelta(0)) == said


@pytest.mark.parametrize("hand", [["top", "--once"], ["status"]], ids=["top", "status"])
def test_of_all_namespaces_each_fleet_of_a_name_is_shown(shell: FakeShell, hand: list[str]) -> None:
    shell.fleet()
    shell.fleet(namespace="other")
    shell.fleet("neighbour")
    said = shell.run(*hand, "-A", "--fleet", "utilitarian").stdout.splitlines()
    assert [it.partition(":")[0] for it in said if "/utilitarian: " in it] == [
        "metering/utilitarian",
        "other/utilitarian",
    ]
    assert "neighbour" not in "".join(said)
    assert shell.run(*hand, "-A", "-n", "other").returncode == 2
