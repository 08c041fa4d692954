"""What is equal in two objects is in memory once; the objects stay as they were."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, Key, Store
from utilitarian_operator.core.labels import INSTANCE_LABEL
from utilitarian_operator.core.objects.shared_parts import sharing

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-2, 2) | st.sampled_from("abc"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


def typed(value: Any) -> Any:
    """A value in which 1, 1.0 and True differ."""
    if isinstance(value, dict):
        return {name: typed(it) for name, it in value.items()}
    return [typed(it) for it in value] if isinstance(value, list) else (type(value), value)


@given(VALUES, VALUES)
def test_the_value_is_equal_and_neither_is_changed(value: Any, model: Any) -> None:
    before = copy.deepcopy((value, model))
    assert typed(sharing(value, model)) == typed(value)
    assert typed([value, model]) == typed(list(before))


@given(VALUES)
def test_a_value_that_is_equal_as_a_whole_is_the_model(model: Any) -> None:
    assert sharing(copy.deepcopy(model), model) is model


@given(VALUES, VALUES)
def test_what_shares_already_stays_the_same_object(value: Any, model: Any) -> None:
    shared = sharing(value, model)
    assert sharing(shared, model) is shared


def deployment(name: str, version: str, **status: int) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns", "resourceVersion": version, "labels": {INSTANCE_LABEL: "fleet"}}
    pod = {"containers": [{"name": "worker", "command": ["celery", name], "env": [{"name": "A", "value": "1"}]}]}
    return {"metadata": metadata, "spec": {"template": {"spec": pod}}, "status": status}


def test_the_deployments_of_a_fleet_share_what_is_alike_also_with_what_they_were() -> None:
    store, key = Store(), Key("ns", "fleet")
    for name in ("a", "b"):
        store.see(DEPLOYMENTS, deployment(name, "1"))
    one, other = (store.children(DEPLOYMENTS, key)[name] for name in "ab")
    env = [it["spec"]["template"]["spec"]["containers"][0]["env"] for it in (one, other)]
    assert env[0] is env[1]
    assert (one, other) == (deployment("a", "1"), deployment("b", "1"))
    store.see(DEPLOYMENTS, deployment("b", "2", replicas=1))
    newer = store.children(DEPLOYMENTS, key)["b"]
    assert newer == deployment("b", "2", replicas=1)
    assert newer["spec"] is other["spec"]
