"""One look reads the fleet's objects, and its pods that went since the last one until their events are recorded."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.beats import beat_of, fleet_with_beat, pod_of
from tests.support.pools import NOW, fleet
from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, FLEETS, PODS, STATEFUL_SETS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.core.beat.actions import BeatMemory, repairs
from utilitarian_operator.core.labels import INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER, POOL_LABEL
from utilitarian_operator.core.look import Seen, begun
from utilitarian_operator.core.observation.broker import BrokerSnapshot
from utilitarian_operator.core.observation.model.usage import PodUsage
from utilitarian_operator.core.status.recall import recall
from utilitarian_operator.reconcile.observe.beat import AllBeats
from utilitarian_operator.reconcile.observe.fleet_reader import FleetReader
from utilitarian_operator.reconcile.observe.rivals_reader import EVERY_S, RivalsReader

KEY = Key("ns", "fleet")
SPEC = fleet({"name": "a", "queues": ["q"]}, beat={"enabled": False})
USAGE = PodUsage(0.1, 1000.0)


def child(name: str, kind: str = "Pod") -> dict[str, Any]:
    labels = {INSTANCE_LABEL: KEY.name}
    metadata = {"namespace": KEY.namespace, "name": name, "resourceVersion": "1", "labels": labels}
    return {"kind": kind, "metadata": metadata, "spec": {}, "status": {}}


async def test_pods_that_went_are_given_until_their_events_are_recorded() -> None:
    store, broker, resource = Store(), FakeBroker(), {"metadata": {"name": "fleet"}}
    reader = FleetReader(
        KEY,
        store,
        FakeCluster(),
        lambda: NOW,
        time.monotonic,
        RivalsReader(FakeCluster(), time.monotonic),
        AllBeats(store),
    )
    state = begun({}, recall({}, NOW), NOW)

    async def look() -> Seen:
        return await reader.look(resource, SPEC, broker, state, {}, None)

    store.see(FLEETS, child(KEY.name, "UtilitarianWorkerPool"))
    store.see(DEPLOYMENTS, child("fleet-a", "Deployment"))
    for name in ("stays", "goes"):
        store.see(PODS, child(name))
    seen = await look()
    assert (list(seen.live["Deployment"]), list(seen.pods), seen.gone) == (["fleet-a"], ["stays", "goes"], ())
    store.see(PODS, child("goes"), deleted=True)
    for _ in range(2):
        seen = await look()
        assert (list(seen.pods), [it["metadata"]["name"] for it in seen.gone]) == (["stays"], ["goes"])
    reader.recorded()
    assert (await look()).gone == ()
    reader.close()


async def usage_told(looks: int, **labels: str) -> list[dict[str, PodUsage]]:
    """What so many looks tell of the usage of one pod, with these labels beside those of all of the fleet."""
    store, cluster = Store(), FakeCluster(usage={"fleet-a-1": USAGE})
    every = {INSTANCE_LABEL: KEY.name, MANAGED_BY_LABEL: MANAGER, **labels}
    metadata = {"namespace": KEY.namespace, "name": "fleet-a-1", "labels": every}
    store.see(PODS, await cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata}))
    reader, state, told = (
        FleetReader(
            KEY, store, cluster, lambda: NOW, time.monotonic, RivalsReader(cluster, time.monotonic), AllBeats(store)
        ),
        begun({}, recall({}, NOW), NOW),
        [],
    )
    for _ in range(looks):
        seen = await reader.look({"metadata": metadata}, SPEC, FakeBroker(), state, {}, None)
        assert seen.read is not None
        told.append(dict(seen.read.usage))
        await asyncio.sleep(0)
    reader.close()
    return told


async def test_usage_is_handed_over_once_with_the_look_that_follows_its_reading() -> None:
    assert await usage_told(3, **{POOL_LABEL: "a"}) == [{}, {"fleet-a-1": USAGE}, {}]


async def test_usage_is_not_asked_for_while_a_fleet_has_no_worker() -> None:
    """That of beat is of no use, and was something new each minute to a fleet at rest."""
    assert await usage_told(3) == [{}, {}, {}]


def beat_at(version: str, **spec: Any) -> dict[str, Any]:
    made = beat_of(KEY.name)
    owner = {"uid": "u-fleet", "controller": True}
    metadata = {**made["metadata"], "resourceVersion": version, "ownerReferences": [owner]}
    return {**made, "metadata": metadata, "spec": {**made["spec"], **spec}}


class BusyBroker(FakeBroker):
    """While it answers, something happens in the cluster."""

    def __init__(self, store: Store, happens: dict[str, Any], *, deleted: bool = False) -> None:
        super().__init__()
        self._see = lambda: store.see(STATEFUL_SETS, happens, deleted=deleted)

    async def look(self, queues: Sequence[str]) -> BrokerSnapshot:
        self._see()
        return await super().look(queues)


async def seen_beside(*, happens: dict[str, Any], deleted: bool = False) -> Seen:
    """What a look sees at whose middle beat's StatefulSet is changed; a beat of another resource runs."""
    store, cluster = Store(), FakeCluster()
    store.see(STATEFUL_SETS, beat_at("1"))
    store.see(STATEFUL_SETS, beat_of("old"))
    store.see(PODS, pod_of(beat_of("old"), phase="Running"))
    reader = FleetReader(
        KEY, store, cluster, lambda: NOW, time.monotonic, RivalsReader(cluster, time.monotonic), AllBeats(store)
    )
    broker, state = BusyBroker(store, happens, deleted=deleted), begun({}, recall({}, NOW), NOW)
    seen = await reader.look({"metadata": {"name": KEY.name}}, fleet_with_beat(), broker, state, {}, None)
    reader.close()
    return seen


async def test_a_beat_that_is_scaled_within_a_look_is_said_with_the_number_that_is_undone() -> None:
    seen = await seen_beside(happens=beat_at("2", replicas=2))
    assert seen.live["StatefulSet"]["fleet-beat"] == seen.beat.statefulset
    assert "was scaled to 2 and is put back to 1" in repairs(seen.beat, "u-fleet", BeatMemory(), NOW).scaled_back


async def test_a_beat_that_is_deleted_within_a_look_is_made_again_after_the_same_one_of_another_resource() -> None:
    seen = await seen_beside(happens=beat_at("2"), deleted=True)
    assert "fleet-beat" not in seen.live["StatefulSet"]
    assert [it["metadata"]["name"] for it in seen.beat.rivals] == ["old-beat-0"]


AUTOSCALERS = "horizontalpodautoscalers"


@pytest.mark.parametrize(
    "replicas,metadata,status,again",
    [
        pytest.param(0, {}, {}, False, id="at zero, and nothing has changed"),
        pytest.param(1, {}, {}, True, id="it asks for a worker"),
        pytest.param(0, {"generation": 2}, {}, True, id="it was edited"),
        pytest.param(0, {}, {"advice": ["an autoscaler is there"]}, True, id="what was said may be so no longer"),
    ],
)
async def test_rivals_are_read_again_where_they_may_matter(
    replicas: int, metadata: dict[str, Any], status: dict[str, Any], *, again: bool
) -> None:
    store, cluster, now = Store(), FakeCluster(), [1000.0]
    rivals = RivalsReader(cluster, lambda: now[0])
    reader = FleetReader(KEY, store, cluster, lambda: NOW, lambda: now[0], rivals, AllBeats(store))
    state, resource = begun({}, recall({}, NOW), NOW), {"metadata": {"name": KEY.name, "generation": 1}}
    store.see(DEPLOYMENTS, child("fleet-a", "Deployment") | {"spec": {"replicas": replicas}})

    async def look(resource: dict[str, Any]) -> int:
        await reader.look(resource, SPEC, FakeBroker(), state, {}, None)
        for _ in range(8):
            await asyncio.sleep(0)
        return sum(it.kind == AUTOSCALERS for it in cluster.requests)

    assert await look(resource) == 1
    now[0] += 10
    await look(resource)
    now[0] += EVERY_S
    before = await look(resource)
    now[0] += EVERY_S
    changed = {"metadata": {**resource["metadata"], **metadata}, "status": status}
    assert await look(changed) == before + again
    reader.close()
