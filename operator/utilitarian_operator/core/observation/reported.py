"""What a Deployment's own status says of its pods, to be compared with the pods that are seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from utilitarian_operator.core.moments import length

GRACE = timedelta(seconds=30)
"""Kubernetes' own, of a template that names none."""


@dataclass(frozen=True, slots=True)
class Reported:
    """The status of a Deployment, and of its template what a drain rests on.

    Args:
        observed: whether it speaks of the spec as it is now.
        pods: that there are, those that are being deleted left out.
        ready: of them, as the ReplicaSet controller sees them.
        updated: of them, from the newest template.
        refused: whether the API server refuses pods (a quota, no service account).
        grace: of its pods, which is the pool's `drainTimeout`.
    """

    observed: bool
    pods: int
    ready: int
    updated: int
    refused: bool = False
    grace: timedelta = GRACE


def reported(deployment: Mapping[str, Any]) -> Reported:
    """What a Deployment says of its pods.

    Args:
        deployment: as it was seen.
    """
    status = deployment.get("status") or {}
    conditions = status.get("conditions") or []
    template = deployment["spec"].get("template", {})  # a simulated one has none
    grace = template.get("spec", {}).get("terminationGracePeriodSeconds")
    return Reported(
        observed=status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0),
        pods=status.get("replicas") or 0,
        ready=status.get("readyReplicas") or 0,
        updated=status.get("updatedReplicas") or 0,
        refused=any(it["type"] == "ReplicaFailure" and it["status"] == "True" for it in conditions),
        grace=GRACE if grace is None else length(grace),
    )
