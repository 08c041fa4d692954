"""What the API server does by a structural schema: it takes unknown fields away, fills defaults in and refuses values.

Rules in CEL are not tried here: tests/controlplane/test_cel_rules.py tries them on the real one.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

Schema = Mapping[str, Any]
KEPT = "x-kubernetes-preserve-unknown-fields"
LIST_KEYS = "x-kubernetes-list-map-keys"
_KINDS: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
NOTHING: Any = object()
"""Stands for a value of which there was none before; equal to none."""


def admitted(schema: Schema, value: Any) -> Any:
    """The value without unknown fields and with defaults, as it would be stored."""
    if isinstance(value, list) and "items" in schema:
        return [admitted(schema["items"], item) for item in value]
    if not isinstance(value, dict):
        return value
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    found = {}
    for name, part in value.items():
        if name in known:
            if part is not None or known[name].get("nullable") or "default" not in known[name]:
                found[name] = admitted(known[name], part)
        elif isinstance(others, Mapping):
            found[name] = admitted(others, part)
        elif others or schema.get(KEPT):
            found[name] = part
    defaults = {name: part["default"] for name, part in known.items() if "default" in part and name not in found}
    return {**found, **defaults}


def unknown(schema: Schema, value: Any, at: str) -> Iterator[str]:
    """Paths of what `admitted` takes away."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from unknown(schema.get("items", {}), item, f"{at}[{number}]")
    elif isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, part in value.items():
            of = known.get(name, others if isinstance(others, Mapping) else None)
            if of is not None:
                yield from unknown(of, part, f"{at}.{name}")
            elif not (others or schema.get(KEPT)):
                yield f"{at}.{name}"


def refused(schema: Schema, value: Any, at: str, before: Any = NOTHING) -> Iterator[str]:
    """Why the API server would not store a value; what did not change since it was stored is let through.

    Args:
        schema: of the value.
        value: with nothing but known fields.
        at: its path.
        before: what stands in its place.
    """
    if value == before or (value is None and schema.get("nullable")):
        return
    if schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not isinstance(value, int | str):
            yield f"{at}: {value!r} is neither a whole number nor a text"
        return
    kinds = _KINDS.get(schema.get("type", ""))
    if kinds is not None and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
        yield f"{at}: {value!r} is no {schema['type']}"
    elif isinstance(value, str):
        yield from _refused_text(schema, value, at)
    elif isinstance(value, int | float):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            yield f"{at}: {value} is out of bounds"
    elif isinstance(value, list):
        yield from _refused_list(schema, value, at, before)
    elif isinstance(value, dict):
        yield from _refused_object(schema, value, at, before)


def _refused_text(schema: Schema, value: str, at: str) -> Iterator[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{at}: {len(value)} characters"
    if value not in schema.get("enum", (value,)):
        yield f"{at}: {value} is not one of them"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at}: {value} is not of the form {schema['pattern']}"
    if schema.get("format") == "date-time" and not _is_moment(value):
        yield f"{at}: {value} is no moment"


def _is_moment(text: str) -> bool:
    try:
        return _MOMENT.fullmatch(text) is not None and datetime.fromisoformat(text.upper()) is not None
    except ValueError:
        return False


def _refused_list(schema: Schema, value: list[Any], at: str, before: Any) -> Iterator[str]:
    if len(value) > schema.get("maxItems", len(value)):
        yield f"{at}: {len(value)} items"
    keys = schema.get(LIST_KEYS, ())
    known = {_key(keys, item): item for item in before} if keys and isinstance(before, list) else {}
    seen = set()
    for number, item in enumerate(value):
        key = _key(keys, item)
        if keys and key in seen:
            yield f"{at}[{number}]: there are two of {key}"
        seen.add(key)
        yield from refused(schema.get("items", {}), item, f"{at}[{number}]", known.get(key, NOTHING))


def _key(keys: Any, item: Any) -> str:
    return repr([item.get(key) if isinstance(item, Mapping) else item for key in keys])


def _refused_object(schema: Schema, value: dict[str, Any], at: str, before: Any) -> Iterator[str]:
    yield from (f"{at}.{name} is missing" for name in schema.get("required", ()) if name not in value)
    if len(value) > schema.get("maxProperties", len(value)):
        yield f"{at}: {len(value)} fields"
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    old = before if isinstance(before, Mapping) else {}
    for name, part in value.items():
        of = known.get(name, others if isinstance(others, Mapping) else None)
        if of is not None:
            yield from refused(of, part, f"{at}.{name}", old.get(name, NOTHING))
