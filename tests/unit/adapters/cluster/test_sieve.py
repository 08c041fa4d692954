"""What is kept of a listing: what is known is the same object, and of a namespace that gives way nothing is kept."""

from typing import Any

from utilitarian_operator.adapters.cluster.cache import FLEETS, PODS, Store
from utilitarian_operator.adapters.cluster.room import Room
from utilitarian_operator.adapters.cluster.sieve import Sieve
from utilitarian_operator.api.objects import Object

MUCH = [{}] * 100_000


def pod(name: str, namespace: str = "ns", at: int = 1, **more: Any) -> Object:
    labels = {"app.kubernetes.io/instance": "fleet"}
    return {"metadata": {"namespace": namespace, "name": name, "resourceVersion": str(at), "labels": labels}, **more}


def names(sieve: Sieve) -> list[str]:
    return [it["metadata"]["name"] for it in sieve.found(PODS)]


def test_what_is_listed_again_is_the_same_object() -> None:
    store = Store()
    store.see(PODS, pod("a"))
    store.see(PODS, pod("b"))
    sieve = Sieve(store, lambda: None)
    take = sieve.of(PODS)
    assert [take(pod("a")), take(pod("b", at=2))] == [None, None]
    known = store.objects_in(PODS, {"ns"})
    assert [it is there for it, there in zip(sieve.found(PODS), known, strict=True)] == [True, False]


def test_a_namespace_with_too_much_gives_way_and_the_others_stay() -> None:
    sieve, told = Sieve(Store(room=Room(60_000)), lambda: told.append(1)), list[int]()
    take = sieve.of(PODS)
    take(pod("mine", "healthy"))
    for number in range(1_000):
        take(pod(f"p{number}", "hostile"))
        take(pod(f"p{number}", "hostile"))
    assert names(sieve) == ["mine"]
    assert set(sieve.room.aside) == {"hostile"}
    assert len(told) == 2_001


def test_so_does_one_with_a_child_that_is_too_large() -> None:
    sieve = Sieve(Store(), lambda: None)
    for body in (pod("a"), pod("b", "hostile"), pod("c", "hostile", status={"x": MUCH})):
        sieve.of(PODS)(body)
    assert names(sieve) == ["a"]
    assert sieve.room.aside == {"hostile": "pods c takes more than 8 MiB of memory"}


def test_a_resource_that_is_too_large_says_so_itself() -> None:
    sieve = Sieve(Store(), lambda: None)
    sieve.of(FLEETS)(pod("a", spec={"x": MUCH}))
    assert sieve.room.aside == {}


def test_what_was_refused_is_dropped() -> None:
    sieve = Sieve(Store(), lambda: None)
    sieve.of(PODS)(pod("a"))
    sieve.drop("ns")
    assert names(sieve) == []
