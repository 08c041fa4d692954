"""What else scales a fleet's objects or keeps its pods from being evicted is named with what to do about it."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.resources import resource
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.blocker import REPLICAS_TAKEN
from utilitarian_operator.core.labels import MANAGER, Owner
from utilitarian_operator.core.objects.drift import applied
from utilitarian_operator.core.objects.manifests import deployment
from utilitarian_operator.core.objects.rivals import (
    LONGEST_SELECTOR,
    MOST_READ,
    Rivals,
    Scaler,
    advice,
    contests,
    own_deployments,
    rivals,
    selects,
)
from utilitarian_operator.core.objects.scaled_by import ReplicaWriters, Writes

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OWNER = Owner("ns", "fleet", "uid")
LABELS = {"app": "x", "tier": "back"}


def fleet(more: str = "") -> Any:
    return effective_fleet(parse(resource(f"{{app: other, pools: [{{name: a, queues: [q]{more}}}]}}")).spec)


def live(more: str = "") -> dict[str, dict[str, Any]]:
    asked = fleet(more)
    body = deployment(OWNER, asked, asked.pools[0])
    return {"Deployment": {"fleet-a": body}, "StatefulSet": {}, "PodDisruptionBudget": {}}


def hpa(target: str = "fleet-a", kind: str = "Deployment", owner: str = "") -> dict[str, Any]:
    owners = [{"controller": True, "kind": "ScaledObject", "name": owner, "uid": "k"}] if owner else []
    return {
        "metadata": {"name": "scaler", "ownerReferences": owners},
        "spec": {"scaleTargetRef": {"kind": kind, "name": target}},
    }


def pdb(selector: Mapping[str, Any] | None, name: str = "budget", owner: str = "") -> dict[str, Any]:
    owners = [{"controller": True, "kind": "X", "name": "x", "uid": owner}] if owner else []
    spec = {} if selector is None else {"selector": selector}
    return {"metadata": {"name": name, "ownerReferences": owners}, "spec": spec}


OF_THE_POOL = {"matchLabels": {"utilitarian.io/pool": "a"}}


@pytest.mark.parametrize(
    "scalers, budgets, more, said",
    [
        pytest.param([], [], "", [], id="nothing"),
        pytest.param([hpa()], [], "", ["pool a: HorizontalPodAutoscaler scaler sets the replicas"], id="an autoscaler"),
        pytest.param([hpa(owner="so")], [], "", ["scaler (of ScaledObject so) sets"], id="one of KEDA's"),
        pytest.param([hpa("other")], [], "", [], id="one of another Deployment"),
        pytest.param([hpa("fleet-beat", "StatefulSet")], [], "", ["beat: HorizontalPodAutoscaler scaler"], id="beat's"),
        pytest.param(
            [], [pdb(OF_THE_POOL)], "", ["budget selects its workers beside the operator's own"], id="a budget"
        ),
        pytest.param([], [pdb(OF_THE_POOL, owner="uid")], "", [], id="the operator's own"),
        pytest.param([], [pdb({"matchLabels": {"app": "web"}})], "", [], id="a budget of other pods"),
        pytest.param([], [pdb({})], "", ["budget selects"], id="a budget over all pods"),
        pytest.param([], [pdb(OF_THE_POOL)], ", disruptionBudget: false", [], id="one budget where ours is left out"),
        pytest.param(
            [],
            [pdb(OF_THE_POOL), pdb({}, "second")],
            ", disruptionBudget: false",
            ["budget selects its workers beside second"],
            id="two where ours is left out",
        ),
    ],
)
def test_what_is_beside_a_fleet_is_said(scalers: list[Any], budgets: list[Any], more: str, said: list[str]) -> None:
    found = advice(OWNER, fleet(more), live(more), rivals(scalers, budgets), {})
    assert len(found) == len(said)
    assert all(words in sentence for words, sentence in zip(said, found, strict=True)), found


def test_an_object_that_is_changed_each_time_is_among_the_advice() -> None:
    there = live()
    body = there["Deployment"]["fleet-a"]
    body["metadata"]["managedFields"] = [{"manager": MANAGER, "operation": "Apply", "fieldsV1": {"f:spec": {}}}]
    first = applied(body, NOW, body)
    second = applied(body, NOW + timedelta(seconds=10), body, first)
    taken = {**body, "metadata": {**body["metadata"], "managedFields": [{"manager": "policy", "operation": "Update"}]}}
    known = {("Deployment", "fleet-a"): second}
    assert advice(OWNER, fleet(), there, Rivals(), known) == ()
    (sentence,) = advice(OWNER, fleet(), {**there, "Deployment": {"fleet-a": taken}}, Rivals(), known)
    assert "Deployment fleet-a is changed by another client or by a webhook" in sentence


def test_a_number_that_another_client_sets_again_and_again_is_a_blocker_with_its_manager() -> None:
    writers = ReplicaWriters({"a": Writes(manager="kube-controller-manager", contested=NOW), "gone": Writes()})
    (blocker,) = contests(OWNER, fleet(), writers, rivals([hpa(owner="so")], []))
    assert blocker.reason == REPLICAS_TAKEN
    assert blocker.message.startswith(
        "spec.pools[0]: kube-controller-manager sets the replicas of Deployment fleet-a again and again, for "
        "HorizontalPodAutoscaler scaler (of ScaledObject so); it is not fought"
    )
    assert list(contests(OWNER, fleet(), ReplicaWriters(), Rivals())) == []


def test_deployments_of_another_owner_are_not_the_fleets() -> None:
    assert list(own_deployments(OWNER, live())) == ["a"]
    assert own_deployments(Owner("ns", "fleet", "another"), live()) == {}


def test_no_more_is_kept_than_is_read() -> None:
    known = rivals([hpa()] * (MOST_READ + 1), [pdb({})] * (MOST_READ + 1))
    assert (len(known.scalers), len(known.budgets)) == (MOST_READ, MOST_READ)
    assert known.scalers[0] == Scaler("scaler", ("Deployment", "fleet-a"))


def of(operator: str, *values: str, key: str = "app") -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, **({"values": list(values)} if values else {})}]}


@pytest.mark.parametrize(
    "selector, matches",
    [
        pytest.param(None, False, id="no selector"),
        pytest.param({}, True, id="an empty one"),
        pytest.param({"matchLabels": LABELS}, True, id="all labels"),
        pytest.param({"matchLabels": {"app": "y"}}, False, id="another value"),
        pytest.param(of("In", "x", "y"), True, id="in"),
        pytest.param(of("In", "y"), False, id="not in the list"),
        pytest.param(of("In", "x", key="other"), False, id="in, and no such label"),
        pytest.param(of("NotIn", "y"), True, id="notin"),
        pytest.param(of("NotIn", "x"), False, id="notin, and it is"),
        pytest.param(of("NotIn", "x", key="other"), True, id="notin, and no such label"),
        pytest.param(of("Exists"), True, id="exists"),
        pytest.param(of("Exists", key="other"), False, id="exists, and doesn't"),
        pytest.param(of("DoesNotExist", key="other"), True, id="does not exist"),
        pytest.param(of("DoesNotExist"), False, id="does not exist, and does"),
        pytest.param({"matchLabels": {"app": "x"}, **of("NotIn", "back", key="tier")}, False, id="both must hold"),
        pytest.param(of("Later"), False, id="an operator of a later Kubernetes"),
    ],
)
def test_a_selector_matches_as_kubernetes_has_it(selector: Mapping[str, Any] | None, matches: bool) -> None:
    assert selects(selector, LABELS) is matches


LETTERS = st.sampled_from("ab")
SELECTORS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "matchLabels": st.dictionaries(LETTERS, LETTERS, max_size=2),
        "matchExpressions": st.lists(
            st.fixed_dictionaries({"key": LETTERS, "operator": st.sampled_from(["Exists", "DoesNotExist"])}), max_size=1
        ),
    },
)


@given(st.lists(SELECTORS, max_size=6), st.dictionaries(LETTERS, LETTERS, max_size=2))
def test_the_budgets_found_by_a_label_are_those_that_select(
    selectors: list[Mapping[str, Any] | None], labels: Mapping[str, str]
) -> None:
    known = rivals([], [pdb(selector, f"budget-{place}") for place, selector in enumerate(selectors)])
    assert known.selecting(labels) == [it for it in known.budgets if selects(it.selector, labels)]


def test_the_budgets_of_other_fleets_are_not_gone_through(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Mapping[str, Any] | None] = []
    own = {"app.kubernetes.io/instance": "fleet-7", "utilitarian.io/pool": "a"}
    others = [{**own, "app.kubernetes.io/instance": f"fleet-{number}"} for number in range(MOST_READ)]
    known = rivals([], [pdb({"matchLabels": labels}) for labels in others])
    monkeypatch.setattr("utilitarian_operator.core.objects.rivals.selects", lambda it, _: asked.append(it) is None)
    assert len(known.selecting(own)) == len(asked) == 1


@pytest.mark.parametrize("expressions, values", [(15_000, 1), (1, 100_000)], ids=["many requirements", "many values"])
def test_a_long_selector_of_another_keeps_no_fleet_waiting(expressions: int, values: int) -> None:
    """Each of 20 budgets has a megabyte, and each of 100 pools asks them at each look."""
    given = [
        {"key": f"k{n}", "operator": "NotIn", "values": [f"v{n}" for n in range(values)]} for n in range(expressions)
    ]
    known, began = rivals([], [pdb({"matchExpressions": given})] * 20), time.process_time()
    for _ in range(100):
        known.selecting(LABELS)
    assert time.process_time() - began < 1.0


def test_a_selector_of_the_usual_length_is_asked() -> None:
    usual = [{"key": "app", "operator": "In", "values": [f"v{n}" for n in range(LONGEST_SELECTOR - 2)] + ["x"]}]
    assert [it.name for it in rivals([], [pdb({"matchExpressions": usual})]).selecting(LABELS)] == ["budget"]
    longer = [*usual, {"key": "app", "operator": "Exists"}]
    assert rivals([], [pdb({"matchExpressions": longer})]).selecting(LABELS) == []
