"""The objects of every example as YAML, as they were last agreed on; compares nothing and asks no cluster."""

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from tests.support.yaml_text import load_all
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.resource import KIND
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.manifests import fleet_objects

ROOT = Path(__file__).resolve().parents[2]
CHANGELOG = ROOT / "CHANGELOG.md"
GOLDEN = Path(__file__).parent
TEMPLATES = GOLDEN / "released-templates.txt"
"""The hashes of the pod templates as the last release makes them."""

UID = "00000000-0000-0000-0000-000000000000"
"""Of a resource that doesn't exist, so that the files hold nothing by chance."""


def examples() -> dict[str, dict[str, Any]]:
    """The resource of each example that holds one, by the file's name without its ending."""
    found = {}
    for path in [*sorted((ROOT / "examples").glob("*.yaml")), *sorted((ROOT / "examples/fleets").glob("*.yaml"))]:
        for document in load_all(path.read_text()):
            if document and document.get("kind") == KIND:
                found[path.stem] = document
    return found


def golden_file(example: str) -> Path:
    """Where the objects of an example are."""
    return GOLDEN / f"{example}.yaml"


def objects(resource: dict[str, Any], namespace: str = "metering") -> list[dict[str, Any]]:
    """The objects that a resource is made of in a namespace."""
    fleet = effective_fleet(accept(resource).spec)
    return fleet_objects(Owner(namespace, resource["metadata"]["name"], UID), fleet)


def template_hashes() -> str:
    """One line a pod template of an example: whose it is, and a hash: another one makes all its pods anew."""
    lines = []
    for example, resource in examples().items():
        for made in objects(resource):
            if "template" in made["spec"]:
                text = json.dumps(made["spec"]["template"], sort_keys=True)
                digest = hashlib.sha256(text.encode()).hexdigest()[:16]
                lines.append(f"{example} {made['kind']} {made['metadata']['name']} {digest}\n")
    return "".join(lines)


def as_yaml(manifests: list[dict[str, Any]]) -> str:
    """Manifests as a reader likes them: one document each, keys in the order in which they were made, no aliases."""
    return yaml.dump_all(manifests, Dumper=_Plain, sort_keys=False, width=120, explicit_start=True)


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        del data
        return True
