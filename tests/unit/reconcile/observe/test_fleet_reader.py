"""One look reads the fleet's objects, and its pods that went since the last one until their events are recorded."""

import asyncio
import time
from typing import Any

from tests.support.pools import NOW, fleet
from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, FLEETS, PODS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.core.labels import INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER
from utilitarian_operator.core.look import Seen, begun
from utilitarian_operator.core.pod_usage import PodUsage
from utilitarian_operator.core.status.recall import recall
from utilitarian_operator.reconcile.observe.fleet_reader import FleetReader
from utilitarian_operator.reconcile.observe.rivals_reader import RivalsReader

KEY = Key("ns", "fleet")
SPEC = fleet({"name": "a", "queues": ["q"]}, beat={"enabled": False})


def child(name: str, kind: str = "Pod") -> dict[str, Any]:
    labels = {INSTANCE_LABEL: KEY.name}
    metadata = {"namespace": KEY.namespace, "name": name, "resourceVersion": "1", "labels": labels}
    return {"kind": kind, "metadata": metadata, "spec": {}, "status": {}}


async def test_pods_that_went_are_given_until_their_events_are_recorded() -> None:
    store, broker, resource = Store(), FakeBroker(), {"metadata": {"name": "fleet"}}
    reader = FleetReader(
        KEY, store, FakeCluster(), lambda: NOW, time.monotonic, RivalsReader(FakeCluster(), time.monotonic)
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


async def test_usage_is_handed_over_once_with_the_look_that_follows_its_reading() -> None:
    store, usage = Store(), PodUsage(0.1, 1000.0)
    cluster = FakeCluster(usage={"fleet-a-1": usage})
    labels = {INSTANCE_LABEL: KEY.name, MANAGED_BY_LABEL: MANAGER}
    metadata = {"namespace": KEY.namespace, "name": "fleet-a-1", "labels": labels}
    store.see(PODS, await cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata}))
    reader, state, told = (
        FleetReader(KEY, store, cluster, lambda: NOW, time.monotonic, RivalsReader(cluster, time.monotonic)),
        begun({}, recall({}, NOW), NOW),
        [],
    )
    for _ in range(3):
        seen = await reader.look({"metadata": metadata}, SPEC, FakeBroker(), state, {}, None)
        assert seen.read is not None
        told.append(dict(seen.read.usage))
        await asyncio.sleep(0)
    reader.close()
    assert told == [{}, {"fleet-a-1": usage}, {}]
