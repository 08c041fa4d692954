"""What is kept of an object: all that is read, nothing that is not, and little of one that is too large."""

import copy
import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, FLEETS, PODS, Key, Store
from utilitarian_operator.adapters.cluster.kept import kept
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.validation.size import TOO_LARGE, weight
from utilitarian_operator.core.spec.acceptance import Acceptance

NAME = {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "7", "generation": 2}
FLEET = Key("ns", "a")
LABELS = {"app.kubernetes.io/instance": "a", "utilitarian.io/pool": "p"}
T = TypeVar("T")
MUCH = [{}] * 100_000


def body(metadata: Object | None = None, **more: Any) -> Object:
    return {"metadata": {**NAME, "labels": LABELS, **(metadata or {})}, **more}


@pytest.mark.parametrize(
    "kind,whole,expected",
    [
        pytest.param(
            PODS,
            body({"managedFields": [{}], "annotations": {"foreign": "x"}}, spec={"nodeName": "n", "volumes": [{}]}),
            body({"annotations": {}}, spec={"nodeName": "n"}),
            id="of-a-pod-its-place-and-its-containers",
        ),
        pytest.param(
            FLEETS,
            body({"managedFields": [{}], "annotations": {"kubectl.kubernetes.io/last-applied": "x"}}, spec={"a": 1}),
            body({"annotations": {}}, spec={"a": 1}),
            id="of-a-resource-what-it-asks-for",
        ),
        pytest.param(
            DEPLOYMENTS,
            body({"managedFields": [{"manager": "m"}], "finalizers": ["x"]}, spec={}),
            body({"managedFields": [{"manager": "m"}]}, spec={}),
            id="of-a-deployment-who-set-its-fields",
        ),
        pytest.param(
            PODS,
            body({"annotations": {"utilitarian.io/draining": "1", "karpenter.sh/do-not-disrupt": "true"}}),
            body({"annotations": {"utilitarian.io/draining": "1", "karpenter.sh/do-not-disrupt": "true"}}),
            id="annotations-that-are-read",
        ),
        pytest.param(
            PODS,
            body({"deletionTimestamp": "2026-11-23T12:03:05Z", "deletionGracePeriodSeconds": 90, "finalizers": ["x"]}),
            body({"deletionTimestamp": "2026-11-23T12:03:05Z", "deletionGracePeriodSeconds": 90}),
            id="of-a-pod-that-goes-how-long-it-has",
        ),
    ],
)
def test_nothing_is_kept_that_is_never_read(kind: str, whole: Object, expected: Object) -> None:
    cut = kept(kind, whole)
    assert cut == expected
    assert kept(kind, cut) is cut


@pytest.mark.parametrize("kind", [PODS, DEPLOYMENTS])
@pytest.mark.parametrize("part", ["status", "labels"])
def test_of_one_that_is_too_large_its_name_is_kept_and_why(kind: str, part: str) -> None:
    labels = {**LABELS, **{f"l{number}": "x" * 63 for number in range(60_000)}}
    cut = kept(kind, body({"labels": labels}) if part == "labels" else body(status={"conditions": MUCH}))
    expected = {**NAME, "labels": {"app.kubernetes.io/instance": "a"}}
    assert cut == {"metadata": expected, TOO_LARGE: f"{kind} a takes more than 8 MiB of memory"}
    assert kept(kind, cut) is cut


def test_a_resource_that_is_too_large_keeps_its_status_and_says_where_it_is() -> None:
    status = {"pools": [{"name": "p"}]}
    cut = kept(FLEETS, body(spec={"image": "u:1", "pools": MUCH}, status=status))
    assert (cut["spec"], cut["status"]) == ({}, status)
    assert weight(cut) < 4_000
    judged = Acceptance(cut).judge(cut)
    assert [str(it).partition(":")[0] for it in judged.problems] == ["spec.pools"]


def test_a_status_that_is_too_large_is_forgotten() -> None:
    assert kept(FLEETS, body(spec={}, status={"pools": MUCH})) == body(spec={}, status={})


WORDS = {"small": {"a": 1}, "another": {"a": 2}, "large": {"a": MUCH}}


@pytest.mark.parametrize("before", WORDS)
def test_whatever_is_known_of_a_resource_the_same_is_kept_of_it(before: str) -> None:
    for part in ("spec", "status"):
        for now in WORDS.values():
            told = body({"resourceVersion": "8"}, **{"spec": {}, "status": {}, part: now})
            stores = Store(), Store()
            stores[0].see(FLEETS, body(spec=WORDS[before], status={}))
            for store in stores:
                store.see(FLEETS, told)
            assert stores[0].fleet(FLEET) == stores[1].fleet(FLEET)
            assert stores[0].room.taken == stores[1].room.taken


@pytest.mark.parametrize("kind", [FLEETS, PODS, DEPLOYMENTS])
def test_an_object_that_is_told_again_is_the_one_that_is_known(kind: str) -> None:
    store, told = Store(), body({"managedFields": []}, spec={}, status={"a": 1})
    store.see(kind, told)
    (known,), taken = store.children(kind, FLEET).values(), store.room.taken
    store.see(kind, copy.deepcopy(told))
    (again,) = store.children(kind, FLEET).values()
    assert (again is known, store.room.taken) == (True, taken)


@pytest.mark.parametrize("kind", [FLEETS, PODS, DEPLOYMENTS])
def test_what_python_could_just_read_is_laid_aside_before_it_ends_what_comes_after(kind: str) -> None:
    """Python goes through about a thousand levels, and fewer where it is called from deeper down."""
    for depth in range(200, 1_000, 7):
        text = '{"a":' * depth + "1" + "}" * depth
        try:
            deep, again = json.loads(text), json.loads(text)
        except RecursionError:
            break
        cut = kept(kind, body(spec=deep, status=deep))
        same = kept(kind, body(spec=again, status=again))
        assert from_deeper(lambda cut=cut, same=same: cut == same, 50)
        assert from_deeper(lambda cut=cut: json.dumps(cut), 200)
    assert TOO_LARGE in cut


def from_deeper(call: Callable[[], T], levels: int) -> T:
    return from_deeper(call, levels - 1) if levels else call()
