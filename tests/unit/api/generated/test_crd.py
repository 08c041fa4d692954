"""The generated CRD: its files agree with the models, and its schema keeps the promises that no example would show."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from utilitarian_operator.api.generated.crd import crd_yaml, definition

ROOT = Path(__file__).resolve().parents[4]
FILE = "utilitarianworkerpools.yaml"
VERSION = definition()["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], path + mark)


SPEC = list(nodes(SCHEMA["properties"]["spec"], "spec"))


@pytest.mark.parametrize("folder", ["crds", "charts/utilitarian-operator/files/crds"])
def test_the_file_is_what_the_models_say(folder: str) -> None:
    assert (ROOT / folder / FILE).read_text() == crd_yaml(), "run `make crds` and commit what it writes"


def test_the_yaml_is_the_definition() -> None:
    assert yaml.load(crd_yaml(), Loader=yaml.CSafeLoader) == definition()


def test_nothing_below_pools_or_defaults_has_a_default() -> None:
    below = ("spec.pools", "spec.defaults")
    assert [path for path, node in SPEC if path.startswith(below) and "default" in node] == []


def test_every_string_list_map_and_number_is_bounded() -> None:
    bounds = {"string": "maxLength", "array": "maxItems", "integer": "maximum"}
    unbounded = [
        path
        for path, node in SPEC
        if node.get("type") in bounds and bounds[node["type"]] not in node and "enum" not in node
    ]
    assert unbounded == []
    assert [path for path, node in SPEC if "additionalProperties" in node and "maxProperties" not in node] == []


def test_every_field_is_described() -> None:
    items = ("[]", "{}")
    assert [path for path, node in SPEC if not path.endswith(items) and "description" not in node] == [
        path for path, _ in SPEC if path.endswith(".name") and "volumes[]" in path
    ]


def test_every_list_says_how_it_merges() -> None:
    assert [path for path, node in SPEC if node.get("type") == "array" and "x-kubernetes-list-type" not in node] == []


def test_only_kubernetes_own_deep_shapes_and_a_value_or_its_reference_are_open() -> None:
    """A structural schema can't say "a text, or an object that names a key": the operator judges that."""
    is_open = {path.split(".pod.")[-1] for path, node in SPEC if "x-kubernetes-preserve-unknown-fields" in node}
    parts = {f"spec.broker.from.{it}" for it in ("host", "port", "username", "password", "vhost", "scheme")}
    assert is_open == parts | {
        "template",
        "affinity",
        "topologySpreadConstraints[]",
        "securityContext",
        "containerSecurityContext",
        "volumes[]",
    }


def test_the_narrow_columns_fit_a_terminal() -> None:
    names = [column["name"] for column in VERSION["additionalPrinterColumns"] if not column.get("priority")]
    assert names == ["Ready", "Queues", "Active", "Workers", "Backlog", "Age"]
