"""The resource as people use it: examples, explain, get, diff, and the largest fleet, on a real API server."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.controlplane import ControlPlane
from tests.support.resources import resource
from utilitarian_operator.api.resource import MOST_POOLS, MOST_QUEUES, MOST_SCHEDULES
from utilitarian_operator.api.status import FleetStatus
from utilitarian_operator.api.validation.resource_rules import accept, warnings

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = {
    path.name: path
    for path in [*sorted((ROOT / "examples").glob("*.yaml")), *sorted((ROOT / "examples/fleets").glob("*.yaml"))]
    if "kind: UtilitarianWorkerPool" in path.read_text()
}
STATUS: dict[str, Any] = {
    "observedGeneration": 3,
    "mode": "Preview",
    "workers": "12/60",
    "queues": "14/14",
    "activePools": 3,
    "backlog": 123_456,
    "nextRun": "amr-monthly 2026-12-01T00:30Z",
    "conditions": [
        {
            "type": kind,
            "status": "True",
            "reason": "Working",
            "message": "a sentence",
            "observedGeneration": 3,
            "lastTransitionTime": "2026-11-23T12:00:00Z",
        }
        for kind in ("Ready", "BeatReady", "BrokerReachable")
    ],
    "pools": [
        {
            "name": "amr-monthly",
            "replicas": 3,
            "ready": 2,
            "desired": 3,
            "draining": 0,
            "backlog": None,
            "unacked": 4,
            "busy": 4,
            "deferred": 0,
            "reason": "demand",
            "message": "a sentence",
            "trail": [{"rule": "demand", "before": 0, "after": 3, "because": "a sentence"}],
            "memory": {"idleSince": "2026-11-23T12:00:00Z", "arrivals": [1, 2, 3], "firstWorkerSpent": True},
            "history": [{"name": "monthly-run", "started": "2026-11-01T00:30:00Z", "tasks": 20_000}],
        }
    ],
    "beat": {
        "ready": True,
        "lastSeen": "2026-11-23T12:00:00Z",
        "lastMessages": [{"queue": "q", "at": "2026-11-23T12:00:00Z"}],
    },
}


def largest() -> dict[str, Any]:
    """A fleet at every limit that the rules have to walk through."""
    body = resource("{maxWorkers: 1000}", name="largest")
    body["spec"]["pools"] = [_full_pool(number) for number in range(MOST_POOLS)]
    return body


def _full_pool(number: int) -> dict[str, Any]:
    run = {"start": "0 0 1 * *", "finishWithin": "24h", "workers": 2, "warmUp": "2m", "timeZone": "Europe/Stockholm"}
    return {
        "name": f"pool-{number:03}",  # in the order of the list, the dearest for the rule on queues
        "queues": [f"utilitarian.tasks.some.rather.long.name.of.a.queue.{number}.{n}" for n in range(MOST_QUEUES)],
        "priority": 5,
        "env": [{"name": f"V{n}", "value": "x"} for n in range(20)],
        "worker": {
            "concurrency": 4,
            "execution": "prefork",
            "maxTasksPerChild": 10,
            "maxMemoryPerChild": "150Mi",
            "resources": {"requests": {"cpu": "200m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
            "extraArgs": ["--time-limit=3600"] * 16,
        },
        "scaling": {"min": 1, "max": 10, "drainWithin": "10m", "taskDuration": "5s", "idleAfter": "2m"},
        "schedule": [{"name": f"run-{n}", **run} for n in range(MOST_SCHEDULES)],
        "drainTimeout": "1h",
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_applied_and_then_differs_in_nothing(
    controlplane: ControlPlane, namespace: str, name: str
) -> None:
    controlplane.kubectl("apply", "-n", namespace, "--validate=strict", "-f", str(EXAMPLES[name]))
    assert controlplane.kubectl("diff", "-n", namespace, "-f", str(EXAMPLES[name])) == ""


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_operator_accepts_an_example_without_a_warning(name: str) -> None:
    bodies = [
        body for body in yaml.safe_load_all(EXAMPLES[name].read_text()) if body["kind"] == "UtilitarianWorkerPool"
    ]
    for body in bodies:
        assert warnings(accept(body).spec) == []


def test_the_largest_fleet_is_within_the_cost_budget(controlplane: ControlPlane, namespace: str) -> None:
    path = f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/utilitarianworkerpools"
    created = controlplane.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", largest())
    assert len(created["spec"]["pools"]) == MOST_POOLS
    assert len(accept(largest()).spec.pools or ()) == MOST_POOLS


def test_one_pool_more_is_refused(controlplane: ControlPlane) -> None:
    body = largest()
    body["spec"]["pools"].append(_full_pool(MOST_POOLS))
    with pytest.raises(AssertionError, match="must have at most 100 items"):
        controlplane.request("POST", "/apis/utilitarian.io/v1alpha1/namespaces/default/utilitarianworkerpools", body)


def test_explain_teaches_scaling(controlplane: ControlPlane) -> None:
    said = " ".join(controlplane.kubectl("explain", "uwp.spec.pools.scaling").split())
    for sentence in (
        "Workers it has at most. Unless given: 10.",
        "A task is started within this after it arrived. Unless given: 10m.",
        "enum: React, Hold",
    ):
        assert sentence in said


def test_a_full_status_is_stored_and_shown_in_under_80_columns(controlplane: ControlPlane, namespace: str) -> None:
    path = f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/utilitarianworkerpools"
    controlplane.request("POST", path, resource(name="utilitarian"))
    stored = controlplane.request(
        "PATCH", f"{path}/utilitarian/status?fieldValidation=Strict", {"status": STATUS}, "application/merge-patch+json"
    )
    assert stored["status"]["pools"][0]["memory"]["arrivals"] == [1, 2, 3]
    table = controlplane.kubectl("get", "uwp", "-n", namespace)
    assert table.splitlines()[0].split() == ["NAME", "READY", "QUEUES", "ACTIVE", "WORKERS", "BACKLOG", "AGE"]
    assert max(map(len, table.splitlines())) < 80
    wide = controlplane.kubectl("get", "uwp", "-n", namespace, "-o", "wide")
    assert wide.splitlines()[0].split()[7:] == ["MODE", "BEAT", "BROKER", "NEXT-RUN", "MESSAGE"]


def test_the_status_models_read_what_is_stored() -> None:
    assert FleetStatus.model_validate(STATUS).pools


def test_the_category_lists_it(controlplane: ControlPlane, namespace: str) -> None:
    path = f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/utilitarianworkerpools"
    controlplane.request("POST", path, resource(name="utilitarian"))
    assert "utilitarianworkerpool.utilitarian.io/utilitarian" in controlplane.kubectl(
        "get", "utilitarian", "-n", namespace, "-o", "name"
    )
