"""States of pods and Deployments as Kubernetes writes them: which pod failure is named, and what was lost."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.diagnosis.pod_loss_history import PodLosses
from utilitarian_operator.core.observation.causes.pod_status import pod_hindrance
from utilitarian_operator.core.observation.pod_failures import pod_failure

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR_AGO = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
STATES = yaml.safe_load((Path(__file__).parent / "pod_states.yaml").read_text())


def pod(written: Object, kind: str) -> Object:
    """A pod with what our template gives each: a proxy stands before our container, as some clusters put it."""
    ours = {
        "name": kind,
        "command": ["celery", "-A", "utilitarian", kind, *(["-Q", "amr"] if kind == "worker" else [])],
        "resources": {"limits": {"memory": "2Gi"}},
    }
    proxy = {"name": "istio-proxy", "command": ["proxy", "-Q", "1"], "resources": {"limits": {"memory": "64Mi"}}}
    labels = {"utilitarian.io/pool": "amr"} if kind == "worker" else {}
    metadata = {"uid": written["metadata"]["name"], "creationTimestamp": "2026-11-23T11:00:00Z", "labels": labels}
    gates = [{"conditionType": "utilitarian.io/consuming"}] if kind == "worker" else []
    spec = {"nodeName": "node-7", "containers": [proxy, ours], "readinessGates": gates}
    return {
        "metadata": metadata | written["metadata"],
        "spec": spec | written.get("spec", {}),
        "status": written["status"],
    }


def ready_pod(number: int) -> Object:
    conditions = [{"type": "Ready", "status": "True"}]
    running = [{"name": "worker", "state": {"running": {}}}]
    status = {"phase": "Running", "conditions": conditions, "containerStatuses": running}
    return pod({"metadata": {"name": f"ready-{number}"}, "status": status}, "worker")


def pods_of(state: Object) -> list[Object]:
    there = [pod(it, state.get("kind", "worker")) for it in state.get("pods", [])]
    return [*there, *(ready_pod(number) for number in range(state.get("ready", 0)))]


def deployment_of(state: Object) -> Object:
    return {"metadata": {"name": "fleet-amr"}, "spec": {}, "status": {}} | state.get("deployment", {})


@pytest.mark.parametrize("state", [pytest.param(it, id=it["id"]) for it in STATES])
def test_what_hinders_a_pool(state: Object) -> None:
    found = pod_failure(deployment_of(state), pods_of(state), NOW, state.get("events", {}))
    if "hinders" not in state:
        assert found is None
        return
    reason, stops, words = state["hinders"]
    assert found is not None
    assert (found.reason, found.stops) == (reason, stops)
    assert words in found.message


@pytest.mark.parametrize("state", [pytest.param(it, id=it["id"]) for it in STATES if "lost" in it])
def test_what_was_lost(state: Object) -> None:
    """As an operator tells it that began an hour ago."""
    _, losses = PodLosses(HOUR_AGO).new([])
    found = [it for it, _ in losses.new(pods_of(state))[0]]
    assert [it.cause for it in found] == [cause for cause, _ in state["lost"]]
    for loss, (_, words) in zip(found, state["lost"], strict=True):
        assert words in loss.note()
        assert "(queue 1)" not in loss.note()


def test_the_table_has_every_reason() -> None:
    said = {it["hinders"][0] for it in STATES if "hinders" in it}
    assert said >= {"PodsRefused", "PodsNotDeleted", "Unschedulable", "WorkersFailing", "NeverReady", "NodeLost"}
    assert {cause for it in STATES for cause, _ in it.get("lost", [])} == {
        *("OOMKilled", "Crashed", "Evicted", "Preempted", "NodeLost")
    }


def test_what_stops_a_pool_is_said_before_what_does_not() -> None:
    """A pod that can't be deleted is no matter while no worker can run."""
    kept = next(it for it in STATES if it["id"] == "a pod can't be deleted")
    crashed = next(it for it in STATES if it["id"] == "a worker's first crash")
    found = pod_failure(deployment_of(kept), pods_of(crashed), NOW)
    assert found is not None
    assert found.reason == "WorkersFailing"


def test_an_old_end_is_not_told_when_its_pod_is_seen_anew() -> None:
    """A pod's status shows the last end of its container for weeks, and a watch may lose a pod and find it again."""
    killed = next(it for it in STATES if it["id"].startswith("a node falls silent"))
    losses = PodLosses(HOUR_AGO)
    for pods in ([], pods_of(killed), [], pods_of(killed)):
        found, losses = losses.new(pods)
        assert found == []


def beat_that_hangs(wanted: str) -> Object:
    state = next(it for it in STATES if it["id"] == wanted)
    return pod(state["pods"][0] | {"metadata": {**state["pods"][0]["metadata"], "name": "fleet-beat-0"}}, "beat")


@pytest.mark.parametrize(
    "state,events,said",
    [
        ("after a wake from zero an init container hangs", {}, "its init container wait-for-db has not ended"),
        (
            "after a wake from zero a volume is not there",
            {"fleet-beat-0": 'FailedMount: no volume "v"'},
            'its volumes or its network are not ready (FailedMount: no volume "v")',
        ),
    ],
)
def test_what_beat_waits_for_is_said_too(state: str, events: Object, said: str) -> None:
    words = pod_hindrance(beat_that_hangs(state), NOW, events)
    assert words is not None
    assert words.startswith(f"pod fleet-beat-0: {said}")
    assert pod_hindrance(beat_that_hangs(state), datetime(2026, 11, 23, 11, 9, tzinfo=UTC), events) is None
