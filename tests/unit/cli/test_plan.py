"""`plan` as a person meets it without a cluster."""

import json
from pathlib import Path

import pytest
import yaml

from tests.support.command import operator_command
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.manifests import fleet_objects
from utilitarian_operator.core.objects.wanted import DEPLOYMENT, DISRUPTION_BUDGET, STATEFUL_SET, wanted_objects

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
FLEETS = [path for path in EXAMPLES if "kind: UtilitarianWorkerPool" in path.read_text()]
PRODUCTION = ROOT / "examples" / "production.yaml"


@pytest.mark.parametrize("path", FLEETS, ids=lambda path: path.stem)
def test_every_example_has_a_plan(path: Path) -> None:
    done = operator_command("plan", "-f", path)
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows = done.stdout.split("\n\n")[0].splitlines()
    assert head.split() == ["POOL", "QUEUES", "WORKERS", "EXECUTION", "SLOTS", "MEMORY"]
    assert rows
    assert f"Objects: {len(rows)} Deployment" in done.stdout


def test_the_table_says_what_a_pool_will_be() -> None:
    done = operator_command("plan", "-f", PRODUCTION)
    rows = {line.split()[0]: line.split() for line in done.stdout.split("\n\n")[0].splitlines()}
    assert rows["cleanup"] == ["cleanup", "utilitarian.tasks.cleanup", "0-4", "prefork/4", "16", "512Mi"]
    assert rows["external"][1:3] == ["utilitarian.tasks.external", "+1"]
    assert "At most 60 workers at a time, which request 30,720 MiB at most." in done.stdout
    assert "11 Deployments, 11 PodDisruptionBudgets, 1 PersistentVolumeClaim, 1 StatefulSet." in done.stdout


def test_wide_shows_more_of_each_pool() -> None:
    done = operator_command("plan", "-f", PRODUCTION, "-o", "wide")
    row = next(line.split() for line in done.stdout.splitlines() if line.startswith("amr-monthly"))
    assert row[6:] == ["2Gi", "40", "1h", "2m", "monthly-run"]


def test_yaml_is_what_kubectl_takes_always_in_the_same_order() -> None:
    first, second = (operator_command("plan", "-f", PRODUCTION, "-n", "metering", "-o", "yaml") for _ in range(2))
    assert first.stdout == second.stdout
    objects = list(yaml.safe_load_all(first.stdout))
    assert len(objects) == 24
    assert "&id" not in first.stdout
    assert {it["metadata"]["namespace"] for it in objects} == {"metering"}
    assert all("ownerReferences" not in it["metadata"] for it in objects)
    assert [it["kind"] for it in objects[-2:]] == ["PersistentVolumeClaim", "StatefulSet"]


def test_json_has_the_effective_spec_with_every_default() -> None:
    whole = json.loads(operator_command("plan", "-f", ROOT / "examples" / "minimal.yaml", "-o", "json").stdout)
    assert (whole["mode"], whole["maxWorkers"], len(whole["objects"])) == ("Auto", None, 24)
    hourly = next(pool for pool in whole["pools"] if pool["name"] == "amr-hourly")
    assert hourly["stabilization"] == "1m"
    assert hourly["slots"] == 100
    assert "changes" not in whole  # no cluster was asked


@pytest.mark.parametrize("path", FLEETS, ids=lambda path: path.stem)
def test_the_objects_are_those_that_the_operator_makes(path: Path) -> None:
    body = next(it for it in yaml.safe_load_all(path.read_text()) if it["kind"] == "UtilitarianWorkerPool")
    fleet, owner = effective_fleet(accept(body).spec), Owner("default", body["metadata"]["name"], "uid")
    nothing: dict[str, dict[str, Object]] = {DEPLOYMENT: {}, STATEFUL_SET: {}, DISRUPTION_BUDGET: {}}
    wanted = wanted_objects(owner, fleet, nothing, {})
    made = [it.manifest for it in wanted]
    planned = [it for it in fleet_objects(owner, fleet) if it["kind"] != "PersistentVolumeClaim"]
    assert planned == made


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


def test_problems_come_in_the_format_that_was_asked_for() -> None:
    done = operator_command("plan", "-f", "-", "-o", "json", stdin=resource(mode="Sometimes"))
    assert done.returncode == 2
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem["path"] == "spec.mode"
    assert set(problem) == {"path", "value", "remedy"}


def test_one_of_several_is_chosen_by_its_name() -> None:
    both = "\n---\n".join([resource("one"), resource("two")])
    done = operator_command("plan", "-f", "-", "--fleet", "two", "-o", "json", stdin=both)
    assert json.loads(done.stdout)["name"] == "two"
    assert "there are: one, two" in operator_command("plan", "-f", "-", "--fleet", "three", stdin=both).stderr


def test_a_warning_is_said_and_stops_nothing() -> None:
    worker = {"concurrency": 10, "maxMemoryPerChild": "1Gi", "resources": {"limits": {"memory": "2Gi"}}}
    done = operator_command("plan", "-f", "-", stdin=resource(pools=[{"name": "p", "queues": ["q"], "worker": worker}]))
    assert done.returncode == 0
    assert "warning: spec.pools[0].worker.maxMemoryPerChild: " in done.stderr


def test_preview_makes_nothing_and_the_plan_says_so() -> None:
    assert "mode is Preview" in operator_command("plan", "-f", "-", stdin=resource(mode="Preview")).stdout


@pytest.mark.parametrize(
    "options,said",
    [
        (["--live", "--offline"], "contradict each other"),
        (["--exit-code"], "--exit-code needs a cluster"),
        (["--exit-code", "--offline", "--kubeconfig", "/x"], "--exit-code needs a cluster"),
    ],
    ids=" ".join,
)
def test_options_that_make_no_sense_together_are_refused(options: list[str], said: str) -> None:
    done = operator_command("plan", "-f", PRODUCTION, *options)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    "options,env",
    [
        (["--live"], {}),
        (["--kubeconfig", "/nonexistent/config"], {}),
        ([], {"KUBECONFIG": "/nonexistent/config"}),
        ([], {"KUBECONFIG": __file__}),
        (["--context", "elsewhere"], {}),
    ],
    ids=["live", "kubeconfig", "variable", "no-kubeconfig", "context"],
)
def test_without_the_cluster_that_was_asked_for_it_fails_in_one_sentence(
    options: list[str], env: dict[str, str]
) -> None:
    done = operator_command("plan", "-f", PRODUCTION, *options, env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no cluster: ")
    assert len(done.stderr.splitlines()) == 1


def test_offline_needs_no_cluster_even_where_one_is_configured() -> None:
    done = operator_command("plan", "-f", PRODUCTION, "--offline", env={"KUBECONFIG": "/nonexistent/config"})
    assert done.returncode == 0, done.stderr
