"""The schema of a model is one that Kubernetes takes: without references and null, with defaults where asked for."""

from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from utilitarian_operator.api.generated.openapi import structural_schema


class Inner(BaseModel):
    """What is within."""

    model_config = ConfigDict(extra="forbid")
    size: int = 3


class Outer(BaseModel):
    """What is around it."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["only"] = "only"
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    named: dict[str, str] | None = None


class TwoTypes(BaseModel):
    either: int | str


def test_references_are_followed_and_null_is_gone() -> None:
    schema = structural_schema(Outer, defaults=True)
    inner = {
        "type": "object",
        "description": "What is within.",
        "properties": {"size": {"type": "integer", "default": 3}},
    }
    assert "$defs" not in schema
    assert schema["properties"]["inner"] == inner
    assert schema["properties"]["many"]["items"] == inner
    assert schema["properties"]["named"]["additionalProperties"] == {"type": "string"}
    assert schema["properties"]["kind"]["enum"] == ["only"]


def test_defaults_are_left_out_where_they_are_not_asked_for() -> None:
    schema = structural_schema(Outer, defaults=False)
    assert "default" not in schema["properties"]["inner"]["properties"]["size"]
    assert "default" not in schema["properties"]["kind"]


def test_a_field_of_two_types_is_an_error_of_the_model() -> None:
    with pytest.raises(ValueError, match="one type only"):
        structural_schema(TwoTypes, defaults=False)
