"""`events`: what is told of a fleet and its objects, and of nothing else, the newest last."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from tests.support.fake_shell import NAMESPACE, FakeShell
from utilitarian_operator.cli.hands import events, watching
from utilitarian_operator.core.moments import timestamp

NUMBERS = count()


def told(shell: FakeShell, kind: str, name: str, note: str, ago: int = 0, **more: Any) -> None:
    """An event of so many minutes ago."""
    at = timestamp(datetime.now(UTC) - timedelta(minutes=ago))
    body = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"event-{next(NUMBERS)}", "namespace": NAMESPACE},
        "regarding": {"kind": kind, "name": name},
        "note": note,
        "reason": "ScaledUp",
        "type": "Normal",
        "eventTime": at,
    }
    shell.add(body | more)


@pytest.fixture
def fleet(shell: FakeShell) -> FakeShell:
    """A fleet with events of it, of its objects, and of others."""
    shell.fleet()
    told(shell, "UtilitarianWorkerPool", "utilitarian", "pool amr-hourly: 0 to 5", 30)
    told(shell, "UtilitarianWorkerPool", "utilitarian", "pool cleanup: 0 to 1", 20)
    told(shell, "Pod", "utilitarian-amr-hourly-7d-x", "no node", 10, type="Warning", reason="FailedScheduling", count=7)
    told(shell, "StatefulSet", "utilitarian-beat", "made", 5)
    told(shell, "UtilitarianWorkerPool", "another", "pool amr-hourly: 0 to 5", 1)
    told(shell, "Pod", "utilitarian-amr-hourlyx-7d-x", "another's", 1)
    told(shell, "Node", "utilitarian-beat", "another's", 1)
    return shell


def test_what_is_told_of_a_fleet_and_its_objects(fleet: FakeShell) -> None:
    done = fleet.run("events")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:4] for line in done.stdout.splitlines()] == [
        ["AGO", "REASON", "ABOUT", "WHAT"],
        ["30", "min", "ScaledUp", "utilitarian"],
        ["20", "min", "ScaledUp", "utilitarian"],
        ["10", "min", "FailedScheduling", "Pod/utilitarian-amr-hourly-7d-x"],
        ["5", "min", "ScaledUp", "StatefulSet/utilitarian-beat"],
    ]
    assert "no node (7 times)" in done.stdout


def test_what_is_told_of_a_pool_and_how_many_are_shown(fleet: FakeShell) -> None:
    said = json.loads(fleet.run("events", "amr-hourly", "-o", "json").stdout)["events"]
    assert [it["note"] for it in said] == ["pool amr-hourly: 0 to 5", "no node"]
    assert set(said[0]) == {"at", "type", "reason", "about", "count", "note"}
    assert len(json.loads(fleet.run("events", "--last", "1", "-o", "json").stdout)["events"]) == 1
    assert len(json.loads(fleet.run("events", "--last", "0", "-o", "json").stdout)["events"]) == 4


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_table_fits(fleet: FakeShell, width: int) -> None:
    said = fleet.run("events", env={"COLUMNS": str(width)}).stdout
    assert max(map(len, said.splitlines())) <= width


def test_no_events_are_no_error_and_a_pool_that_is_none_is(shell: FakeShell) -> None:
    shell.fleet()
    done = shell.run("events")
    assert (done.returncode, done.stdout.strip()) == (0, "")
    assert done.stderr.startswith("no events: Kubernetes keeps them for an hour")
    done = shell.run("events", "cleanap")
    assert (done.returncode, done.stderr.endswith("did you mean cleanup?\n")) == (2, True)


def test_a_watch_ends_with_ctrl_c(fleet: FakeShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "EVERY_S", 0)

    def ended(_: Any) -> Exception | None:
        if len(fleet.cluster.requests) > 40:
            raise KeyboardInterrupt
        return None

    fleet.cluster.fails = ended
    done = fleet.run("events", "-w")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("no node") == 1


@pytest.mark.parametrize("page", [1, 2, 100])
def test_the_newest_is_found_behind_whatever_many_events_others_have(fleet: FakeShell, page: int) -> None:
    """Kubernetes lists events in the order of their names."""
    fleet.cluster.page_size = page
    for number in range(3):
        told(fleet, "Pod", f"another-{number}", "another's", metadata={"name": f"a-{number}", "namespace": NAMESPACE})
    metadata = {"name": "z", "namespace": NAMESPACE}
    told(fleet, "Pod", "utilitarian-cleanup-7d-y", "the newest", metadata=metadata)
    assert "the newest" in fleet.run("events").stdout.splitlines()[-1]


def test_events_that_are_too_many_are_said(fleet: FakeShell, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.cluster.page_size = 1
    monkeypatch.setattr(events, "MOST_OF_A_KIND", 2)
    done = fleet.run("events")
    said = "note: there are more than 2 events of the kind UtilitarianWorkerPool: some are not among these\n"
    assert (done.returncode, done.stderr) == (0, said)


def test_moments_are_ordered_whatever_their_fractions(shell: FakeShell) -> None:
    shell.fleet()
    for note, at in (("third", "2026-03-02T12:00:00.5Z"), ("first", "what"), ("second", "2026-03-02T12:00:00Z")):
        told(shell, "Deployment", "utilitarian-cleanup", note, eventTime=at)
    said = json.loads(shell.run("events", "-o", "json").stdout)["events"]
    assert [it["note"] for it in said] == ["first", "second", "third"]


def test_a_pool_or_fleet_whose_name_begins_another_has_not_the_events_of_that(shell: FakeShell) -> None:
    shell.fleet("f", pools=[{"name": name, "queues": [name]} for name in ("amr", "amr-hourly", "eu")])
    shell.fleet("f-eu", pools=[{"name": "west", "queues": ["west"]}])
    for name in ("f-amr-6d-x", "f-amr-hourly-7d-y", "f-eu-8d-z", "f-eu-west-9d-z"):
        told(shell, "Pod", name, name)
    said = {pool: shell.run("events", pool, "--fleet", "f").stdout for pool in ("amr", "amr-hourly", "eu")}
    found = {pool: {word for word in text.split() if word.startswith("f-")} for pool, text in said.items()}
    assert found == {"amr": {"f-amr-6d-x"}, "amr-hourly": {"f-amr-hourly-7d-y"}, "eu": {"f-eu-8d-z"}}
    assert "f-eu-west-9d-z" not in shell.run("events", "--fleet", "f").stdout
