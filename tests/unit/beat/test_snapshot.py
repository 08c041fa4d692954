"""What is seen of beat: made of what was read, beside what an earlier look has left."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.beats import beat_of, fleet_with_beat, pod_of
from utilitarian_operator.core.beat.actions import BeatMemory
from utilitarian_operator.core.beat.snapshot import beat_snapshot, claim_of, file_of
from utilitarian_operator.core.observation.beat import (
    BeatReadings,
    BeatSightings,
    BeatSnapshot,
    Claim,
    OtherBeat,
    ScheduleFile,
)
from utilitarian_operator.core.observation.broker import BrokerSnapshot
from utilitarian_operator.core.observation.fleet import Readings

NOW = datetime(2026, 12, 1, 0, 10, tzinfo=UTC)
OURS = beat_of("fleet")
POD = pod_of(OURS, phase="Running")
SAME, STRANGE = pod_of(beat_of("same"), phase="Running"), pod_of(beat_of("app", app="other"), phase="Running")
IN_ANOTHER_NAMESPACE = {**SAME, "metadata": {**SAME["metadata"], "namespace": "another"}}
BY_HAND = {
    "metadata": {"name": "old"},
    "spec": {"containers": [{"name": "c", "command": ["celery", "-A", "utilitarian", "beat"]}]},
}
RUNS = BeatReadings({**OURS, "status": {"readyReplicas": 1}}, POD)
STARTS = BeatReadings(OURS, POD)
KEPT = BeatSightings((OtherBeat("old", "celery -A utilitarian beat"),), Claim("Bound"))
NODE = "celerybeat@server"


def pending(**metadata: str) -> dict[str, Any]:
    made = {"creationTimestamp": "2026-12-01T00:08:00Z", **metadata}
    return {"metadata": made, "spec": {"accessModes": ["ReadWriteOncePod"]}, "status": {"phase": "Pending"}}


def seen(
    beat: BeatReadings,
    before: BeatSightings = BeatSightings(),  # noqa: B008 - a value that can't be changed
    ahead: tuple[OtherBeat, ...] = (),
    answering: tuple[str, ...] = (),
    spec: str = "maxWorkers: 9",
    *,
    sends: bool = True,
) -> tuple[BeatSnapshot | None, BeatSightings]:
    broker = BrokerSnapshot(0.0, {}, None, beats=answering)
    warned = {POD["metadata"]["name"]: "FailedMount: no"}
    read = Readings(NOW, "fleet", broker, broker, warnings=warned)
    return beat_snapshot(fleet_with_beat(spec), beat, read, before, BeatMemory(ahead=tuple(ahead)), sends=sends)


def snapshot(beat: BeatReadings, *args: Any, **more: Any) -> BeatSnapshot:
    found, _ = seen(beat, *args, **more)
    assert found is not None
    return found


def names(beats: tuple[OtherBeat, ...]) -> list[str]:
    return [it.name for it in beats]


def test_nothing_is_seen_of_a_beat_that_is_not_asked_for_and_what_was_kept_stays() -> None:
    assert seen(RUNS, KEPT, spec="beat: {enabled: false}") == (None, KEPT)


def test_a_beat_that_is_not_there_is_not_ready() -> None:
    assert snapshot(BeatReadings()) == BeatSnapshot()


def test_its_pod_says_what_is_wrong_and_where() -> None:
    said = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"}]
    placed = replace(STARTS, pod={**POD, "status": {"conditions": said}})
    assert snapshot(placed).failure == "pod fleet-beat-0: Unschedulable: no node"
    waits = [{"name": "beat", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no image"}}}]
    fails = replace(STARTS, pod={**POD, "status": {"containerStatuses": waits}})
    assert str(snapshot(fails).failure).endswith("no image; FailedMount: no"), "with what Kubernetes warns of"
    silent = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
    leaves = {**POD["metadata"], "deletionTimestamp": "2026-12-01T00:09:50Z"}
    lost = {"metadata": leaves, "spec": {**POD["spec"], "nodeName": "n1"}, "status": {"conditions": silent}}
    found = snapshot(replace(STARTS, pod=lost))
    assert (found.lost_on, found.leaving) == ("n1", True)
    answers = {**lost, "status": {}}
    late = [snapshot(replace(STARTS, pod=answers, overdue=it)).lost_on for it in (False, True)]
    assert late == [None, "n1"]


@pytest.mark.parametrize("overdue", [False, True], ids=["just now", "for long"])
def test_a_pod_that_has_ended_and_does_not_go_neither_fails_nor_is_on_a_silent_node(*, overdue: bool) -> None:
    """A finalizer of another client keeps it; it had `BeatFailing`, and then the advice to taint its node."""
    leaves = {**POD["metadata"], "deletionTimestamp": "2026-12-01T00:05:00Z", "deletionGracePeriodSeconds": 0}
    ended = {"name": "beat", "state": {"terminated": {"exitCode": 143, "reason": "Error"}}}
    kept = {"metadata": leaves, "spec": {**POD["spec"], "nodeName": "n1"}, "status": {"containerStatuses": [ended]}}
    found = snapshot(replace(STARTS, pod=kept, overdue=overdue))
    assert (found.leaving, found.failure, found.lost_on) == (True, None, None)


def test_a_stateful_set_that_is_being_deleted_and_has_not_gone_is_named() -> None:
    """A finalizer of another client keeps it; Kubernetes makes no pod of it any more."""
    deleted = {**OURS, "metadata": {**OURS["metadata"], "deletionTimestamp": "2026-12-01T00:09:50Z"}}
    assert [snapshot(BeatReadings(it)).going for it in (OURS, deleted)] == ["", "fleet-beat"]


def checked(said: str) -> dict[str, Any]:
    ended = {"message": said, "finishedAt": "2026-12-01T00:10:00Z"}
    status = {"initContainerStatuses": [{"name": "check-schedule", "state": {"terminated": ended}}]}
    return {**POD, "status": status}


def test_what_the_check_said_is_read_from_the_pod_that_runs() -> None:
    said = ScheduleFile(kept=False, moved=True, what="it can't be read", at=NOW)
    found = checked("moved: it can't be read")
    assert file_of(found) == said
    assert file_of(POD) is None
    assert (snapshot(replace(RUNS, pod=found)).file, snapshot(replace(STARTS, pod=found)).file) == (said, None)


@pytest.mark.parametrize(
    "live,claim",
    [
        pytest.param({}, None, id="none"),
        pytest.param(pending(), Claim("Pending", timedelta(minutes=2), for_one_pod=True), id="waits"),
        pytest.param(pending(deletionTimestamp="2026-12-01T00:09:00Z"), Claim("Pending"), id="waits, and goes"),
        pytest.param({**pending(), "status": {"phase": "Bound"}}, Claim("Bound"), id="bound"),
        pytest.param({**pending(), "status": {}}, Claim(""), id="just made"),
    ],
)
def test_what_a_claim_says(live: dict[str, Any], claim: Claim | None) -> None:
    assert claim_of(live, NOW) == claim


@pytest.mark.parametrize(
    "beat,spec,claim",
    [
        pytest.param(
            replace(STARTS, claim=pending()), "", Claim("Pending", timedelta(minutes=2), for_one_pod=True), id="read"
        ),
        pytest.param(STARTS, "", KEPT.claim, id="not read at this look"),
        pytest.param(replace(STARTS, claim={}), "", None, id="gone"),
        pytest.param(RUNS, "", None, id="beat is ready"),
        pytest.param(STARTS, "beat: {storage: {ephemeral: true}}", None, id="asks for none any more"),
    ],
)
def test_a_claim_is_held_until_it_is_read_again(beat: BeatReadings, spec: str, claim: Claim | None) -> None:
    found, kept = seen(beat, KEPT, spec=spec or "maxWorkers: 9")
    assert found is not None
    assert (found.claim, kept.claim) == (claim, claim)


@pytest.mark.parametrize(
    "others,found",
    [
        pytest.param(None, KEPT.others, id="not read at this look"),
        pytest.param((), (), id="none"),
        pytest.param((BY_HAND, STRANGE), KEPT.others, id="one, and one of another application"),
    ],
)
def test_pods_of_others_are_held_until_they_are_read_again(others: Any, found: tuple[OtherBeat, ...]) -> None:
    now, kept = seen(replace(RUNS, others=others), KEPT)
    assert now is not None
    assert (now.others, kept.others) == (found, found)


@pytest.mark.parametrize(
    "beats,ahead,found",
    [
        pytest.param((POD,), (), [], id="itself"),
        pytest.param((POD, SAME), (), ["same-beat-0"], id="the same beat in the namespace"),
        pytest.param((POD, IN_ANOTHER_NAMESPACE, STRANGE), (), [], id="in another namespace, of another application"),
        pytest.param(
            (POD, SAME), (OtherBeat("same-beat-0", "celery -A utilitarian beat"),), [], id="this one waits for it"
        ),
    ],
)
def test_the_same_beat_of_another_resource_is_a_second_one(
    beats: tuple[dict[str, Any], ...], ahead: tuple[OtherBeat, ...], found: list[str]
) -> None:
    now = snapshot(replace(RUNS, beats=beats), BeatSightings(), ahead)
    assert (names(now.others), now.ahead) == (found, ahead)


def test_what_answers_on_the_broker_and_is_of_no_pod_is_elsewhere() -> None:
    beats, answering = (POD, STRANGE), (NODE, "celerybeat@fleet-beat-0", "celerybeat@app-beat-0", "celerybeat@old")
    assert snapshot(replace(RUNS, beats=beats), KEPT, (), answering).elsewhere == (NODE,)


def test_while_a_fleet_is_only_previewed_the_others_are_the_ones_that_run() -> None:
    found, kept = seen(replace(RUNS, beats=(POD, SAME)), KEPT, (), (NODE,), sends=False)
    assert found == BeatSnapshot(ready=True)
    assert kept == BeatSightings(KEPT.others), "what was read is held for the day on which it sends"
