"""Guards are written on the pods that are there, and the store knows of them at once."""

from typing import Any

from utilitarian_operator.adapters.cluster.cache import PODS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.core.draining.eviction_guard import GuardPod
from utilitarian_operator.core.labels import INSTANCE_LABEL
from utilitarian_operator.errors import ClusterError
from utilitarian_operator.reconcile.act.eviction_guard import guard

KEY = Key("ns", "fleet")
SAFE = "cluster-autoscaler.kubernetes.io/safe-to-evict"


async def pods(cluster: FakeCluster, *names: str) -> Store:
    store = Store()
    for name in names:
        metadata = {"namespace": "ns", "name": name, "labels": {INSTANCE_LABEL: "fleet"}}
        store.see(PODS, await cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata}))
    return store


def annotations(pod: Any) -> dict[str, str]:
    found: dict[str, str] = pod["metadata"].get("annotations") or {}
    return found


async def test_a_guard_is_set_and_taken_away() -> None:
    cluster = FakeCluster()
    store = await pods(cluster, "a", "b")
    await guard(cluster, store, KEY, [GuardPod("a", {SAFE: "false"}), GuardPod("gone", {SAFE: "false"})])
    assert annotations(await cluster.read("Pod", "ns", "a")) == {SAFE: "false"}
    assert annotations(store.children(PODS, KEY)["a"]) == {SAFE: "false"}
    assert annotations(await cluster.read("Pod", "ns", "b")) == {}
    await guard(cluster, store, KEY, [GuardPod("a", {SAFE: None})])
    assert annotations(store.children(PODS, KEY)["a"]) == {}


async def test_a_pod_that_can_not_be_written_keeps_no_other_from_its_guard() -> None:
    cluster = FakeCluster()
    store = await pods(cluster, "a", "b")
    cluster.fails = lambda asked: ClusterError("no answer") if (asked.verb, asked.name) == ("patch", "a") else None
    await guard(cluster, store, KEY, [GuardPod(name, {SAFE: "false"}) for name in "ab"])
    assert [name for name in "ab" if annotations(store.children(PODS, KEY)[name])] == ["b"]
