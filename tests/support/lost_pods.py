"""Pods whose status shows how their container ended."""

from typing import Any

from utilitarian_operator.api.objects import Object

COMMAND = ["celery", "-A", "utilitarian", "worker", "-Q", "amr,amr.hourly", "--concurrency=10"]


def pod(
    name: str = "fleet-amr-1", *, pool: str | None = "amr", resources: Object | None = None, **status: Any
) -> Object:
    labels = {"app.kubernetes.io/instance": "fleet"} | ({"utilitarian.io/pool": pool} if pool else {})
    name_of_ours, command = ("worker", COMMAND) if pool else ("beat", ["celery", "beat"])
    container = {"name": name_of_ours, "command": command, "resources": resources or {}}
    return {
        "metadata": {"name": name, "namespace": "ns", "uid": f"uid-{name}", "labels": labels, "resourceVersion": "1"},
        "spec": {"nodeName": "node-7", "containers": [container]},
        "status": status,
    }


def ended(reason: str = "Error", code: int = 1, at: str = "2026-11-23T12:00:05Z") -> Object:
    return {"terminated": {"reason": reason, "exitCode": code, "finishedAt": at}}


def containers(state: Object | None = None, last: Object | None = None, name: str = "worker") -> list[Object]:
    return [{"name": name, "state": state or {"running": {}}, "lastState": last or {}}]


def disrupted(reason: str, message: str) -> list[Object]:
    at = "2026-11-23T12:00:05Z"
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
    return [{"type": "Ready", "status": "True"}, condition | {"lastTransitionTime": at}]


LOW = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 20Mi. "
