"""Where a command takes its resource from, and what is said of a file that has none."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.command import operator_command
from utilitarian_operator.cli.resources import Found
from utilitarian_operator.core.explain.presence import Seen

ROOT = Path(__file__).resolve().parents[3]
PRODUCTION = ROOT / "examples" / "production.yaml"


def test_it_reads_stdin_and_leaves_other_objects_out() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: utilitarian-env}\n---\n"
    done = operator_command("plan", "-f", "-", stdin=secret + PRODUCTION.read_text())
    assert done.returncode == 0, done.stderr


def resource(name: str = "fleet", **spec: object) -> str:
    broker = {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}}
    body = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool", "metadata": {"name": name}}
    return json.dumps(body | {"spec": {"image": "utilitarian:1", "broker": broker, **spec}}) + "\n"


WRONG: dict[str, tuple[str, str]] = {
    "not there": ("/nonexistent/fleet.yaml", "error: /nonexistent/fleet.yaml: No such file or directory"),
    "a folder": (str(ROOT), "Is a directory"),
    "no YAML": ("a: [", "error: stdin: no YAML: "),
    "a key twice": ("kind: A\nkind: B", "error: stdin: no YAML: kind stands there twice"),
    "a date that is none": ("kind: Secret\nmetadata: 2026-13-01", "error: stdin: no UtilitarianWorkerPool in it"),
    "nothing": ("", "error: stdin: no UtilitarianWorkerPool in it, only nothing"),
    "something else": ("kind: Secret", "error: stdin: no UtilitarianWorkerPool in it, only Secret"),
    "no kind": ("start: 2026-01-01", "error: stdin: no UtilitarianWorkerPool in it, only objects without a kind"),
    "no name": ("kind: UtilitarianWorkerPool", "error: stdin: metadata.name is missing"),
    "two": (
        "\n---\n".join([resource("one"), resource("two")]),
        "several fleets could be meant, name one by --fleet: one, two",
    ),
    "a contradiction": (
        resource(pools=[{"name": "p", "queues": ["q"], "scaling": {"min": 5, "max": 2}}]),
        "error: spec.pools[0].scaling",
    ),
    "a duration without a unit": (
        resource(pools=[{"name": "p", "queues": ["q"], "scaling": {"drainWithin": 5}}]),
        "error: spec.pools[0].scaling.drainWithin: ",
    ),
    "a cron line that is none": (
        resource(pools=[{"name": "p", "queues": ["q"], "schedule": [{"name": "r", "start": "soon"}]}]),
        "error: spec.pools[0].schedule[0].start: ",
    ),
    "two mistakes": (resource(image=5, mode="Sometimes"), "error: spec.mode: "),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_file_is_said_with_path_and_remedy(name: str) -> None:
    given, said = WRONG[name]
    in_a_file = given.startswith("/")
    done = operator_command("plan", "-f", given if in_a_file else "-", stdin=None if in_a_file else given)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert all(line.startswith("error: ") for line in done.stderr.splitlines()), done.stderr


@pytest.mark.parametrize("annotations", [{"utilitarian.io/paused": 5}, [1], "a"], ids=["a number", "a list", "a text"])
@pytest.mark.parametrize("command", ["status", "plan"])
def test_an_annotation_has_a_text(command: str, annotations: object) -> None:
    body = json.loads(resource())
    body["metadata"]["annotations"] = annotations
    done = operator_command(command, "-f", "-", stdin=json.dumps(body))
    said = "error: stdin: metadata.annotations: each has a text: put its value in quotes\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_one_of_several_is_chosen_by_its_name() -> None:
    both = "\n---\n".join([resource("one"), resource("two")])
    done = operator_command("plan", "-f", "-", "--fleet", "two", "-o", "json", stdin=both)
    assert json.loads(done.stdout)["name"] == "two"
    assert "there are: one, two" in operator_command("plan", "-f", "-", "--fleet", "three", stdin=both).stderr


def test_another_namespaces_operator_is_not_the_fleets_own() -> None:
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    spec = {"holderIdentity": "a/b", "leaseDurationSeconds": 60, "renewTime": "2026-11-28T11:59:58.000000Z"}
    found = Found([], {"other": {"metadata": {"namespace": "other"}, "spec": spec}, "refused": "forbidden"})
    seen = {it: found.presence({"metadata": {"namespace": it}}, now).seen for it in ("other", "metering", "refused")}
    assert seen == {"other": Seen.NOW, "metering": Seen.NOT, "refused": Seen.UNKNOWN}
