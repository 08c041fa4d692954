"""Renders the chart with the real helm and hands out the objects; it applies nothing."""

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hack.tools import program
from utilitarian_operator.api.objects import Object

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/utilitarian-operator"
RELEASE = "uo"
NAMESPACE = "utilitarian-system"

WITHOUT_COLLECTION = {"GOGC": "off"}
"""For a program in Go that lives for a moment: a third of its time went into the collection of garbage."""


class _Strict(yaml.CSafeLoader):
    """YAML without doubled keys, of which PyYAML would silently take the last and the API server the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT002 - PyYAML's
        keys = [self.construct_object(key) for key, _ in node.value]
        doubled = {key for key in keys if keys.count(key) > 1}
        if doubled:
            raise ChartRefusedError(f"{sorted(doubled)} stands twice{node.start_mark}")
        return super().construct_mapping(node, deep)


class ChartRefusedError(AssertionError):
    """Helm refused the values; the message is what it said."""


def render(
    values: Mapping[str, Any] | None = None,
    *,
    kube_version: str = "1.34.4",
    release: str = RELEASE,
    namespace: str = NAMESPACE,
) -> list[Object]:
    """The objects that a release would apply.

    Args:
        values: over the chart's own, nested as in a values file.
        kube_version: what the cluster would say it is.
        release: its name.
        namespace: where it lives.

    Raises:
        ChartRefusedError: the values or the version are not accepted, or what comes out is not YAML.
    """
    options = ("--kube-version", kube_version, "--values", "-")
    text = helm("template", release, str(CHART), *options, values=values, namespace=namespace)
    documents = (json.loads(_as_json(document)) for document in text.split("\n---\n"))
    return [document for document in documents if document]


@cache
def _as_json(document: str) -> str:
    """A YAML document as JSON; most are the same in each release, and the definition is long."""
    return json.dumps(yaml.load(document, Loader=_Strict))  # noqa: S506 - a safe one


def helm(*arguments: str, values: Mapping[str, Any] | None = None, namespace: str = NAMESPACE) -> str:
    """What `helm ARGUMENTS` prints, in a namespace; `values` go to its stdin as a values file.

    Raises:
        ChartRefusedError: it failed.
    """
    done = subprocess.run(
        [program("helm"), "--namespace", namespace, *arguments],
        input=json.dumps(values or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | WITHOUT_COLLECTION,
    )
    if done.returncode != 0:
        raise ChartRefusedError(done.stderr.strip())
    return done.stdout


def one(objects: list[Object], kind: str, name: str = "") -> Object:
    """The one object of this kind (and name, if given).

    Raises:
        AssertionError: there is none, or more than one.
    """
    found = [it for it in objects if it["kind"] == kind and name in ("", it["metadata"]["name"])]
    assert len(found) == 1, f"expected one {kind} {name}, the chart makes {[_title(it) for it in objects]}"
    return found[0]


def kinds(objects: list[Object]) -> list[str]:
    """The kinds of the objects, sorted."""
    return sorted(it["kind"] for it in objects)


def _title(it: Object) -> str:
    return f"{it['kind']} {it['metadata'].get('namespace', '-')}/{it['metadata']['name']}"
