import random
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tests.support.controlplane import REPOSITORY
from tests.support.random_edits import BEAT, FLEET, POOL, edited, first
from utilitarian_operator.api.validation.resource_rules import accept

CRD = REPOSITORY / "crds" / "utilitarianworkerpools.yaml"
EDITED_OTHERWISE = {
    "pools[].name": "pools are renamed",
    "pools[].queues": "queues come, and go from one pool to another",
    "volumes": "with its mounts",
    "volumeMounts": "with their volumes",
}
LEFT = {
    "broker": "another broker is another fleet",
    "serviceAccountName": "who installs the operator must allow it",
    "scaling.stabilization": "a walk would wait for it",
    "scaling.idleAfter": "a walk would wait for it",
}


def fields(schema: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """The paths of all fields that have no fields of their own that are known."""
    below = schema.get("properties") or schema.get("items", {}).get("properties")
    if not below:
        yield at
        return
    step = f"{at}[]" if "items" in schema else at
    for name, its in below.items():
        yield from fields(its, f"{step}.{name}" if step else name)


def test_every_field_of_the_resource_is_edited_or_left_for_a_reason() -> None:
    (version,) = yaml.safe_load(CRD.read_text())["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    menu = [*FLEET, *(f"pools[].{it}" for it in POOL), *(f"beat.{it}" for it in BEAT)]

    def known(path: str) -> bool:
        others = {**EDITED_OTHERWISE, **LEFT}
        whole = any(path == it or path.startswith((f"{it}.", f"{it}[")) for it in menu)
        return whole or any(path == it or f".{it}" in f".{path}" for it in others)

    assert [path for path in fields(spec) if not known(path)] == []


def test_each_step_is_valid_and_the_same_seed_goes_the_same_way() -> None:
    ways = []
    for _ in range(2):
        dice, body, way = random.Random(5), first("fleet", "secret", "key"), []  # noqa: S311 - no secret
        for _ in range(60):
            said, body = edited(dice, body)
            accept(body)
            way.append(said)
        ways.append(way)
    assert ways[0] == ways[1]
    assert len(set(ways[0])) > 30


def test_no_step_asks_for_pods_that_the_standard_it_names_does_not_let_in() -> None:
    """The API server takes such a spec; the operator keeps the one before, so a walk would compare two specs."""
    dice, body = random.Random(13), first("fleet", "secret", "key")  # noqa: S311 - no secret
    body["spec"]["podSecurity"] = "Restricted"
    sidecar = {"spec": {"containers": [{"name": "mesh", "image": "mesh:1"}]}}
    for _ in range(60):
        _, body = edited(dice, body)
        asks = body["spec"].get("podSecurity") == "Restricted"
        places = [body["spec"].get("pod", {}), *(it.get("pod", {}) for it in body["spec"]["pools"])]
        sidecars = [name for it in places for name in _others(it.get("template") or {})]
        assert not (asks and sidecars), body
    accept(body | {"spec": {**body["spec"], "pod": {"template": sidecar}}})


def _others(template: dict[str, Any]) -> list[str]:
    """Names of the containers that are not the operator's own."""
    spec = template.get("spec", {})
    every = [*spec.get("containers", []), *spec.get("initContainers", [])]
    return [it["name"] for it in every if it["name"] != "worker"]
