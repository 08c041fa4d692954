"""Builds the events that people see in `kubectl describe`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from utilitarian_operator.core.diagnosis.pod_losses import Cause
from utilitarian_operator.core.labels import MANAGER
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.reasons import Reason

LONGEST_NOTE = 1000
"""In bytes: Kubernetes refuses a note of more than 1 kB."""


WARNINGS = frozenset(
    {
        Reason.SLOW_DRAIN,
        Reason.WRONG_VICTIM,
        Reason.SPEC_WARNING,
        Reason.MEMORY_UNREADABLE,
        Reason.INVALID_SPEC,
        Reason.NAME_TAKEN,
        Reason.NAMESPACE_TAKEN,
        Reason.NO_OPERATOR,
        Reason.NAMESPACE_TOO_LARGE,
        Reason.QUEUE_TAKEN,
        Reason.REPLICAS_TAKEN,
        Reason.BROKER_UNREACHABLE,
        Reason.BROKER_CHANGED,
        Reason.SECRET_MISSING,
        Reason.CONFIG_MAP_MISSING,
        Reason.REFUSED,
        Reason.STUCK,
        Reason.STARVED,
        Reason.MUTE,
        Reason.TASKS_DROPPED,
        Reason.FOREIGN_CONSUMERS,
        Reason.DEADLINE_AT_RISK,
        Reason.DEADLINE_MISSED,
        Reason.RUN_MISSED,
        Reason.RUN_OVERLAPS,
        Reason.BEAT_DUPLICATE,
        Reason.BEAT_BLOCKED,
        Reason.VOLUME_PENDING,
        Reason.BEAT_SCALED_BACK,
        Reason.SCHEDULE_LOST,
        Reason.SCHEDULE_MOVED_ASIDE,
        *(Reason(cause) for cause in Cause),
    }
)
"""What a person must look at; the others only tell what was done."""


def event(
    regarding: Mapping[str, Any], reason: Reason, note: str, *, instance: str, now: datetime, unique: object
) -> dict[str, Any]:
    """An events.k8s.io/v1 Event.

    Args:
        regarding: the resource it is about.
        reason: of the event.
        note: one sentence; cut at 1,000 bytes of UTF-8.
        instance: the operator's own name, as its pod is called.
        now: the one clock.
        unique: a UUID that no other event has: half of it is a part of the name.
    """
    metadata = regarding["metadata"]
    reference = {
        "apiVersion": regarding["apiVersion"],
        "kind": regarding["kind"],
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name']}.{str(unique).replace('-', '')[:16]}",
            "namespace": metadata["namespace"],
        },
        "eventTime": timestamp(now, "microseconds"),
        "reportingController": f"utilitarian.io/{MANAGER}",
        "reportingInstance": instance,
        "action": "Reconcile",
        "type": "Warning" if reason in WARNINGS else "Normal",
        "reason": str(reason),
        "note": note.encode(errors="replace")[:LONGEST_NOTE].decode(errors="ignore"),
        "regarding": reference,
    }
