"""Turns what pydantic finds into problems with a path, a value and a remedy."""

import difflib
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from utilitarian_operator.api.problem import MASKED, Problem, field_path, shown

MOST_PROBLEMS = 20
"""That are told at a time: a text that is wrong throughout takes no longer than one that is nearly right."""

_REMEDIES = {
    "missing": "is required",
    "int_type": "write a whole number, without quotes",
    "bool_type": "write true or false, without quotes",
    "string_type": "write a string; numbers and booleans need quotes",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "too_long": "may have at most {max_length} entries",
    "string_too_long": "may not be more than {max_length} characters",
    "string_too_short": "may not be empty",
    "model_type": "must be an object with named fields",
    "model_attributes_type": "must be an object with named fields",
    "dict_type": "must be an object with named fields",
    "mapping_type": "must be an object with named fields",
    "tuple_type": "must be a list",
}


def problems(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """The first errors of one validation, each as a Problem, in the order of the fields."""
    found = error.errors(include_url=False)
    told = [_problem(details, model) for details in found[:MOST_PROBLEMS]]
    more = len(found) - len(told)
    return [*told, Problem("spec", "", f"has {more} more mistakes")] if more else told


def _problem(details: ErrorDetails, model: type[BaseModel]) -> Problem:
    location = tuple(step for step in details["loc"] if step != "[key]")
    path = field_path(location)
    kind = details["type"]
    if kind == "extra_forbidden":
        value = details["input"]
        return Problem(path, MASKED if isinstance(value, str) else shown(path, value), _unknown(location, model))
    remedy = _REMEDIES[kind].format(**details.get("ctx", {})) if kind in _REMEDIES else details["msg"]
    return Problem(path, "" if kind == "missing" else shown(path, details["input"]), remedy)


def _unknown(location: tuple[str | int, ...], model: type[BaseModel]) -> str:
    """Name the nearest known field, or all of them."""
    here = model_at(model, location[:-1])
    known = sorted(field.alias or to_camel(name) for name, field in here.model_fields.items()) if here else []
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    if near:
        return f"is no field here; did you mean {near[0]}?"
    return "is no field here" + (f"; the fields are {', '.join(known)}" if known else "")


def model_at(model: type[BaseModel], location: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The model that stands at a location of another one, or None where the location leads elsewhere."""
    here: type[BaseModel] | None = model
    for step in location:
        if isinstance(step, int) or here is None:
            continue
        fields: dict[str, Any] = {it.alias or to_camel(name): it.annotation for name, it in here.model_fields.items()}
        here = _model_within(fields.get(step))
    return here


def _model_within(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_within(part))), None)
