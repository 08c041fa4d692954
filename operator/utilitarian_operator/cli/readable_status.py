"""What of a status this version can show: an operator of another version may have written some of it otherwise."""

from collections.abc import Mapping, Sequence
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
    status = resource.get("status") or {}
    known = _without_nulls(status)
    resource = resource if known == status else {**resource, "status": known}
    wrong = [it for it in faults(resource.get("status") or {}) if not _can_be_shown(it)]
    if not wrong:
        return resource, ()
    places = sorted({_place(it) for it in wrong}, reverse=True)  # the last of a list first: those before keep theirs
    shown: Any = resource
    for place in places:
        shown = _without(shown, place)
    return {**shown, "status": shown.get("status") or {}}, tuple(field_path(it) for it in reversed(places))


def _without_nulls(value: Any) -> Any:
    """The same without fields that are null: what isn't there is shown as what isn't known."""
    if isinstance(value, Mapping):
        return {name: _without_nulls(it) for name, it in value.items() if it is not None}
    return [_without_nulls(it) for it in value] if isinstance(value, list) else value


def _can_be_shown(error: ErrorDetails) -> bool:
    """Whether a value is of its type, and only of another size, or another word than this version knows."""
    another_type = error["type"] == "literal_error" and not isinstance(error["input"], str)
    return error["type"] in _OF_ANOTHER_SIZE and not another_type


def _place(error: ErrorDetails) -> tuple[int | str, ...]:
    """What is left out for a fault: of a name that is none, all that is called so."""
    where = ("status", *error["loc"])
    return where[:-1] if where[-1] == "name" else where


def _without(part: Any, place: Sequence[int | str]) -> Any:
    """The same without what is at a place; the part itself stays as it is."""
    first, *rest = place
    entries = part.items() if isinstance(part, Mapping) else enumerate(part)
    kept = [(key, _without(it, rest) if key == first else it) for key, it in entries if key != first or rest]
    return dict(kept) if isinstance(part, Mapping) else [it for _, it in kept]


def _with_tuples(value: Any) -> Any:
    """The same as strict validation takes it, which takes no list for a tuple; what is of any shape stays as it is."""
    if isinstance(value, Mapping):
        return {name: it if name == "memory" else _with_tuples(it) for name, it in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def _is_spared(error: ErrorDetails) -> bool:
    return error["type"] == "missing" and error["loc"][-1] != "name"
