"""What of a status this version can show: an operator of another version may have written some of it otherwise."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.problem import field_path
from utilitarian_operator.api.status import FleetStatus

_OF_ANOTHER_SIZE = {"string_too_long", "string_too_short", "too_long", "greater_than_equal", "literal_error"}
"""Kinds of faults with which a value can still be shown."""


def faults(status: Any) -> list[ErrorDetails]:
    """Where a status is not as this version knows it.

    A field that is not known here, or is missing, is no fault, but nothing can be shown of what has no name.
    """
    try:
        FleetStatus.model_validate(_with_tuples(status), strict=True, by_alias=True)
    except ValidationError as error:
        return [it for it in error.errors() if it["type"] != "extra_forbidden" and not _is_spared(it)]
    return []


def readable(resource: Object) -> tuple[Object, tuple[str, ...]]:
    """The resource with as much of its status as can be shown, and the paths of what is left out."""
    wrong = [it for it in faults(resource.get("status") or {}) if it["type"] not in _OF_ANOTHER_SIZE]
    if not wrong:
        return resource, ()
    places = sorted({_place(it) for it in wrong}, reverse=True)  # the last of a list first: those before keep theirs
    whole = {"status": deepcopy(resource["status"])}
    for place in places:
        _leave_out(whole, place)
    left = tuple(field_path(it) for it in reversed(places))
    return {**resource, "status": whole.get("status") or {}}, left


def _place(error: ErrorDetails) -> tuple[int | str, ...]:
    """What is left out for a fault: of a name that is none, all that is called so."""
    where = ("status", *error["loc"])
    return where[:-1] if where[-1] == "name" else where


def _leave_out(whole: dict[str, Any], place: Sequence[int | str]) -> None:
    part: Any = whole
    for key in place[:-1]:
        part = part[key]
    del part[place[-1]]


def _with_tuples(value: Any) -> Any:
    """The same as strict validation takes it, which takes no list for a tuple."""
    if isinstance(value, Mapping):
        return {name: _with_tuples(it) for name, it in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def _is_spared(error: ErrorDetails) -> bool:
    return error["type"] == "missing" and error["loc"][-1] != "name"
