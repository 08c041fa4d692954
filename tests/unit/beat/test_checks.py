"""What is said of the one beat, what counts as a second one, and which of its pods is replaced."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.resources import resource
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.beat.checks import beat_condition, loss, memory_since, stuck
from utilitarian_operator.core.objects.beat_scripts import reported
from utilitarian_operator.core.observation.beat import BeatSnapshot, Claim, OtherBeat, ScheduleFile

NOW = datetime(2026, 12, 1, 0, 10, tzinfo=UTC)
RUN = "pools: [{name: a, queues: [q], schedule: [{name: monthly, start: '0 0 1 * *'}]}]"
TAINT = "kubectl taint nodes n1 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"


def fleet(spec: str = RUN) -> Fleet:
    return effective_fleet(parse(resource(spec)).spec)


def long_ago(**more: Any) -> Claim:
    return Claim(**{"phase": "Pending", "waiting": timedelta(minutes=2), **more})


@pytest.mark.parametrize(
    "snapshot,reason,parts",
    [
        pytest.param(BeatSnapshot(ready=True), "Running", ["exactly one beat runs"], id="runs"),
        pytest.param(BeatSnapshot(), "BeatStarting", ["not ready yet"], id="starts"),
        pytest.param(
            BeatSnapshot(going="fleet-beat"),
            "BeatStarting",
            ["not started: StatefulSet fleet-beat is being deleted", "metadata.finalizers"],
            id="its StatefulSet is being deleted and has not gone",
        ),
        pytest.param(
            BeatSnapshot(leaving=True),
            "BeatStarting",
            ["not started: the pod before it is being deleted"],
            id="its pod ends",
        ),
        pytest.param(BeatSnapshot(ready=True, going="fleet-beat"), "Running", [], id="deleted, and runs still"),
        pytest.param(
            BeatSnapshot(failure="pod b: ImagePullBackOff: no"), "BeatFailing", ["ImagePullBackOff"], id="fails"
        ),
        pytest.param(
            BeatSnapshot(ready=True, others=(OtherBeat("old", "celery -A u beat"),)),
            "BeatDuplicate",
            ["1 other pod", "old (celery -A u beat)", "spec.beat.enabled to false"],
            id="another one",
        ),
        pytest.param(
            BeatSnapshot(ready=True, others=(OtherBeat("a", "x"), OtherBeat("b", "x"))),
            "BeatDuplicate",
            ["2 other pods", "a (x), b (x)"],
            id="others",
        ),
        pytest.param(
            BeatSnapshot(ready=True, elsewhere=("celerybeat@server",)),
            "BeatDuplicate",
            ["1 other beat answers on the broker", "celerybeat@server", "virtual host of its own"],
            id="one outside the cluster",
        ),
        pytest.param(
            BeatSnapshot(ahead=(OtherBeat("old-beat-0", "celery -A u beat"),)),
            "BeatStarting",
            ["when the same beat of another resource has ended", "old-beat-0 (celery -A u beat)"],
            id="waits for another's to end",
        ),
        pytest.param(
            BeatSnapshot(lost_on="n1"), "BeatBlocked", ["node n1", "may still run there", TAINT], id="node lost"
        ),
        pytest.param(
            BeatSnapshot(lost_on="n1", leaving=True, claim=long_ago()),
            "BeatBlocked",
            ["can't be ended"],
            id="and deleted",
        ),
        pytest.param(
            BeatSnapshot(claim=Claim("Pending", timedelta(seconds=59))), "BeatStarting", [], id="claim is young"
        ),
        pytest.param(
            BeatSnapshot(claim=long_ago(), failure="pod b: Unschedulable: no volume"),
            "VolumePending",
            ["spec.beat.storage", "60 s", "Unschedulable: no volume", "storageClassName"],
            id="claim waits",
        ),
        pytest.param(
            BeatSnapshot(claim=long_ago(for_one_pod=True)),
            "VolumePending",
            ["ReadWriteOncePod"],
            id="claim for one pod",
        ),
        pytest.param(BeatSnapshot(claim=Claim("Lost")), "VolumePending", ["lost its volume"], id="volume lost"),
        pytest.param(
            BeatSnapshot(claim=Claim("Bound"), failure="pod b: x: y"), "BeatFailing", ["x: y"], id="claim bound"
        ),
    ],
)
def test_what_is_said_of_beat(snapshot: BeatSnapshot, reason: str, parts: list[str]) -> None:
    condition = beat_condition(fleet().beat, snapshot)
    assert (condition.reason, condition.status) == (reason, "True" if reason == "Running" else "False")
    assert [part for part in parts if part not in condition.message] == []


@pytest.mark.parametrize(
    "beat,part",
    [
        pytest.param(
            "{storage: {ephemeral: true}}", "a run that falls into a downtime of beat is skipped", id="ephemeral"
        ),
        pytest.param("{scheduler: 'd.s:D'}", "its memory is that of the scheduler d.s:D", id="scheduler of its own"),
    ],
)
def test_whose_memory_a_running_beat_has_is_said(beat: str, part: str) -> None:
    assert part in beat_condition(fleet(f"beat: {beat}").beat, BeatSnapshot(ready=True)).message


def pod(name: str = "x", *command: str, **status: Any) -> dict[str, Any]:
    container = {"name": "c", "command": list(command)}
    return {"metadata": {"name": name}, "spec": {"nodeName": "n1", "containers": [container]}, "status": status}


@pytest.mark.parametrize(
    "revision,state,seen,leaving,is_stuck",
    [
        pytest.param("old", {"waiting": {}}, 2, False, True, id="waits with the old template"),
        pytest.param("old", {"running": {}}, 2, False, False, id="runs"),
        pytest.param("old", {"terminated": {}}, 2, False, False, id="has run"),
        pytest.param("new", {"waiting": {}}, 2, False, False, id="is the new one"),
        pytest.param("old", {"waiting": {}}, 1, False, False, id="not seen by the controller yet"),
        pytest.param("old", {"waiting": {}}, 2, True, False, id="goes already"),
    ],
)
def test_only_a_pod_that_never_ran_and_is_out_of_date_is_replaced(
    revision: str, state: dict[str, Any], seen: int, *, leaving: bool, is_stuck: bool
) -> None:
    statefulset = {"metadata": {"generation": 2}, "status": {"updateRevision": "new", "observedGeneration": seen}}
    sidecar = {"name": "istio-proxy", "state": {"running": {}}}
    found = pod(containerStatuses=[sidecar, {"name": "beat", "state": state}])
    found["metadata"]["labels"] = {"controller-revision-hash": revision}
    if leaving:
        found["metadata"]["deletionTimestamp"] = "2026-12-01T00:00:00Z"
    assert stuck(statefulset, found) is is_stuck


def test_a_beat_whose_containers_have_not_been_told_of_never_ran() -> None:
    """As it is while no node has been found for it."""
    statefulset = {"metadata": {"generation": 2}, "status": {"updateRevision": "new", "observedGeneration": 2}}
    found = pod()
    found["metadata"]["labels"] = {"controller-revision-hash": "old"}
    assert stuck(statefulset, found)


STARTED = "2026-12-01T00:10:00Z"
EARLIER = {"memorySince": "2026-11-01T00:00:00Z", "lastSeen": "2026-11-30T23:58:00Z"}
BY_HAND = "send it by hand (docs/beat.md)"
SKIPPED = "skipped: a monthly of 2026-12-01T00:00Z"


def snapshot(said: str) -> BeatSnapshot:
    word, what = reported(said)
    return BeatSnapshot(ready=True, file=ScheduleFile(word == "kept", word == "moved", what, NOW))


@pytest.mark.parametrize(
    "before,said,since,parts",
    [
        pytest.param({}, "new: there was no file", STARTED, None, id="the first of all"),
        pytest.param({}, "kept", STARTED, None, id="seen for the first time"),
        pytest.param(EARLIER, "kept", EARLIER["memorySince"], None, id="kept"),
        pytest.param(EARLIER, "new: there was no file", STARTED, ["no file", SKIPPED, BY_HAND], id="lost"),
        pytest.param(EARLIER, "moved: it is s.aside", STARTED, ["s.aside", SKIPPED, BY_HAND], id="moved aside"),
        pytest.param({}, "moved: it is s.aside", STARTED, ["s.aside", BY_HAND], id="moved aside at the first start"),
        pytest.param({"memorySince": STARTED}, "new: there was no file", STARTED, None, id="told already"),
        pytest.param(
            EARLIER | {"lastSeen": "2026-12-01T00:05:00Z"}, "new: gone", STARTED, ["gone", BY_HAND], id="no run between"
        ),
    ],
)
def test_a_memory_that_is_lost_is_told_once(
    before: dict[str, str], said: str, since: str, parts: list[str] | None
) -> None:
    assert memory_since(before, snapshot(said)) == since
    shown = loss(fleet(), before, snapshot(said))
    assert (shown is None) == (parts is None)
    if shown is not None and parts is not None:
        assert [part for part in parts if part not in shown.message] == []
        assert (SKIPPED in shown.message) == (SKIPPED in parts)
        assert shown.aside == said.startswith("moved")


def test_an_ephemeral_memory_is_not_lost_but_was_never_kept() -> None:
    asked = fleet("beat: {storage: {ephemeral: true}}")
    assert loss(asked, EARLIER, snapshot("new: there was no file")) is None


def test_without_a_snapshot_the_memory_stays_what_it_was() -> None:
    for seen in (None, BeatSnapshot()):
        assert memory_since(EARLIER, seen) == EARLIER["memorySince"]
        assert loss(fleet(), EARLIER, seen) is None
