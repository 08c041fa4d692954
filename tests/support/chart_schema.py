"""Makes the schema of the chart's values from values.yaml: defaults, comments and `@schema` lines.

`python -m` writes it. Every value and section has a comment. A line `# @schema {…}` above a value holds what its
default can't say: JSON schema as YAML, or a name of SHAPES. A section, which is a mapping without such a line, takes no
other name than those written.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.support.chart import CHART
from utilitarian_operator.adapters.traces import ENDPOINT_PATTERN
from utilitarian_operator.api.price import CURRENCY_PATTERN, PRICE_PATTERN

SCHEMA = CHART / "values.schema.json"
_KEY = re.compile(r"^(?P<indent> *)(?P<name>\w+):")
_COMMENT = re.compile(r"^ *# (?P<text>.*)$")
_MARK = "@schema "

_NAME = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_QUANTITIES = {
    "type": "object",
    "additionalProperties": {
        "type": ["string", "number"],
        "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$",
    },
}
_ALLOWED = {
    "type": "array",
    "uniqueItems": True,
    "items": {
        "enum": [
            "privileged",
            "hostPath",
            "hostNetwork",
            "hostPID",
            "hostIPC",
            "hostPort",
            "hostProcess",
            "hostProbe",
            "capabilities",
            "appArmor",
            "seLinux",
            "seccomp",
            "procMount",
            "sysctls",
            "serviceAccountName",
        ]
    },
}
SHAPES: Mapping[str, dict[str, Any]] = {
    "object": {"type": "object"},
    "objects": {"type": "array", "items": {"type": "object"}},
    "texts": {"type": "object", "additionalProperties": {"type": "string"}},
    "price": {"type": "string", "pattern": f"^$|{PRICE_PATTERN}"},
    "currency": {"type": "string", "pattern": CURRENCY_PATTERN},
    "endpoint": {"type": "string", "pattern": f"^$|{ENDPOINT_PATTERN}"},
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "tick": {"type": "string", "pattern": r"^([1-9][0-9]{2,3}ms|([1-9]|[12][0-9])(\.[0-9]+)?s|30s)$"},
    "duration": {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"},
    # An object of Kubernetes, or empty.
    "name": {"type": "string", "pattern": rf"^({_NAME}(\.{_NAME})*)?$", "maxLength": 253},
    # A part of the name of a Service, or empty.
    "label": {"type": "string", "pattern": rf"^({_NAME})?$", "maxLength": 63},
    "namespaces": {
        "type": "array",
        "uniqueItems": True,
        "items": {"type": "string", "pattern": f"^{_NAME}$", "maxLength": 63},
    },
    "secrets": {
        "type": "array",
        "uniqueItems": True,
        "items": {"type": "string", "pattern": rf"^{_NAME}(\.{_NAME})*$", "maxLength": 253},
    },
    "pullSecrets": {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {"name": {"type": "string", "pattern": rf"^{_NAME}(\.{_NAME})*$", "maxLength": 253}},
        },
    },
    "variables": {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {
                "name": {
                    "type": "string",
                    "pattern": "^[A-Za-z_][A-Za-z0-9_.-]*$",
                    "not": {"pattern": "^(CELERY_BROKER_URL|POD_NAME|UTILITARIAN_OPERATOR_.*)$"},
                },
                "value": {"type": "string"},
                "valueFrom": {"type": "object"},
            },
        },
    },
    "allowed": _ALLOWED,
    "allowedByNamespace": {
        "type": "object",
        "propertyNames": {"pattern": f"^{_NAME}$", "maxLength": 63},
        "additionalProperties": _ALLOWED,
    },
    "resources": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "requests": _QUANTITIES,
            "limits": _QUANTITIES,
            "claims": {"type": "array", "items": {"type": "object"}},
        },
    },
}
_TYPES = {bool: "boolean", int: "integer", str: "string"}


def schema() -> str:
    """The schema as it should be, in JSON."""
    text = (CHART / "values.yaml").read_text()
    said = _said(text)
    head = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the utilitarian-operator chart",
        "description": "Everything that can be set; an unknown name is refused.",
    }
    return json.dumps(head | _section(yaml.safe_load(text), "", said), indent=2, ensure_ascii=False) + "\n"


def _said(text: str) -> dict[str, tuple[str, str]]:
    """Comment and `@schema` line of every value and section, by path."""
    said, path, words, mark = dict[str, tuple[str, str]](), list[str](), list[str](), ""
    for line in text.splitlines():
        if comment := _COMMENT.match(line):
            if comment["text"].startswith(_MARK):
                mark = comment["text"].removeprefix(_MARK)
            else:
                words.append(comment["text"].removeprefix("-- "))
            continue
        if key := _KEY.match(line):
            path = [*path[: len(key["indent"]) // 2], key["name"]]
            said[".".join(path)] = " ".join(words), mark
        words, mark = [], ""
    return said


def _section(values: Mapping[str, Any], at: str, said: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    inner = {name: _value(value, f"{at}{name}", said) for name, value in values.items()}
    return {"type": "object", "additionalProperties": False, "properties": inner}


def _value(value: Any, path: str, said: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    words, mark = said[path]
    found: dict[str, Any] = SHAPES[mark] if mark in SHAPES else yaml.safe_load(mark or "{}")
    described: dict[str, Any] = {"description": words}
    if isinstance(value, dict) and not found:
        return described | _section(value, f"{path}.", said)
    if type(value) in _TYPES and "enum" not in found:
        described["type"] = _TYPES[type(value)]
    return described | found


if __name__ == "__main__":
    SCHEMA.write_text(schema())
