"""What is told of a beat as events: once when it begins and once when it is over, also across a restart."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.resources import resource
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.beat.actions import BeatMemory, news, recalled_beat, repairs
from utilitarian_operator.core.observation.beat import BeatReadings, BeatSnapshot, OtherBeat

RUNS, BLOCKED, STARTS = BeatSnapshot(ready=True), BeatSnapshot(lost_on="n1"), BeatSnapshot()
TWICE = BeatSnapshot(ready=True, others=(OtherBeat("other", "celery -A utilitarian beat"),))


def fleet() -> Fleet:
    return effective_fleet(parse(resource("maxWorkers: 9")).spec)


def known(reason: str) -> dict[str, Any]:
    return {"conditions": [{"type": "BeatReady", "reason": reason}]}


@pytest.mark.parametrize(
    "status,snapshots,reasons",
    [
        pytest.param({}, [STARTS, RUNS, RUNS], [], id="nothing of note"),
        pytest.param({}, [BLOCKED, BLOCKED, RUNS], ["BeatBlocked", "BeatRecovered"], id="once, and when it is over"),
        pytest.param({}, [BLOCKED, STARTS, RUNS], ["BeatBlocked", "BeatRecovered"], id="over when beat runs again"),
        pytest.param({}, [TWICE, BLOCKED, RUNS], ["BeatDuplicate", "BeatBlocked", "BeatRecovered"], id="one by one"),
        pytest.param(known("BeatBlocked"), [BLOCKED], [], id="told before the restart"),
        pytest.param(known("BeatBlocked"), [RUNS], ["BeatRecovered"], id="over since the restart"),
        pytest.param(known("Running"), [TWICE], ["BeatDuplicate"], id="new since the restart"),
        pytest.param(known("BeatDuplicate"), [None], ["BeatRecovered"], id="over because beat was switched off"),
    ],
)
def test_what_is_told(status: dict[str, Any], snapshots: list[BeatSnapshot | None], reasons: list[str]) -> None:
    shown, said = recalled_beat(status).recorded, []
    for snapshot in snapshots:
        events, shown = news(fleet(), {}, snapshot, shown)
        said += [str(reason) for reason, _ in events]
    assert said == reasons


def objects(replicas: int, state: dict[str, Any], owner: str = "u") -> BeatReadings:
    """A StatefulSet with a new template and its pod, which has the old one."""
    labels = {"app.kubernetes.io/instance": "fleet"}
    metadata = {"namespace": "ns", "labels": labels, "resourceVersion": "7", "generation": 2}
    owners = [{"controller": True, "uid": owner}]
    statefulset = {
        "metadata": {**metadata, "name": "fleet-beat", "ownerReferences": owners},
        "spec": {"replicas": replicas},
        "status": {"updateRevision": "new", "observedGeneration": 2},
    }
    revision = {**labels, "controller-revision-hash": "old"}
    pod = {
        "metadata": {**metadata, "name": "fleet-beat-0", "uid": "p", "labels": revision},
        "status": {"containerStatuses": [{"name": "beat", "state": state}]},
    }
    return BeatReadings(statefulset, pod)


NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WAITS = {"waiting": {"reason": "ImagePullBackOff"}}


@pytest.mark.parametrize(
    "seen,deleted,reasons",
    [
        pytest.param(objects(1, {"running": {}}), [], [], id="all is well"),
        pytest.param(objects(1, WAITS), ["p"], ["BeatReplaced"], id="never ran"),
        pytest.param(objects(1, {}), ["p"], ["BeatReplaced"], id="no cause is known yet"),
        pytest.param(objects(2, {"running": {}}), [], ["BeatScaledBack"], id="scaled"),
        pytest.param(objects(2, WAITS, owner="another"), [], [], id="another resource's"),
    ],
)
def test_what_is_done(seen: BeatReadings, deleted: list[str], reasons: list[str]) -> None:
    found, shown = repairs(seen, "u", BeatMemory(), NOW), []
    if found.scaled_back:
        shown.append("BeatScaledBack")
        assert repairs(seen, "u", BeatMemory(scaled=found.version), NOW).scaled_back == "", "it is told once"
    if found.replace is not None:
        shown.append("BeatReplaced")
        assert "pod fleet-beat-0 of an earlier template never ran and is replaced" in found.replace.note
        assert "None" not in found.replace.note
    assert ([found.replace.pod["metadata"]["uid"]] if found.replace else []) == deleted
    assert shown == reasons
