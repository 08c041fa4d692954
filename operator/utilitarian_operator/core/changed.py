"""What changes from look to look: a value with some fields changed, and what is made anew of changed values alone.

Nearly all that is seen at a look was seen at the one before: a pod, a Secret, a pool whose queue is empty. What follows
from it alone, without the time, is the same then. A look without anything kept comes to the same; it takes longer.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import fields
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")


def changed(value: T, /, **new: Any) -> T:
    """The same as `dataclasses.replace`, of a dataclass with two fields at least, all of which are given in its call.

    At a part of the cost, since each look does it often. One without slots is copied in a step, at a fifth of the cost
    of one with them. What it has worked out of its fields (`cached_property`) is left behind.

    Args:
        value: that stays as it is.
        new: the fields that are to be different.

    Raises:
        TypeError: it has no such field.
    """
    kind: type[Any] = type(value)
    known: dict[str, Any] | None = getattr(value, "__dict__", None)
    made: T
    if known is None:
        made = kind(*_values(kind, value, new))
        return made
    names = kind.__dataclass_fields__
    made = object.__new__(kind)
    values = made.__dict__
    values.update(known if len(known) == len(names) else {name: known[name] for name in names})
    values.update(new)
    if len(values) != len(names):
        raise TypeError(f"{kind.__name__} has no field {', '.join(new.keys() - names.keys())}")
    return made


def _values(kind: type[Any], value: object, new: dict[str, Any]) -> list[Any]:
    """The values of all fields, in their order."""
    layout = _LAYOUTS.get(kind)
    if layout is None:
        names = [it.name for it in fields(kind)]
        layout = _LAYOUTS[kind] = {name: place for place, name in enumerate(names)}, attrgetter(*names)
    places, values_of = layout
    values = list(values_of(value))
    for name, it in new.items():
        if name not in places:
            raise TypeError(f"{kind.__name__} has no field {name}")
        values[places[name]] = it
    return values


_LAYOUTS: dict[type[Any], tuple[dict[str, int], Callable[[Any], Iterable[Any]]]] = {}
"""Where each field of a kind of value with slots stands, and how all are read."""


Makings: TypeAlias = Mapping[tuple[Any, Hashable], tuple[tuple[Any, ...], Any]]
"""What was made, with what it was made of, by the function that made it and what it was made for."""

NOTHING_KEPT: Makings = MappingProxyType({})


class Kept:
    """What is kept at one look; it grows no larger than what one look makes.

    Args:
        before: what the look before has made.
    """

    def __init__(self, before: Makings = NOTHING_KEPT) -> None:
        self._before = before
        self.makings: dict[tuple[Any, Hashable], tuple[tuple[Any, ...], Any]] = {}
        """Of this look, for the next one."""

    def of(self, name: Hashable, make: Callable[..., T], *given: Any) -> T:
        """What a function makes of some values, or what it made of the same ones at the look before.

        Args:
            name: what it is made for (a pool, a pod): one value is kept for each.
            make: a pure function that looks at nothing but these values, and always the same one.
            given: the values, none of which is ever changed in its place.
        """
        key = (make, name)
        last = self._before.get(key)
        if last is None or last[0] != given:
            last = (given, make(*given))
        self.makings[key] = last
        made: T = last[1]
        return made

    def same(self, name: Hashable, value: T) -> T:
        """The value, or the equal one of the look before: what was made of that need not be compared any further."""
        equal: T = self.of(name, _itself, value)
        return equal


def _itself(value: Any) -> Any:
    return value
