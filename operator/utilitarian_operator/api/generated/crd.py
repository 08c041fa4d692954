"""The CustomResourceDefinition, generated from the models; `python -m` with this module's name prints it."""

import sys
from typing import Any

import yaml

from utilitarian_operator.api.generated.openapi import structural_schema
from utilitarian_operator.api.resource import GROUP, KIND, PLURAL, VERSION, UtilitarianWorkerPool
from utilitarian_operator.api.status import FleetStatus

_HEADER = "# Generated from the models in operator/utilitarian_operator/api by `make crds`; edits here are lost.\n"


class _Plain(yaml.SafeDumper):
    """YAML without anchors: what is shared by accident in Python is no reference for its reader."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is the library's
        return True


def crd_yaml() -> str:
    """The CustomResourceDefinition as YAML, the same bytes each time."""
    return _HEADER + yaml.dump(definition(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)


def definition() -> dict[str, Any]:
    """The CustomResourceDefinition as an object."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "plural": PLURAL,
                "singular": KIND.lower(),
                "kind": KIND,
                "listKind": f"{KIND}List",
                "shortNames": ["uwp"],
                "categories": ["utilitarian"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _schema()},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _columns(),
                }
            ],
        },
    }


def _schema() -> dict[str, Any]:
    whole = structural_schema(UtilitarianWorkerPool, defaults=True)
    # Kubernetes has its own schema for these three; a rule at the root may look at metadata.name all the same.
    whole["properties"]["apiVersion"] = {"type": "string"}
    whole["properties"]["kind"] = {"type": "string"}
    whole["properties"]["metadata"] = {"type": "object"}
    whole["properties"]["status"] = structural_schema(FleetStatus, defaults=False)
    whole["required"] = ["spec"]
    return whole


def _columns() -> list[dict[str, Any]]:
    condition = '.status.conditions[?(@.type=="{}")].{}'
    narrow = [
        ("Ready", condition.format("Ready", "status"), "string"),
        ("Queues", ".status.queues", "string"),
        ("Active", ".status.activePools", "integer"),
        ("Workers", ".status.workers", "string"),
        ("Backlog", ".status.backlog", "integer"),
        ("Age", ".metadata.creationTimestamp", "date"),
    ]
    wide = [
        ("Mode", ".status.mode", "string"),
        ("Beat", condition.format("BeatReady", "status"), "string"),
        ("Broker", condition.format("BrokerReachable", "status"), "string"),
        ("Next-Run", ".status.nextRun", "string"),
        ("Message", condition.format("Ready", "message"), "string"),
    ]
    return [{"name": name, "jsonPath": path, "type": kind} for name, path, kind in narrow] + [
        {"name": name, "jsonPath": path, "type": kind, "priority": 1} for name, path, kind in wide
    ]


if __name__ == "__main__":
    sys.stdout.write(crd_yaml())
