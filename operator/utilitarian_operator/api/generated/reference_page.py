"""The reference of the resource as Markdown; `python -m` with this module's name prints it."""

import sys
from collections.abc import Iterator
from typing import Any

from utilitarian_operator.api.generated.openapi import structural_schema
from utilitarian_operator.api.kubernetes import PodSpec
from utilitarian_operator.api.resource import KIND, UtilitarianWorkerPoolSpec
from utilitarian_operator.api.status import FleetStatus

_INTRODUCTION = f"""# {KIND}: every field

Generated from the models (`python -m utilitarian_operator.api.generated.reference_page`); the same text stands behind
`kubectl explain uwp.spec`.
How the layers of a pool merge, and which pools a fleet has without `pools`, is in [pools.md](pools.md).

- **Durations** are written as Go writes them: `500ms`, `90s`, `10m`, `1h30m`. A bare number is refused.
- **Quantities** are Kubernetes' own: `200m` of CPU, `512Mi` of memory.
- **Defaults** have the same `worker`, `scaling` and `pod` as a pool.
- **Pods** have the same fields wherever they stand; they are listed once, under [Pod](#pod).
"""

_PLAIN = ("defaults", "env", "envFrom", "resources", "pod", "urlFrom", "caFrom", "certFrom", "keyFrom")
"""Fields whose parts are Kubernetes' own, or stand in a section of their own: one line is enough."""


def reference() -> str:
    """The whole page."""
    spec = structural_schema(UtilitarianWorkerPoolSpec, defaults=True)
    sections = (("Spec", spec, "spec"), ("Pod", structural_schema(PodSpec, defaults=True), "pod"))
    status = structural_schema(FleetStatus, defaults=False)
    pages = [_INTRODUCTION, *(_section(title, schema, path) for title, schema, path in sections)]
    return "\n".join([*pages, _section("Status", status, "status")])


def _section(title: str, schema: dict[str, Any], path: str) -> str:
    rows = "\n".join(_rows(schema, path))
    return f"## {title}\n\n{schema['description']}\n\n| Field | Type | Meaning |\n| --- | --- | --- |\n{rows}\n"


def _rows(schema: dict[str, Any], path: str) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        required = " **Required.**" if name in schema.get("required", ()) else ""
        default = f" Default: `{field['default']}`." if isinstance(field.get("default"), str) else ""
        meaning = field.get("description", "").replace("|", "\\|")
        yield f"| `{here}` | {_kind(field)} | {meaning}{default}{required} |"
        if name not in _PLAIN:
            yield from _rows(field.get("items", field), here + ("[]" if field.get("type") == "array" else ""))


def _kind(field: dict[str, Any]) -> str:
    """The type of a field with its bounds, as short as it stays clear."""
    if "enum" in field:
        return " or ".join(f"`{choice}`" for choice in field["enum"])
    if field.get("type") == "array":
        most = field.get("maxItems")
        return f"list of {_kind(field['items'])}" + (f", at most {most}" if most else "")
    if field.get("type") == "integer" and "maximum" in field:
        return f"{field.get('minimum', 0)} to {field['maximum']}"
    if "additionalProperties" in field:
        return "map"
    if "type" not in field and "x-kubernetes-preserve-unknown-fields" in field:
        return "value, or secretKeyRef or configMapKeyRef"
    return str(field.get("type", "integer or string"))


if __name__ == "__main__":
    sys.stdout.write(reference())
