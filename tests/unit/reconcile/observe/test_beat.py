"""What is read of beat, and how often what no watch shows is asked for."""

from typing import Any

import pytest

from tests.support.beats import beat_of, fleet_with_beat, pod_of
from utilitarian_operator.adapters.cluster.cache import FLEETS, OTHERS_SELECTOR, PODS, STATEFUL_SETS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.core.beat.actions import in_turn
from utilitarian_operator.core.objects.actions import Action, Apply, Create
from utilitarian_operator.core.objects.wanted import Wanted
from utilitarian_operator.core.observation.beat import BeatReadings
from utilitarian_operator.errors import ClusterError, Rejected
from utilitarian_operator.reconcile.observe.beat import (
    CLAIM_EVERY_S,
    OTHERS_EVERY_S,
    SAME_MOMENT_S,
    AllBeats,
    BeatReader,
)

KEY = Key("ns", "fleet")
OURS, OLD = beat_of("fleet"), beat_of("old")
READY = {**OURS, "status": {"readyReplicas": 1}}
CLAIM = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"namespace": "ns", "name": "fleet-beat"}}
CLASS = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"}}
OF_OTHERS, OF_STORAGE = {"pods"}, {"storageclasses", "csidrivers"}


class Beat:
    """A reader in a cluster in memory, with a clock that a test sets."""

    def __init__(self, spec: str = "maxWorkers: 9") -> None:
        self.store, self.cluster, self.at_s = Store(), FakeCluster(), 1000.0
        self.fleet, self._beats = fleet_with_beat(spec), AllBeats(self.store)
        self._reader = self.reader(KEY)

    def reader(self, key: Key) -> BeatReader:
        return BeatReader(key, self.store, self.cluster, lambda: self.at_s, self._beats)

    def see(self, kind: str, *bodies: dict[str, Any]) -> None:
        for body in bodies:
            self.store.see(kind, body)

    def asked(self) -> list[str]:
        """The kinds that were asked for since it was asked last."""
        kinds = [it.kind for it in self.cluster.requests]
        self.cluster.requests.clear()
        return kinds

    async def look(self, *, claimed: bool = True) -> BeatReadings:
        return await self._reader.look(self.fleet, claimed=claimed)


def names(bodies: Any) -> list[str]:
    return [it["metadata"]["name"] for it in bodies]


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
    beat = Beat()
    beat.see(STATEFUL_SETS, *sets)
    beat.see(PODS, *pods)
    rivals, app = (await beat.look()).rivals, beat.fleet.beat.app
    wanted = Wanted(OURS, "spec.beat")
    other = Wanted({"kind": "Deployment", "metadata": {"name": "fleet-a"}}, "spec.pools[0]", "a")
    actions: list[tuple[Wanted, Action]] = [(other, Create(other.manifest)), (wanted, Create(OURS))]
    left, found = in_turn(actions, rivals, app)
    assert left == (actions[:1] if ahead else actions)
    assert tuple(it.name for it in found) == ahead
    there, _ = in_turn([(wanted, Apply(OURS))], rivals, app)
    assert there == [(wanted, Apply(OURS))], "one that is there stays"


async def test_the_watches_show_its_objects_and_the_beats_of_all_resources() -> None:
    beat = Beat()
    for name in ("fleet", "old"):
        beat.see(FLEETS, {"metadata": {"namespace": "ns", "name": name, "resourceVersion": "1"}})
        beat.see(PODS, pod_of(beat_of(name), phase="Running"))
    beat.see(PODS, pod_of(beat_of("gone"), phase="Running"))
    beat.see(STATEFUL_SETS, OURS, OLD)
    found = await beat.look()
    assert (found.statefulset, found.pod["metadata"]["name"], found.ready) == (OURS, "fleet-beat-0", False)
    assert sorted(names(found.beats)) == ["fleet-beat-0", "old-beat-0"]
    assert found.rivals == (), "there is nothing to wait for any more"
    beat.see(STATEFUL_SETS, {**READY, "metadata": {**READY["metadata"], "resourceVersion": "2"}})
    assert (await beat.look()).ready


@pytest.mark.parametrize(
    "spec,statefulset,claimed,kinds",
    [
        pytest.param("maxWorkers: 9", OURS, True, {*OF_OTHERS, "PersistentVolumeClaim"} | OF_STORAGE, id="no claim"),
        pytest.param("maxWorkers: 9", READY, True, OF_OTHERS, id="ready"),
        pytest.param("maxWorkers: 9", READY, False, OF_OTHERS | OF_STORAGE, id="ready; its claim is yet to be found"),
        pytest.param("beat: {storage: {ephemeral: true}}", OURS, False, OF_OTHERS, id="without a claim"),
        pytest.param("mode: Preview", OURS, False, set(), id="only previewed"),
        pytest.param("beat: {enabled: false}", OURS, False, set(), id="not asked for"),
    ],
)
async def test_requests_are_made_only_for_what_may_be_needed(
    spec: str, statefulset: dict[str, Any], kinds: set[str], *, claimed: bool
) -> None:
    beat = Beat(spec)
    beat.see(STATEFUL_SETS, statefulset)
    await beat.look(claimed=claimed)
    assert set(beat.asked()) == kinds


async def test_what_no_watch_shows_is_asked_for_now_and_then() -> None:
    beat = Beat()
    await beat.cluster.create(CLAIM)
    await beat.cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "ns", "name": "theirs"}})
    beat.see(STATEFUL_SETS, OURS)
    beat.asked()
    found = await beat.look()
    assert (names(found.others), names([found.claim])) == (["theirs"], ["fleet-beat"])
    assert Request("items", "pods", "ns", body=(OTHERS_SELECTOR, 500, "")) in beat.cluster.requests
    beat.asked()
    found = await beat.look()
    assert (found.others, found.claim, beat.asked()) == (None, None, [])
    beat.at_s += CLAIM_EVERY_S
    found = await beat.look()
    assert (found.others, names([found.claim])) == (None, ["fleet-beat"])
    beat.at_s += OTHERS_EVERY_S
    assert names((await beat.look()).others) == ["theirs"]


async def test_all_fleets_of_a_namespace_get_the_pods_of_others_by_one_request() -> None:
    world, minutes = Beat("beat: {storage: {ephemeral: true}}"), 4
    readers = [world.reader(Key("ns", f"fleet-{number}")) for number in range(3)]
    got = [0] * len(readers)
    for second in range(minutes * 60):
        world.at_s += 1
        for number, reader in enumerate(readers[: 1 + second]):  # each is made a second later than the one before
            got[number] += (await reader.look(world.fleet, claimed=True)).others is not None
    spans = minutes * 60 / OTHERS_EVERY_S
    assert set(got) == {spans + 1}, "at the first look, and once in each span"
    assert world.asked() == ["pods"] * round(spans + 1)


@pytest.mark.parametrize(
    "namespace, after_s, requests",
    [
        pytest.param("ns", 0, 1, id="in the same moment"),
        pytest.param("ns", SAME_MOMENT_S, 2, id="later"),
        pytest.param("other", 0, 2, id="in another namespace"),
    ],
)
async def test_what_one_fleet_has_read_of_others_is_kept_for_a_moment(
    namespace: str, after_s: float, requests: int
) -> None:
    world = Beat("beat: {storage: {ephemeral: true}}")
    await world.look()
    world.at_s += after_s
    await world.reader(Key(namespace, "second")).look(world.fleet, claimed=True)
    assert world.asked() == ["pods"] * requests


async def test_a_claim_that_is_gone_is_told_once_with_the_storage_that_a_new_one_may_have() -> None:
    beat = Beat()
    await beat.cluster.create(CLASS)
    found = await beat.look()
    assert (found.claim_is_gone, names(found.storage_classes), found.csi_drivers) == (True, ["fast"], [])
    found = await beat.look()
    assert (found.claim_is_gone, found.storage_classes) == (False, ()), "as long as it was not read again"


@pytest.mark.parametrize("error", [ClusterError("no answer"), Rejected("HTTP 403")], ids=["no answer", "no right"])
async def test_what_can_not_be_read_is_not_taken_for_nothing(error: Exception) -> None:
    beat = Beat()
    beat.cluster.fails = lambda _: error
    found = await beat.look(claimed=False)
    assert (found.others, found.claim, found.claim_is_gone, found.storage_classes) == (None, None, False, ())


def test_the_beats_of_all_fleets_are_gone_through_once_until_one_of_them_changes() -> None:
    """Each look at each of them would else go through all of them."""
    store, resource = Store(), {"metadata": {"namespace": "ns", "name": "old", "uid": "u", "resourceVersion": "1"}}
    beats, running = AllBeats(store), pod_of(OLD, phase="Running")
    store.see(FLEETS, resource)
    store.see(PODS, running)
    found = beats.pods()
    assert names(found) == ["old-beat-0"]
    assert names(beats.rivals(KEY)) == ["old-beat-0"]
    assert beats.rivals(Key("ns", "old")) == beats.rivals(Key("other", "fleet")) == ()
    store.see(STATEFUL_SETS, OURS)
    assert beats.pods() is found, "nothing of it has changed"
    store.see(PODS, running, deleted=True)
    assert beats.pods() == ()


@pytest.mark.parametrize(
    "after_s,grace,overdue",
    [(0, 30, False), (59, 30, False), (61, 30, True), (31, None, True), (31, -5, True), (10**6, 2**63 - 1, False)],
    ids=["just deleted", "may still end", "should have ended", "without a grace", "hostile", "for ever"],
)
async def test_beat_is_overdue_by_how_long_it_was_seen_to_leave(
    after_s: float, grace: int | None, overdue: bool
) -> None:
    """By the moment of its deletion it was, too, where the operator's clock is before the API server's."""
    beat = Beat()
    pod = pod_of(OURS)
    pod["metadata"] |= {"deletionTimestamp": "2026-11-23T12:00:00Z", "deletionGracePeriodSeconds": grace}
    beat.see(PODS, pod)
    await beat.look()
    beat.at_s += after_s
    assert (await beat.look()).overdue is overdue


async def test_the_next_beat_is_not_overdue_with_the_one_before() -> None:
    beat = Beat()
    pod = pod_of(OURS)
    pod["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    beat.see(PODS, pod)
    await beat.look()
    beat.at_s += 100
    next_one = {**pod, "metadata": {**pod["metadata"], "uid": "another", "resourceVersion": "2"}}
    beat.see(PODS, next_one)
    assert not (await beat.look()).overdue
    beat.at_s += 100
    beat.see(PODS, {**next_one, "metadata": {**pod_of(OURS)["metadata"], "uid": "another", "resourceVersion": "3"}})
    assert not (await beat.look()).overdue
