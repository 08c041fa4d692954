"""How much memory a value takes as the operator keeps it, and how much a spec may take."""

import json
import sys
from collections.abc import Iterator, Mapping
from functools import reduce
from operator import itemgetter
from typing import Any

from utilitarian_operator.api.problem import Problem, field_path

MOST_OF_A_SPEC = 4 * 2**20
"""Bytes of memory: a hundred pools with twenty variables each take half of it."""

TOO_LARGE = "utilitarian.io/too-large"
"""Field that an object has in memory where a part of it was too large to be kept: why, or the parts of a Problem."""

_LEVELS_NAMED, _PARTS_MEASURED = 6, 1_000
"""Of the path to what is largest: below that, a person finds it."""

_PARTS_COUNTED = 1_000
"""Values whose parts are counted to see at once that there are too many."""

_OF_A_FIELD, _OF_AN_ITEM = 92, 26
"""Bytes that the shortest field and the shortest item of a list take, the first item less."""


_SPARE_LEVELS = 300
"""Of those that Python can go through, about a thousand, the stack of its caller included."""

ENDLESS = sys.maxsize


def weight(value: object) -> int:
    """About how many bytes of memory a value of JSON takes, by its text: Python has no quick answer to that.

    One whose parts lie so deep within each other that Python could soon go through it no longer counts as endless: what
    works on it later may be called from deeper down, and ends with an error there.

    An empty object takes 64 bytes and an empty list 56, a field 40 more, a string 48 and its characters, a number 28.
    """
    try:
        text = _text(value)
        if text.count("{") + text.count("[") > _SPARE_LEVELS:  # with fewer parts nothing lies as deep
            _text(reduce(lambda it, _: [it], range(_SPARE_LEVELS), value))
    except RecursionError:
        return ENDLESS
    return (
        len(text)
        + 64 * text.count("{")
        + 56 * text.count("[")
        + 40 * text.count('":')
        + 24 * text.count('"')
        + 24 * text.count(",")
    )


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), default=str)


def weight_of_spec(spec: object) -> int:
    """The weight of a spec; of one that is far too large soon a lesser one, which is too large too."""
    bytes_, todo = 0, [spec]
    for _ in range(_PARTS_COUNTED):
        if not todo or bytes_ > MOST_OF_A_SPEC:
            break
        here = todo.pop()
        if isinstance(here, str):  # most are, and whether something is a mapping is a slow question
            continue
        if isinstance(here, Mapping):
            bytes_ += len(here) * _OF_A_FIELD
            todo += here.values()
        elif isinstance(here, list):
            bytes_ += (len(here) - 1) * _OF_AN_ITEM
            todo += here
    return bytes_ if bytes_ > MOST_OF_A_SPEC else weight(spec)


def too_large(spec: object, bytes_: int | None = None) -> Problem | None:
    """What is wrong with a spec that takes too much memory, at the field that has most of it; None if it doesn't.

    Args:
        spec: as it is written.
        bytes_: its weight, where that is known.
    """
    bytes_ = weight_of_spec(spec) if bytes_ is None else bytes_
    if bytes_ <= MOST_OF_A_SPEC:
        return None
    if bytes_ == ENDLESS:
        return Problem("spec", "", "has parts that lie too deep within each other; write fewer")
    remedy = (
        f"has most of a spec that takes more than {MOST_OF_A_SPEC // 2**20} MiB of the operator's memory: "
        "write less, or take it apart into several resources"
    )
    return Problem(field_path(("spec", *_largest(spec))), "", remedy)


def _largest(value: Any) -> Iterator[str | int]:
    """The way to the part that has most of a value, as long as it has more than half of what it lies in."""
    whole: int | None = None
    for _ in range(_LEVELS_NAMED):
        parts: list[tuple[str | int, Any]] = []
        if isinstance(value, Mapping | list) and len(value) <= _PARTS_MEASURED:
            parts = list(value.items() if isinstance(value, Mapping) else enumerate(value))
        if not parts:
            return
        whole = _length(value) if whole is None else whole
        name, part = parts[0]
        length = whole
        if len(parts) > 1:
            length, name, part = max(((_length(it), name, it) for name, it in parts), key=itemgetter(0))
        if 2 * length < whole:
            return
        yield name
        value, whole = part, length


def _length(value: object) -> int:
    return len(json.dumps(value, default=str))
