"""Pods and Deployments in the states that Kubernetes writes, from pod_states.yaml."""

from datetime import UTC, datetime
from pathlib import Path

from tests.support.yaml_text import load
from utilitarian_operator.api.objects import Object

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR_AGO = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
STATES = load((Path(__file__).parent / "pod_states.yaml").read_text())


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
    written: Object = state.get("deployment", {})
    return {"metadata": {"name": "fleet-amr"}, "spec": {}, "status": {}} | written
