"""What is told of a beat as events: once when it begins and once when it is over, also across a restart."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from tests.support.resources import resource
from utilitarian_operator.adapters.cluster.cache import PODS, STATEFUL_SETS, Key, Store
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.beat.actions import BeatMemory, in_turn, news, recalled_beat, repairs
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.actions import Action, Apply, Create
from utilitarian_operator.core.objects.manifests import beat_statefulset
from utilitarian_operator.core.objects.wanted import Wanted
from utilitarian_operator.core.observation.beat import BeatObjects, BeatSnapshot
from utilitarian_operator.reconcile.observe.beat import BeatReader

KEY = Key("ns", "fleet")
RUNS, BLOCKED, STARTS = BeatSnapshot(ready=True), BeatSnapshot(lost_on="n1"), BeatSnapshot()
TWICE = BeatSnapshot(ready=True, others=("other (celery -A utilitarian beat)",))


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
    told, said = recalled_beat(status).recorded, []
    for snapshot in snapshots:
        events, told = news(fleet(), {}, snapshot, told)
        said += [str(reason) for reason, _ in events]
    assert said == reasons


def objects(replicas: int, state: dict[str, Any], owner: str = "u") -> BeatObjects:
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
    return BeatObjects(statefulset, pod)


NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WAITS = {"waiting": {"reason": "ImagePullBackOff"}}


@pytest.mark.parametrize(
    "seen,deleted,reasons",
    [
        pytest.param(objects(1, {"running": {}}), [], [], id="all is well"),
        pytest.param(objects(1, WAITS), ["p"], ["BeatReplaced"], id="never ran"),
        pytest.param(objects(2, {"running": {}}), [], ["BeatScaledBack"], id="scaled"),
        pytest.param(objects(2, WAITS, owner="another"), [], [], id="somebody else's"),
    ],
)
def test_what_is_done(seen: BeatObjects, deleted: list[str], reasons: list[str]) -> None:
    found, told = repairs(seen, "u", BeatMemory(), NOW), []
    if found.scaled_back:
        told.append("BeatScaledBack")
        assert repairs(seen, "u", BeatMemory(scaled=found.version), NOW).scaled_back == "", "it is told once"
    if found.replace is not None:
        told.append("BeatReplaced")
        assert "pod fleet-beat-0 of an earlier template never ran and is replaced" in found.replace.note
    assert [found.replace.pod["metadata"]["uid"]] if found.replace else deleted == []
    assert told == reasons


class NoOthers:
    """An API server without pods of others."""

    async def items(self, *_: Any) -> tuple[list[dict[str, Any]], int]:
        return [], 0


def beat_of(name: str, where: str = "env", *, app: str = "utilitarian") -> dict[str, Any]:
    """A StatefulSet of beat as it is made, with what the API server adds."""
    spec = f"{{app: {app}, broker: {{urlFrom: {{secretKeyRef: {{name: {where}, key: URL}}}}}}}}"
    made = effective_fleet(parse(resource(spec)).spec)
    manifest = beat_statefulset(Owner("ns", name, f"u-{name}"), made)
    manifest["metadata"]["resourceVersion"] = "1"
    return manifest


def pod_of(statefulset: dict[str, Any], **status: Any) -> dict[str, Any]:
    labels = statefulset["metadata"]["labels"]
    metadata = {"namespace": "ns", "name": f"{statefulset['metadata']['name']}-0", "uid": "p", "labels": labels}
    spec = statefulset["spec"]["template"]["spec"]
    return {"metadata": metadata | {"resourceVersion": "1"}, "spec": spec, "status": status}


OLD = beat_of("old")


@pytest.mark.parametrize(
    "sets,pods,ahead",
    [
        pytest.param([], [], (), id="the first"),
        pytest.param([OLD], [pod_of(OLD, phase="Running")], ("old-beat-0",), id="another resource has the same"),
        pytest.param([], [pod_of(OLD, phase="Running")], ("old-beat-0",), id="its resource is gone, its pod not yet"),
        pytest.param([OLD], [], ("old-beat",), id="its pod is not there yet"),
        pytest.param([], [pod_of(OLD, phase="Succeeded")], (), id="its pod has ended"),
        pytest.param([beat_of("old", "other")], [], (), id="on another broker"),
        pytest.param([beat_of("old", app="other")], [], (), id="of another application"),
    ],
)
async def test_a_renamed_resource_has_its_beat_when_the_old_one_has_ended(
    sets: list[dict[str, Any]], pods: list[dict[str, Any]], ahead: tuple[str, ...]
) -> None:
    seen = Store()
    for statefulset in sets:
        seen.see(STATEFUL_SETS, statefulset)
    for pod in pods:
        seen.see(PODS, pod)
    without_claim = effective_fleet(parse(resource("beat: {storage: {ephemeral: true}}")).spec)
    reader = BeatReader(KEY, seen, cast("Any", NoOthers()))
    rivals = (await reader.objects(without_claim, claimed=False)).rivals
    ours = beat_of("fleet")
    wanted = Wanted(ours, "spec.beat")
    other = Wanted({"kind": "Deployment", "metadata": {"name": "fleet-a"}}, "spec.pools[0]", "a")
    actions: list[tuple[Wanted, Action]] = [(other, Create(other.manifest)), (wanted, Create(ours))]
    left, found = in_turn(actions, rivals, fleet().app)
    assert left == (actions[:1] if ahead else actions)
    assert tuple(it.split()[0] for it in found) == ahead
    snapshot = await reader.look(without_claim, (), NOW, ahead=found)
    assert snapshot is not None
    assert tuple(it.split()[0] for it in snapshot.ahead) == ahead
    there, _ = in_turn([(wanted, Apply(ours))], rivals, fleet().app)
    assert there == [(wanted, Apply(ours))], "one that is there stays"
