"""`plan` as a person meets it without a cluster."""

import json
from pathlib import Path

import pytest

from tests.support.command import operator_command
from tests.support.yaml_text import load_all
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.manifests import fleet_objects
from utilitarian_operator.core.objects.wanted import DEPLOYMENT, DISRUPTION_BUDGET, STATEFUL_SET, wanted_objects

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = [*sorted((ROOT / "examples").glob("*.yaml")), *sorted((ROOT / "examples/fleets").glob("*.yaml"))]
FLEETS = [path for path in EXAMPLES if "kind: UtilitarianWorkerPool" in path.read_text()]
PRODUCTION = ROOT / "examples" / "production.yaml"


@pytest.mark.parametrize("path", FLEETS, ids=lambda path: path.stem)
def test_every_example_has_a_plan(path: Path) -> None:
    done = operator_command("plan", "-f", path)
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if not line.startswith("note: ")] == []
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
    done = operator_command("plan", "-f", PRODUCTION, "-o", "wide", env={"COLUMNS": "400"})
    row = next(line.split() for line in done.stdout.splitlines() if line.startswith("amr-monthly"))
    assert row[6:] == ["2Gi", "40", "1h", "2m", "monthly-run"]


def test_yaml_is_what_kubectl_takes_always_in_the_same_order() -> None:
    first, second = (operator_command("plan", "-f", PRODUCTION, "-n", "metering", "-o", "yaml") for _ in range(2))
    assert first.stdout == second.stdout
    objects = list(load_all(first.stdout))
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
    body = next(it for it in load_all(path.read_text()) if it["kind"] == "UtilitarianWorkerPool")
    fleet, owner = effective_fleet(accept(body).spec), Owner("default", body["metadata"]["name"], "uid")
    nothing: dict[str, dict[str, Object]] = {DEPLOYMENT: {}, STATEFUL_SET: {}, DISRUPTION_BUDGET: {}}
    wanted = wanted_objects(owner, fleet, nothing, {})
    made = [it.manifest for it in wanted]
    planned = [it for it in fleet_objects(owner, fleet) if it["kind"] != "PersistentVolumeClaim"]
    assert planned == made


def resource(name: str = "fleet", **spec: object) -> str:
    broker = {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}}
    body = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool", "metadata": {"name": name}}
    return json.dumps(body | {"spec": {"image": "utilitarian:1", "broker": broker, **spec}}) + "\n"


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


def test_what_may_surprise_is_noted_beside_the_plan() -> None:
    done = operator_command("plan", "-f", ROOT / "examples/fleets/analysis-solo-prefetch-128.yaml")
    assert done.stderr.startswith("note: pools.ingestion.worker.prefetchMultiplier: a busy worker holds 128 messages")
    assert "; cure: worker.prefetchMultiplier: 1" in done.stderr
