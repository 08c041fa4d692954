"""Objects of beat as a cluster has them: made as the operator makes them, with what the API server adds."""

from typing import Any

from tests.support.resources import resource
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.manifests import beat_statefulset


def fleet_with_beat(spec: str = "maxWorkers: 9") -> Fleet:
    """The fleet of a resource, as its users write it, with these fields of the spec in YAML."""
    return effective_fleet(parse(resource(spec)).spec)


def beat_of(name: str, where: str = "env", *, app: str = "utilitarian") -> dict[str, Any]:
    """The StatefulSet of a resource's beat.

    Args:
        name: of the resource.
        where: the Secret with the URL of its broker.
        app: its application.
    """
    made = fleet_with_beat(f"{{app: {app}, broker: {{urlFrom: {{secretKeyRef: {{name: {where}, key: URL}}}}}}}}")
    manifest = beat_statefulset(Owner("ns", name, f"u-{name}"), made)
    manifest["metadata"]["resourceVersion"] = "1"
    return manifest


def pod_of(statefulset: dict[str, Any], **status: Any) -> dict[str, Any]:
    """The pod that a StatefulSet has, with this status."""
    labels = statefulset["metadata"]["labels"]
    metadata = {"namespace": "ns", "name": f"{statefulset['metadata']['name']}-0", "uid": "p", "labels": labels}
    spec = statefulset["spec"]["template"]["spec"]
    return {"metadata": metadata | {"resourceVersion": "1"}, "spec": spec, "status": status}
