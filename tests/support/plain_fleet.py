"""Applies a fleet without beat, a pool a queue, with its broker's address in a Secret."""

from typing import Any

from tests.support.controlplane import ControlPlane


def apply(
    controlplane: ControlPlane, namespace: str, name: str, url: str, stats: str, queues: list[str], **spec: Any
) -> None:
    """Make both.

    Args:
        controlplane: where.
        namespace: of both.
        name: of both.
        url: of the broker.
        stats: endpoints of statistics; none where it is empty.
        queues: of which each has a pool: p0, p1, …
        spec: more of the resource.
    """
    secret = {"metadata": {"name": name}, "stringData": {"URL": url, "STATS": stats}}
    controlplane.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
    broker: dict[str, Any] = {"urlFrom": {"secretKeyRef": {"name": name, "key": "URL"}}}
    if stats:
        broker["stats"] = {"urlFrom": {"secretKeyRef": {"name": name, "key": "STATS"}}}
    pools = [{"name": f"p{number}", "queues": [queue]} for number, queue in enumerate(queues)]
    fleet = {
        "apiVersion": "utilitarian.io/v1alpha1",
        "kind": "UtilitarianWorkerPool",
        "metadata": {"name": name},
        "spec": {"image": "u:1", "broker": broker, "beat": {"enabled": False}, "pools": pools, **spec},
    }
    path = f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/utilitarianworkerpools"
    controlplane.request("POST", path, fleet)
