"""Objects that are alike have their equal parts in common, and not a copy each.

The Deployments of one fleet differ in a few words, and an object that is told anew in its status alone. As Python keeps
them most of each is a copy of what is in memory already.
"""

import sys
from collections.abc import Callable
from operator import is_
from typing import Any

_NOTHING = object()


def sharing(value: Any, model: Any) -> Any:
    """An equal value in which each part that the model has at the same place is the model's own.

    Args:
        value: as JSON has it; stays as it is.
        model: another such value, of which nothing is ever changed in its place.
    """
    kind = type(value)
    if kind is not type(model) or value is model:
        return value
    part = _PARTS.get(kind)
    if part is not None:
        return part(value, model)
    return model if value == model else value


def _mapping(value: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
    there: list[Any] = []
    as_modelled, as_it_is = len(value) == len(model), True
    for name, it in value.items():
        other = model.get(name, _NOTHING)
        shared = it
        if other is not it:
            # Most are strings, and a call for each takes longer than all else.
            shared = (other if it == other else it) if type(other) is str else sharing(it, other)
            as_modelled = as_modelled and shared is other
            as_it_is = as_it_is and shared is it
        there.append(shared)
    if as_modelled:
        return model
    return value if as_it_is else dict(zip(map(sys.intern, value), there, strict=True))


def _list(value: list[Any], model: list[Any]) -> list[Any]:
    there = [*map(sharing, value, model), *value[len(model) :]]
    for whole in (model, value):
        if len(whole) == len(there) and all(map(is_, there, whole)):
            return whole
    return there


_PARTS: dict[type[Any], Callable[[Any, Any], Any]] = {dict: _mapping, list: _list}
"""How values that have parts are gone through."""
