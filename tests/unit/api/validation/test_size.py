"""How much memory a value takes, and which specs take too much of it."""

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.problem import InvalidSpec
from utilitarian_operator.api.validation import size
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.api.validation.size import ENDLESS, MOST_OF_A_SPEC, too_large, weight

DENSE = 80_000


def measured(value: Any) -> int:
    """What Python says that it takes."""
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return sys.getsizeof(value) + sum(map(measured, parts))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([{} for _ in range(DENSE)], id="empty-objects"),
        pytest.param([[] for _ in range(DENSE)], id="empty-lists"),
        pytest.param(list(range(1000, 1000 + DENSE)), id="numbers"),
        pytest.param([f"{number}" for number in range(DENSE)], id="short-strings"),
        pytest.param({f"k{number}": {"x": "1"} for number in range(DENSE)}, id="fields"),
        pytest.param(["x" * DENSE], id="a-long-string"),
    ],
)
def test_a_weight_is_about_what_python_takes(value: Any) -> None:
    assert measured(value) / 2 <= weight(value) <= 3 * measured(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=40,
)


@given(JSON, st.integers(0, 3_000))
def test_what_is_too_large_is_so_however_soon_it_is_known(value: Any, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(size, "MOST_OF_A_SPEC", most)
        known = size.weight_of_spec(value)
    assert known <= weight(value)
    assert (known > most) is (weight(value) > most)


def test_what_lies_too_deep_is_endless() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = {"a": deep}
    assert weight(deep) == ENDLESS
    assert str(too_large(deep)) == "spec: has parts that lie too deep within each other; write fewer"


def spec(**more: Any) -> Object:
    broker = {"urlFrom": {"secretKeyRef": {"name": "env", "key": "URL"}}}
    return {"image": "u:1", "broker": broker, **more}


def test_a_spec_of_a_hundred_pools_is_not_too_large() -> None:
    env = [{"name": f"VARIABLE_{number}", "value": "x" * 20} for number in range(20)]
    pools = [{"name": f"p{number}", "queues": [f"q{number}"], "env": [dict(it) for it in env]} for number in range(100)]
    assert too_large(spec(pools=pools)) is None


@pytest.mark.parametrize(
    "template,path",
    [
        pytest.param({"spec": {"x": [{}] * DENSE}}, "spec.defaults.pod.template.spec.x", id="a-list"),
        pytest.param({f"k{number}": {"x": "1"} for number in range(DENSE)}, "spec.defaults.pod.template", id="fields"),
        pytest.param({"a": "x" * MOST_OF_A_SPEC}, "spec.defaults.pod.template.a", id="a-string"),
        pytest.param({"a": [{}] * DENSE, "b": [{}]}, "spec.defaults.pod.template.a", id="the-larger-of-two"),
        pytest.param({f"k{n}": [{}] * 8_000 for n in range(20)}, "spec.defaults.pod.template", id="no-part-is-it"),
    ],
)
def test_one_that_is_too_large_is_refused_with_its_largest_field(template: Object, path: str) -> None:
    resource = {"metadata": {"name": "f"}, "spec": spec(defaults={"pod": {"template": template}})}
    with pytest.raises(InvalidSpec, match="takes more than 4 MiB of the operator's memory") as refused:
        accept(resource)
    assert [it.path for it in refused.value.errors] == [path]
