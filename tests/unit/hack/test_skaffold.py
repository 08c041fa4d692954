"""What `skaffold dev` is told: fields that its schema has (skaffold/v4beta11), and files that are there."""

from typing import Any

import yaml

from hack.places import ROOT

FIELDS = {
    "": {"apiVersion", "kind", "metadata", "build", "deploy", "portForward"},
    "build": {"artifacts", "tagPolicy", "local"},
    "build.artifacts": {"image", "custom"},
    "build.artifacts.custom": {"buildCommand", "dependencies"},
    "build.artifacts.custom.dependencies": {"paths", "ignore"},
    "deploy": {"helm"},
    "deploy.helm": {"releases"},
    "deploy.helm.releases": {"name", "chartPath", "namespace", "createNamespace", "wait", "setValueTemplates"},
    "portForward": {"resourceType", "resourceName", "namespace", "port", "localPort"},
}
"""The fields that are used, by where they stand; another one is looked up in the schema before it is added here."""

TOLD = yaml.safe_load((ROOT / "skaffold.yaml").read_text())


def at(path: str) -> list[dict[str, Any]]:
    """Every object at a place; lists are gone through."""
    found: list[Any] = [TOLD]
    for name in path.split(".") if path else ():
        parts = [it[name] for it in found]
        found = [one for it in parts for one in (it if isinstance(it, list) else [it])]
    return found


def test_no_field_is_misspelt() -> None:
    assert TOLD["apiVersion"] == "skaffold/v4beta11"
    strange = {(path, name) for path, known in FIELDS.items() for it in at(path) for name in it.keys() - known}
    assert strange == set()


def test_what_it_watches_and_installs_is_there() -> None:
    watched = [path for it in at("build.artifacts.custom.dependencies") for path in it["paths"]]
    charts = [it["chartPath"] for it in at("deploy.helm.releases")]
    assert [path for path in (*watched, *charts) if not (ROOT / path.removesuffix("/**")).exists()] == []


def test_the_chart_gets_the_image_that_is_built() -> None:
    (image, _) = (it["image"].replace("/", "_").replace("-", "_") for it in at("build.artifacts"))
    (values,) = (it["setValueTemplates"] for it in at("deploy.helm.releases"))
    assert set(values) == {"image.repository", "image.tag"}
    assert all(image in it for it in values.values())
