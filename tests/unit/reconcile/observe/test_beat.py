import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.resources import resource
from utilitarian_operator.adapters.cluster.cache import PODS, STATEFUL_SETS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.beat.actions import in_turn
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.actions import Action, Apply, Create
from utilitarian_operator.core.objects.manifests import beat_statefulset
from utilitarian_operator.core.objects.wanted import Wanted
from utilitarian_operator.reconcile.observe.beat import BeatReader

KEY = Key("ns", "fleet")


def fleet() -> Fleet:
    return effective_fleet(parse(resource("maxWorkers: 9")).spec)


NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


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
    reader = BeatReader(KEY, seen, FakeCluster(), time.monotonic)
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
