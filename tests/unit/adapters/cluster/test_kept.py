"""What is kept of an object: all that is read, nothing that is not, and little of one that is too large."""

from typing import Any

import pytest

from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, FLEETS, PODS
from utilitarian_operator.adapters.cluster.kept import kept
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.validation.size import TOO_LARGE, weight
from utilitarian_operator.core.spec.acceptance import Acceptance

NAME = {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "7", "generation": 2}
LABELS = {"app.kubernetes.io/instance": "fleet", "utilitarian.io/pool": "p"}
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
    expected = {**NAME, "labels": {"app.kubernetes.io/instance": "fleet"}}
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
