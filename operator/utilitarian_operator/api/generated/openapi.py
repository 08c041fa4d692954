"""Turns a pydantic model into the structural OpenAPI v3 schema that Kubernetes demands."""

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_DROPPED = ("title", "additionalProperties", "$defs")


def structural_schema(model: type[BaseModel], *, defaults: bool) -> Schema:
    """The schema of a model: references inlined, `null` alternatives gone, every object closed by its fields.

    Args:
        model: its descriptions become those that `kubectl explain` shows.
        defaults: keep the defaults that the models have (optional fields without one have none).
    """
    written = model.model_json_schema(by_alias=True)
    return _inlined(written, written.get("$defs", {}), defaults=defaults)


def _inlined(node: Schema, definitions: Schema, *, defaults: bool) -> Schema:
    node = _resolved(node, definitions)
    result = {key: value for key, value in node.items() if key not in _DROPPED}
    if "default" in result:
        default = _without_nulls(result.pop("default"))
        if defaults and default is not None:
            result["default"] = default
    if "properties" in node:
        result["properties"] = {
            name: _inlined(child, definitions, defaults=defaults) for name, child in node["properties"].items()
        }
    if "items" in node:
        result["items"] = _inlined(node["items"], definitions, defaults=defaults)
    if isinstance(node.get("additionalProperties"), dict):
        result["additionalProperties"] = _inlined(node["additionalProperties"], definitions, defaults=defaults)
    return _bounded_keys(result)


def _resolved(node: Schema, definitions: Schema) -> Schema:
    """Follow a reference and take the one alternative beside `null`; what stands here goes over what stands there."""
    here = {key: value for key, value in node.items() if key not in {"$ref", "anyOf"}}
    if "$ref" in node:
        return {**_resolved(definitions[node["$ref"].rsplit("/", 1)[1]], definitions), **here}
    if "anyOf" in node and "x-kubernetes-int-or-string" not in node:
        others = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
        if len(others) != 1:
            raise ValueError(f"a field may have one type only, not {others}")
        return {**_resolved(others[0], definitions), **here}
    return dict(node)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: child for key, child in value.items() if child is not None}
    return value


def _bounded_keys(node: Schema) -> Schema:
    """Kubernetes knows no `propertyNames`: rules on a map have to look at its keys."""
    node.pop("propertyNames", None)
    if "const" in node:
        node["enum"] = [node.pop("const")]
    return node
