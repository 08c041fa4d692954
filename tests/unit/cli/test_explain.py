"""`explain` as a person meets it with a saved resource."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import operator_command
from tests.support.yaml_text import load

SAVED = Path(__file__).with_name("saved_fleet.yaml")


def saved(**changes: Any) -> str:
    return json.dumps(load(SAVED.read_text()) | changes)


def test_a_pool_is_explained_with_its_numbers() -> None:
    done = operator_command("explain", "amr-hourly", "-f", SAVED)
    assert (done.returncode, done.stderr) == (0, "")
    head, age, summary, *rest = done.stdout.splitlines()
    assert head.startswith("Pool amr-hourly of metering/utilitarian, as of 2026-03-02T12:00:00Z, ")
    assert age.startswith("read from a file: nothing in it is newer than 2026-03-02T12:00:00Z, ")
    assert "run hourly-run starts at 2026-03-02T13:00:00Z" in done.stdout
    assert summary == "5 workers wanted, 3 ready: max is 5, 9 workers would be needed"
    titles = [line for line in rest if line and not line.startswith(" ")]
    assert titles == ["Beware", "Seen", "Rules, in their order", "Remembered", "What would change it", "Recommended"]
    for said in (
        "  AtMaximum=True, MoreNeeded: pool amr-hourly: max is 5",
        "  waiting            19,940 tasks",
        "  demand   5 to 9    20,000 tasks of 5 s, to be started within 10m",
        "  a task takes         5 s (over 200 tasks; first guess 5s)",
        "  scaling.max: 9 lets it have all that it asks for; now it is 5",
        "  pools.amr-hourly.worker.prefetchMultiplier: 1 (now 4)",
    ):
        assert said in done.stdout


def test_the_open_run_and_the_last_ones_are_told() -> None:
    status = json.loads(saved())["status"]
    shown = {"name": "run", "outcome": "Done", "tasks": 2000, "mostWorkers": 5, "workerSeconds": 5400}
    past = [
        shown | {"started": f"2026-03-02T{hour:02}:00:00Z", "finished": f"2026-03-02T{hour:02}:20:30Z"}
        for hour in (11, 10, 9, 8)
    ]
    status["pools"][0] |= {"run": {"name": "run", "started": "2026-03-02T12:00:00Z"}, "history": past}
    lines = operator_command("explain", "amr-hourly", "-f", "-", stdin=saved(status=status)).stdout.splitlines()
    runs = [line.strip() for line in lines[lines.index("Runs") + 1 :]]
    assert runs[0].split(maxsplit=1) == ["open", "run run of 2026-03-02T12:00:00Z, what is left is unknown"]
    assert runs[1] == "run of 2026-03-02T11:00:00Z   Done after 20m, 2,000 tasks, 5 workers at most, 1.5 worker-hours"
    assert runs[4] == ""


def test_what_was_not_seen_is_unknown_and_not_zero() -> None:
    done = operator_command("explain", "cleanup", "-f", SAVED)
    assert "  waiting            unknown" in done.stdout
    assert "nothing changes until its queues are seen again" in done.stdout


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_programs_get_the_same(output: str) -> None:
    text = operator_command("explain", "amr-hourly", "-f", SAVED, "-o", output).stdout
    shown = json.loads(text) if output == "json" else load(text)
    assert (shown["fleet"], shown["pool"]) == ("metering/utilitarian", "amr-hourly")
    assert [step["rule"] for step in shown["trail"]] == ["demand", "bounds"]
    assert shown["recommendations"][0]["path"] == "pools.amr-hourly.scaling.max"


def test_wide_puts_recommendations_into_a_table() -> None:
    done = operator_command("explain", "amr-hourly", "-f", SAVED, "-o", "wide")
    assert "FIELD" in done.stdout
    assert "BETTER" in done.stdout


def test_a_list_as_kubectl_prints_it_is_read_from_stdin() -> None:
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": [json.loads(saved())]})
    assert operator_command("explain", "cleanup", "-f", "-", stdin=body).returncode == 0


def test_a_refused_spec_still_tells_its_status() -> None:
    spec = load(SAVED.read_text())["spec"] | {"mode": "Sometimes"}
    done = operator_command("explain", "amr-hourly", "-f", "-", stdin=saved(spec=spec))
    assert done.returncode == 0, done.stderr
    assert "the spec as it stands is refused, an earlier one runs: spec.mode: " in done.stdout
    assert "demand   5 to 9" in done.stdout


def test_a_fleet_that_no_operator_has_seen() -> None:
    done = operator_command("explain", "amr-hourly", "-f", "-", stdin=saved(status={}))
    assert done.returncode == 0
    assert "no operator has looked at it yet" in done.stdout


WRONG: dict[str, tuple[list[str], str, str]] = {
    "no such pool": (["nothing"], saved(), "error: no pool nothing; there are: amr-hourly, cleanup"),
    "no such fleet": (["cleanup", "--fleet", "x"], saved(), "error: no UtilitarianWorkerPool x here; there are: utili"),
    "a status that no operator wrote": (
        ["cleanup"],
        saved(status={"pools": [{"replicas": 3}]}),
        "error: stdin: status.pools[0].name: Field required; take the status as kubectl prints it",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_exist_is_said_in_one_sentence(name: str) -> None:
    words, stdin, said = WRONG[name]
    done = operator_command("explain", *words, "-f", "-", stdin=stdin)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1


EDITED: dict[str, tuple[tuple[str | int, ...], Any]] = {
    "no list of managers": (("metadata", "managedFields"), 5),
    "managers that are none": (("metadata", "managedFields"), "none"),
    "a time that is none": (("metadata", "managedFields", 0, "time"), "yesterday"),
    "no figure": (("status", "pools", 0, "ready"), None),
    "a task longer than any": (("status", "pools", 0, "memory", "longest"), 1e300),
    "a memory of another version": (("status", "pools", 0, "memory"), {"arrivals": "many"}),
    "no trail": (("status", "pools", 0, "trail"), None),
    "a step without its reason": (("status", "pools", 0, "trail", 0), {"rule": "demand", "before": 5, "after": 9}),
    "a step without its number": (("status", "pools", 0, "trail", 0), {"rule": "demand", "because": "so"}),
    "a condition without a reason": (("status", "conditions", 0), {"type": "Ready", "status": "False"}),
}


@pytest.mark.parametrize("name", EDITED)
def test_an_edited_status_is_explained_as_far_as_it_goes(name: str) -> None:
    (*parents, leaf), value = EDITED[name]
    body = load(SAVED.read_text())
    part = body
    for parent in parents:
        part = part[parent]
    part[leaf] = value
    done = operator_command("explain", "amr-hourly", "-f", "-", stdin=json.dumps(body))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Pool amr-hourly of metering/utilitarian")


def test_a_newer_operators_status_is_read_too() -> None:
    status = load(SAVED.read_text())["status"]
    status["pools"][0]["newer"] = status["newer"] = "figure"
    done = operator_command("explain", "amr-hourly", "-f", "-", stdin=saved(status=status))
    assert done.returncode == 0, done.stderr


def test_without_a_cluster_it_fails_in_one_sentence() -> None:
    done = operator_command("explain", "amr-hourly")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no cluster: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_clock_that_is_behind_makes_no_age_below_zero() -> None:
    body = load(SAVED.read_text())
    body["metadata"]["managedFields"][0]["time"] = "2999-01-01T00:00:00Z"
    done = operator_command("explain", "amr-hourly", "-f", "-", stdin=json.dumps(body))
    assert "as of 2999-01-01T00:00:00Z, 0 s ago" in done.stdout
