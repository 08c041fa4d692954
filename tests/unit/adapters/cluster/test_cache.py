"""The store: the newer of two versions stays, whatever the order in which they come, and what vanished is forgotten."""

from typing import Any

import pytest

from tests.support.lost_pods import disrupted, pod
from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, FLEETS, PODS, Key, Store, fleet_of
from utilitarian_operator.adapters.cluster.room import Room
from utilitarian_operator.adapters.cluster.versions import version
from utilitarian_operator.api.validation.size import weight

KEY = Key("ns", "fleet")


def fleet(name: str = "fleet", at: int = 1, namespace: str = "ns") -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name, "resourceVersion": str(at)}}


def child(name: str, at: int = 1, instance: str | None = "fleet", **more: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/instance": instance} if instance else None
    return {"metadata": {"namespace": "ns", "name": name, "resourceVersion": str(at), "labels": labels}, **more}


@pytest.mark.parametrize(
    "kind,body,key",
    [
        pytest.param(FLEETS, fleet(), KEY, id="the-resource-itself"),
        pytest.param(PODS, child("a"), KEY, id="a-child-by-its-label"),
        pytest.param(PODS, child("a", instance=None), None, id="no-labels"),
        pytest.param(PODS, {"metadata": {"namespace": "ns", "name": "a"}}, None, id="labels-missing"),
    ],
)
def test_the_fleet_of_an_object(kind: str, body: dict[str, Any], key: Key | None) -> None:
    assert fleet_of(kind, body) == key
    assert Store().see(kind, body) == key


def test_a_key_reads_as_kubernetes_writes_it() -> None:
    assert str(KEY) == "ns/fleet"


@pytest.mark.parametrize(
    "seen,stays",
    [
        pytest.param([1, 2], 2, id="in-order"),
        pytest.param([2, 1], 2, id="the-watch-lags-behind-an-answer"),
        pytest.param([9, 10], 10, id="as-numbers-not-as-text"),
    ],
)
def test_the_newer_version_stays(seen: list[int], stays: int) -> None:
    store = Store()
    for at in seen:
        store.see(DEPLOYMENTS, child("a", at))
    assert version(store.children(DEPLOYMENTS, KEY)["a"]) == stays


@pytest.mark.parametrize(
    "seen,answered,shown,known",
    [
        pytest.param(None, None, 1, False, id="never-seen"),
        pytest.param(1, None, 2, False, id="newer"),
        pytest.param(2, None, 2, True, id="the-echo-of-a-write-that-counts-as-seen"),
        pytest.param(3, None, 2, True, id="older"),
        pytest.param(1, 2, 2, False, id="the-echo-by-which-the-watch-catches-up"),
        pytest.param(1, 3, 2, True, id="older-than-an-answer"),
    ],
)
def test_what_an_event_says_that_is_nothing_new(
    seen: int | None, answered: int | None, shown: int, known: bool
) -> None:
    store = Store()
    if seen is not None:
        store.see(DEPLOYMENTS, child("a", seen))
    if answered is not None:
        store.answered(DEPLOYMENTS, child("a", answered), seen=0)
    assert store.knows(DEPLOYMENTS, child("a", shown)) is known


def test_of_the_same_version_the_later_stays() -> None:
    store = Store()
    store.see(DEPLOYMENTS, child("a", 3, spec={"replicas": 1}))
    store.see(DEPLOYMENTS, child("a", 3, spec={"replicas": 5}))
    assert store.children(DEPLOYMENTS, KEY)["a"]["spec"] == {"replicas": 5}


def test_what_is_told_again_is_the_same_object() -> None:
    """What follows from an object is kept with it, until another one takes its place."""
    store = Store()
    store.see(DEPLOYMENTS, child("a", 3))
    first = store.children(DEPLOYMENTS, KEY)["a"]
    store.see(DEPLOYMENTS, child("a", 3))
    assert store.children(DEPLOYMENTS, KEY)["a"] is first
    store.replace(DEPLOYMENTS, [child("a", 3), child("b", 4)], 5)
    assert store.children(DEPLOYMENTS, KEY)["a"] is first
    store.replace(DEPLOYMENTS, [child("a", 6)], 6)
    assert store.children(DEPLOYMENTS, KEY)["a"] is not first


def test_what_is_deleted_is_forgotten_and_its_fleet_is_told() -> None:
    store = Store()
    store.see(DEPLOYMENTS, child("a"))
    assert store.see(DEPLOYMENTS, child("a", 2), deleted=True) == KEY
    assert store.children(DEPLOYMENTS, KEY) == {}
    assert store.see(DEPLOYMENTS, child("never-seen", 2), deleted=True) == KEY


def test_a_fleet_is_listed_until_it_is_deleted() -> None:
    store = Store()
    store.see(PODS, child("a"))
    assert store.fleets() == []  # a child alone is no fleet
    assert store.fleet(KEY) is None
    store.see(FLEETS, fleet())
    assert store.fleets() == [KEY]
    assert store.fleet(KEY) == fleet()
    store.see(FLEETS, fleet(), deleted=True)
    assert store.fleets() == []


def test_a_full_list_forgets_what_vanished_and_keeps_what_is_newer_than_itself() -> None:
    store = Store()
    for name, at in [("stays", 1), ("vanished", 2), ("made-since", 7), ("changed-since", 8)]:
        store.see(PODS, child(name, at))
    store.see(DEPLOYMENTS, child("another-kind", 1))
    touched = store.replace(PODS, [child("stays", 1), child("new", 4), child("changed-since", 3)], at=5)
    assert {name: version(body) for name, body in store.children(PODS, KEY).items()} == {
        "stays": 1,
        "new": 4,
        "made-since": 7,
        "changed-since": 8,
    }
    assert store.children(DEPLOYMENTS, KEY).keys() == {"another-kind"}
    assert touched == {KEY}


def test_a_full_list_tells_of_fleets_that_lost_all_and_of_new_ones() -> None:
    store = Store()
    store.see(PODS, child("a", 1, instance="old"))
    touched = store.replace(PODS, [child("b", 2, instance="new"), child("stray", 2, instance=None)], at=5)
    assert touched == {Key("ns", "old"), Key("ns", "new")}
    assert store.children(PODS, Key("ns", "old")) == {}


def test_children_given_out_are_a_copy() -> None:
    store = Store()
    store.see(PODS, child("a"))
    given = store.children(PODS, KEY)
    store.see(PODS, child("b"))
    assert given.keys() == {"a"}


def test_fleets_of_the_same_name_in_two_namespaces_are_two() -> None:
    store = Store()
    store.see(FLEETS, fleet())
    store.see(FLEETS, fleet(namespace="other"))
    assert store.fleets() == [KEY, Key("other", "fleet")]


@pytest.mark.parametrize(
    "change, edited",
    [
        pytest.param({}, False, id="nothing"),
        pytest.param({"generation": 2}, True, id="a new spec"),
        pytest.param(
            {"annotations": {"utilitarian.io/override.a": "1 until 2030-01-01T00:00Z"}}, True, id="an annotation"
        ),
        pytest.param({"managedFields": []}, False, id="a status that was written"),
    ],
)
def test_an_edit_is_told_from_a_status_that_was_written(change: dict[str, Any], edited: bool) -> None:
    store = Store()
    before = fleet()
    before["metadata"]["generation"] = 1
    store.see(FLEETS, before)
    assert store.edited({**before, "metadata": {**before["metadata"], **change}}) is edited


def test_an_answer_is_the_newest_word_and_not_the_watchs() -> None:
    store = Store()
    store.see(PODS, child("a", 3))
    assert store.watch_has(PODS, KEY, "a")
    store.answered(PODS, child("a", 5), seen=0)
    assert version(store.children(PODS, KEY)["a"]) == 5
    assert not store.watch_has(PODS, KEY, "a")
    store.see(PODS, child("a", 4))  # the watch is behind
    assert not store.watch_has(PODS, KEY, "a")
    assert version(store.children(PODS, KEY)["a"]) == 5
    store.see(PODS, child("a", 5))
    assert store.watch_has(PODS, KEY, "a")


def test_an_answer_that_changed_nothing_or_comes_late_leaves_the_watchs_word() -> None:
    store = Store()
    store.see(PODS, child("a", 5))
    for at in (5, 4):
        store.answered(PODS, child("a", at), seen=0)
    assert store.watch_has(PODS, KEY, "a")


@pytest.mark.parametrize(
    "answers, doubted",
    [
        pytest.param([8] * 9, 0, id="the watch told of another client's write first, each time"),
        pytest.param([5] * 9, 0, id="writes that changed nothing"),
        pytest.param([4], 1, id="not as new as what was seen before it was sent"),
        pytest.param([8, 4, 9, 3], 2, id="some are not as new"),
    ],
)
def test_an_answer_that_is_older_than_what_was_seen_before_it_was_sent_is_doubted(
    answers: list[int], doubted: int
) -> None:
    """After a restore of etcd each look wrote the same once more, until watches began anew or a list was due.

    Three in a row that were older than what was seen when they came had all listed, too: who writes to one pod again
    and again made that each five seconds.
    """
    calls: list[int] = []
    store = Store(doubted=lambda: calls.append(1))
    store.see(PODS, child("a", 9))
    for at in answers:
        store.answered(PODS, child("a", at), seen=5)
    assert len(calls) == doubted


def test_an_answer_brings_no_object_back() -> None:
    store = Store()
    store.see(PODS, child("a", 3))
    store.see(PODS, child("a", 4), deleted=True)
    store.answered(PODS, child("a", 3), seen=0)
    assert store.children(PODS, KEY) == {}


@pytest.mark.parametrize("at, said", [pytest.param(4, False, id="older"), pytest.param(5, True, id="as new")])
def test_a_list_tells_of_an_answer_that_it_has(at: int, said: bool) -> None:
    store = Store()
    store.see(PODS, child("a", 3))
    store.answered(PODS, child("a", 5), seen=0)
    store.replace(PODS, [child("a", min(at, 5) if said else 3)], at)
    assert version(store.children(PODS, KEY)["a"]) == 5
    assert store.watch_has(PODS, KEY, "a") is said


def test_a_list_without_an_object_forgets_its_answer_too() -> None:
    store = Store()
    store.see(PODS, child("a", 3))
    store.answered(PODS, child("a", 5), seen=0)
    store.replace(PODS, [], 9)
    assert store.children(PODS, KEY) == {}
    assert store.watch_has(PODS, KEY, "a")


def test_a_pod_that_went_between_two_looks_is_looked_at_once_more() -> None:
    store, key = Store(), Key("ns", "fleet")
    lost = pod(conditions=disrupted("DeletionByPodGC", "PodGC: node no longer exists"))
    store.see(PODS, lost, deleted=True)
    assert store.all_pods(key) == []
    store.see(FLEETS, {"metadata": {"namespace": "ns", "name": "fleet", "resourceVersion": "1"}})
    store.see(PODS, lost, deleted=True)
    assert store.all_pods(key) == [lost]
    assert store.all_pods(key) == []


MUCH = [{}] * 100_000


def in_namespace(name: str, namespace: str, at: int = 1, **more: Any) -> dict[str, Any]:
    body = child(name, at, **more)
    return {**body, "metadata": {**body["metadata"], "namespace": namespace}}


def test_the_namespace_that_takes_most_is_kept_no_longer_and_the_others_are() -> None:
    store = Store(room=Room(60_000))
    store.see(FLEETS, fleet())
    store.see(PODS, child("mine"))
    for number in range(1_000):
        store.see(FLEETS, fleet(f"f{number}", namespace="hostile"))
        store.see(PODS, in_namespace(f"p{number}", "hostile"))
    assert set(store.room.aside) == {"hostile"}
    assert store.fleets() == [KEY]
    assert [key for kind in (PODS, FLEETS) for key in store.owners(kind)] == [KEY, KEY]
    assert store.see(PODS, in_namespace("p", "hostile")) is None


def test_so_is_one_with_a_child_that_is_too_large() -> None:
    store = Store()
    store.see(FLEETS, fleet(namespace="hostile"))
    store.see(PODS, child("mine"))
    store.see(PODS, in_namespace("p", "hostile", status={"x": MUCH}))
    assert store.room.aside == {"hostile": "pods p takes more than 8 MiB of memory"}
    assert (store.fleets(), list(store.children(PODS, KEY))) == ([], ["mine"])


def test_it_is_taken_back_where_a_list_has_room_for_it() -> None:
    store = Store(room=Room(60_000))
    store.lay_aside("hostile", "too much")
    store.lay_only_aside({"other": "too much"})
    assert store.room.aside == {"other": "too much"}
    store.replace(FLEETS, [fleet(namespace="hostile")], 5)
    assert store.fleets() == [Key("hostile", "fleet")]


def test_what_has_gone_takes_no_room() -> None:
    store = Store(room=Room(5_000))
    for at in range(1, 100):
        store.see(PODS, child(f"p{at}", at))
        store.see(PODS, child(f"p{at}", at), deleted=True)
        store.see(PODS, child("answered", at))
        store.answered(PODS, child("answered", at, status={"at": at}), seen=0)
        store.replace(PODS, [child("answered", at), child(f"q{at}", at)], at)
    assert store.room.aside == {}


def test_a_pod_that_is_large_is_not_kept_after_its_end() -> None:
    store = Store()
    store.see(FLEETS, fleet())
    for name, size in (("small", 1), ("large", 70_000)):
        store.see(PODS, child(name, status={"message": "x" * size}), deleted=True)
    assert [it["metadata"]["name"] for it in store.all_pods(KEY)] == ["small"]


def departed(name: str, of: str, at: int = 1) -> dict[str, Any]:
    return child(name, at, of, status={"message": "x" * 50_000})


def test_pods_that_have_gone_take_room() -> None:
    store = Store(room=Room(2**20))
    for number in range(20):
        store.see(FLEETS, fleet(f"f{number}"))
        for one in range(10):
            store.see(PODS, departed(f"p{one}", f"f{number}"), deleted=True)
    assert set(store.room.aside) == {"ns"}
    assert (store.room.taken, store.all_pods(Key("ns", "f0"))) == (0, [])


@pytest.mark.parametrize("listed", [False, True], ids=["as a watch tells", "by a list"])
def test_pods_that_have_gone_go_with_their_fleet(listed: bool) -> None:
    """Fleets that come and go with their pods between two looks would fill the memory."""
    store = Store()
    for at in range(1, 10):
        store.see(FLEETS, fleet(f"f{at}", at))
        store.see(PODS, departed("p", f"f{at}", at), deleted=True)
        assert store.room.taken > weight(departed("p", f"f{at}", at))
        if listed:
            store.replace(FLEETS, [], at)
        else:
            store.see(FLEETS, fleet(f"f{at}", at), deleted=True)
    assert store.room.taken == 0
