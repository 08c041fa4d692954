"""What pydantic finds is said with a path, a value and a remedy."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from utilitarian_operator.api.problem import MASKED
from utilitarian_operator.api.pydantic_messages import model_at, problems

CLOSED = ConfigDict(extra="forbid", alias_generator=to_camel, strict=True)


class Inner(BaseModel):
    model_config = CLOSED
    drain_within: Annotated[int, Field(ge=1, le=9)] = 1
    names: Annotated[list[str], Field(max_length=2)] = []


class Outer(BaseModel):
    model_config = CLOSED
    name: str
    mode: Literal["Auto", "Paused"] = "Auto"
    awake: bool = True
    inner: Inner | None = None
    many: list[Inner] = []


def found(body: Any) -> list[tuple[str, str, str]]:
    with pytest.raises(ValidationError) as refusal:
        Outer.model_validate(body)
    return [tuple(problem) for problem in problems(refusal.value, Outer)]


@pytest.mark.parametrize(
    "fields,problem",
    [
        pytest.param({"name": 5}, ("name", "5", "write a string; numbers and booleans need quotes"), id="no text"),
        pytest.param({"awake": "yes"}, ("awake", '"yes"', "write true or false, without quotes"), id="no flag"),
        pytest.param({"mode": "Off"}, ("mode", '"Off"', "must be 'Auto' or 'Paused'"), id="no choice"),
        pytest.param({"inner": {"drainWithin": 0}}, ("inner.drainWithin", "0", "must be at least 1"), id="small"),
        pytest.param({"inner": {"drainWithin": 10}}, ("inner.drainWithin", "10", "must be at most 9"), id="large"),
        pytest.param(
            {"many": [{}, {"names": ["a", "b", "c"]}]},
            ("many[1].names", "a list of 3", "may have at most 2 entries"),
            id="too many",
        ),
        pytest.param({"inner": 5}, ("inner", "5", "must be an object with named fields"), id="no object"),
        pytest.param(
            {"inner": {"drainwithin": 1}},
            ("inner.drainwithin", "1", "is no field here; did you mean drainWithin?"),
            id="a slip",
        ),
        pytest.param(
            {"inner": {"zzz": "secret"}},
            ("inner.zzz", MASKED, "is no field here; the fields are drainWithin, names"),
            id="no field at all",
        ),
    ],
)
def test_a_problem(fields: dict[str, Any], problem: tuple[str, str, str]) -> None:
    assert found({"name": "a", **fields}) == [problem]


def test_what_is_missing_has_no_value() -> None:
    assert found({}) == [("name", "", "is required")]


def test_the_model_at_a_place() -> None:
    assert model_at(Outer, ("many", 3)) is Inner
    assert model_at(Outer, ("inner",)) is Inner
    assert model_at(Outer, ("name",)) is None
    assert model_at(Outer, ("nowhere", "else")) is None
