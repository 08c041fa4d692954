"""Events as `kubectl describe` shows them, within what Kubernetes accepts."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.reconcile.act.events import event

NOW = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)
RESOURCE = {
    "apiVersion": "utilitarian.io/v1alpha1",
    "kind": "UtilitarianWorkerPool",
    "metadata": {"namespace": "ns", "name": "fleet", "uid": "u"},
}


def said(reason: Reason = Reason.SCALED_UP, note: str = "a sentence") -> dict[str, object]:
    return event(RESOURCE, reason, note, instance="operator-0", now=NOW, unique=uuid4())


def test_an_event_names_the_resource_and_the_operator() -> None:
    body = said()
    name = body["metadata"]["name"]
    assert name.startswith("fleet.")
    assert body == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "ns"},
        "eventTime": "2026-11-23T12:00:00.250000Z",
        "reportingController": "utilitarian.io/utilitarian-operator",
        "reportingInstance": "operator-0",
        "action": "Reconcile",
        "type": "Normal",
        "reason": "ScaledUp",
        "note": "a sentence",
        "regarding": {
            "apiVersion": "utilitarian.io/v1alpha1",
            "kind": "UtilitarianWorkerPool",
            "namespace": "ns",
            "name": "fleet",
            "uid": "u",
        },
    }


def test_two_events_have_two_names() -> None:
    assert said()["metadata"] != said()["metadata"]


WARNINGS = {
    *(
        "MemoryUnreadable",
        "InvalidSpec",
        "NameTaken",
        "NamespaceTaken",
        "NoOperator",
        "NamespaceTooLarge",
        "QueueTaken",
        "ReplicasTaken",
        "BrokerChanged",
    ),
    *("BrokerUnreachable", "SecretMissing", "ConfigMapMissing", "Refused"),
    *("SpecWarning", "Stuck", "Starved", "Mute", "TasksDropped", "ForeignConsumers"),
    *("DeadlineAtRisk", "DeadlineMissed", "RunMissed", "RunOverlaps"),
    *("SlowDrain", "WrongVictim"),
    *("BeatDuplicate", "BeatBlocked", "BeatScaledBack", "VolumePending", "ScheduleLost", "ScheduleMovedAside"),
    *("OOMKilled", "Crashed", "Evicted", "Preempted", "NodeLost"),
}


@pytest.mark.parametrize("reason", Reason)
def test_what_a_person_must_look_at_is_a_warning(reason: Reason) -> None:
    assert said(reason)["type"] == ("Warning" if reason in WARNINGS else "Normal")


@pytest.mark.parametrize(
    "note,kept",
    [
        pytest.param("x" * 1000, "x" * 1000, id="fits"),
        pytest.param("x" * 5000, "x" * 1000, id="cut"),
        pytest.param("ä" * 5000, "ä" * 500, id="cut-by-bytes"),
        pytest.param("xä" + "€" * 5000, "xä" + "€" * 332, id="never-within-a-character"),
        pytest.param("a peer \ud800", "a peer ?", id="what-is-no-character"),
    ],
)
def test_a_long_note_is_cut_to_what_kubernetes_takes(note: str, kept: str) -> None:
    assert said(note=note)["note"] == kept
