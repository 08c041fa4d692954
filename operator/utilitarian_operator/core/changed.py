"""A value with some of its fields changed, at a third of the cost of `dataclasses.replace`: each look does it often."""

from collections.abc import Callable, Iterable
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeVar

T = TypeVar("T")


def changed(value: T, /, **new: Any) -> T:
    """The same as `dataclasses.replace`, of a dataclass with two fields at least, all of which are given in its call.

    Args:
        value: that stays as it is.
        new: the fields that are to be different.
    """
    kind: type[Any] = type(value)
    layout = _LAYOUTS.get(kind)
    if layout is None:
        names = [it.name for it in fields(kind)]
        layout = _LAYOUTS[kind] = {name: place for place, name in enumerate(names)}, attrgetter(*names)
    places, values_of = layout
    values = list(values_of(value))
    for name, it in new.items():
        values[places[name]] = it
    made: T = kind(*values)
    return made


_LAYOUTS: dict[type[Any], tuple[dict[str, int], Callable[[Any], Iterable[Any]]]] = {}
"""Where each field of a kind of value stands, and how all are read."""
