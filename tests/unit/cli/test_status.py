"""`status`, and what all commands have in common: formats, colour, completion, and how little they import."""

import json
from pathlib import Path

import pytest

from tests.support.command import operator_command
from tests.support.yaml_text import load

SAVED = Path(__file__).with_name("saved_fleet.yaml")


def test_each_pool_has_a_row() -> None:
    done = operator_command("status", "-f", SAVED)
    assert (done.returncode, done.stderr) == (0, "")
    head, age, warning, names, *rows = done.stdout.splitlines()
    assert head == "metering/utilitarian: workers 3/15, queues 1/2, mode Auto"
    assert age.startswith("read from a file: nothing in it is newer than 2026-03-02T12:00:00Z, ")
    assert warning.startswith("AtMaximum=True, MoreNeeded: ")
    assert names.split() == ["POOL", "READY", "BACKLOG", "BUSY", "NEXT-RUN", "RULE", "WHY"]
    hourly, cleanup = (row.split(maxsplit=4) for row in rows)
    assert hourly[:4] == ["amr-hourly", "3/5", "19940", "60"]
    assert hourly[4].startswith("2026-03-02T13:00:00Z ")  # no time that is left is counted from what is old
    assert hourly[4].endswith("bounds    max is 5, 9 workers would be needed")
    assert cleanup[:4] == ["cleanup", "0/0", "?", "?"]


def test_an_open_run_has_a_line() -> None:
    body = load(SAVED.read_text())
    run = {"name": "hourly-run", "started": "2026-03-02T12:00:00Z", "remaining": 20000, "eta": "2026-03-02T12:17:00Z"}
    body["status"]["pools"][0]["run"] = {**run, "uncertainty": "2m3s", "deadline": "2026-03-02T12:30:00Z"}
    done = operator_command("status", "-f", "-", stdin=json.dumps(body))
    assert (
        "amr-hourly: run hourly-run of 2026-03-02T12:00:00Z, 20,000 tasks left, done about 2026-03-02T12:17:00Z "
        "(± 2m3s), due 2026-03-02T12:30:00Z" in done.stdout.splitlines()
    )


def test_wide_shows_what_was_learned() -> None:
    done = operator_command("status", "-f", SAVED, "-o", "wide")
    names, hourly = (line.split() for line in done.stdout.splitlines()[3:5])
    assert names[4:8] == ["UNACKED", "LATER", "LEAVING", "A-TASK"]
    assert hourly[4:9] == ["60", "0", "0", "5", "s"]


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_programs_get_the_status_without_the_operators_own_memory(output: str) -> None:
    text = operator_command("status", "-f", SAVED, "-o", output).stdout
    (fleet,) = (json.loads(text) if output == "json" else load(text))["fleets"]
    hourly, cleanup = fleet["pools"]
    assert (fleet["fleet"], fleet["workers"]) == ("metering/utilitarian", "3/15")
    assert "memory" not in hourly
    assert hourly["nextRun"] == "2026-03-02T13:00:00Z"
    assert (fleet["asOf"], fleet["operator"]["seen"]) == ("2026-03-02T12:00:00Z", "Unknown")
    assert cleanup["nextRun"] is None


def test_a_fleet_that_no_operator_has_seen() -> None:
    body = load(SAVED.read_text())
    del body["status"]
    done = operator_command("status", "-f", "-", stdin=json.dumps(body))
    assert done.stdout == "metering/utilitarian: no operator has looked at it yet\n"


@pytest.mark.parametrize(
    "words,code,said",
    [
        (["-f", SAVED, "--fleet", "x"], 2, "error: no UtilitarianWorkerPool x here; there are: utilitarian"),
        (["-f", "/nonexistent"], 2, "error: /nonexistent: No such file"),
        (["-A", "-n", "one"], 2, "error: --namespace and --all-namespaces contradict each other"),
        ([], 1, "error: no cluster: there is no file /nonexistent/.kube/config"),
        (["--kubeconfig", __file__], 1, "error: no cluster: "),
    ],
    ids=["fleet", "file", "everywhere", "no-cluster", "no-kubeconfig"],
)
def test_what_is_wrong_is_said_in_one_sentence(words: list[str | Path], code: int, said: str) -> None:
    done = operator_command("status", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "mode,spec,said",
    [
        ("Paused", None, "mode Paused until 2100-01-01T00:00:00Z"),
        ("Paused", "Paused", "mode Paused"),
        ("Auto", None, "mode Auto"),
    ],
    ids=["by annotation", "by the spec", "not yet followed"],
)
def test_a_pause_has_its_end(mode: str, spec: str | None, said: str) -> None:
    body = load(SAVED.read_text())
    body["metadata"]["annotations"] = {"utilitarian.io/paused": "until 2100-01-01T00:00Z"}
    body["status"]["mode"] = mode
    body["spec"] |= {"mode": spec} if spec else {}
    head = operator_command("status", "-f", "-", stdin=json.dumps(body)).stdout.splitlines()[0]
    assert head == f"metering/utilitarian: workers 3/15, queues 1/2, {said}"


def test_what_stands_there_as_null_is_not_known() -> None:
    body = load(SAVED.read_text())
    body["status"] |= {"workers": None, "mode": None}
    head = operator_command("status", "-f", "-", stdin=json.dumps(body)).stdout.splitlines()[0]
    assert head == "metering/utilitarian: workers ?, queues 1/2, mode ?"
