"""The state at the end of a world, and the one that the same spec comes to where nothing ever went wrong."""

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.adversary.api_server import Object, is_ready, leaving
from tests.adversary.neighbour import is_of_neighbour

KINDS = ("deployments", "statefulsets", "poddisruptionbudgets", "persistentvolumeclaims")
OF_A_POOL = ("name", "replicas", "ready", "desired", "draining", "backlog", "unacked", "busy", "deferred", "reason")
BEGINS_AT_S, ENDS_AT_S = 150.0, 225.0
"""Of a world in which nothing happens: long after a scheduled run began, and before the next one is prepared.

Its operator has begun by then, and its pools come to rest within half a minute."""
LONGEST = 100


def state(world: Any) -> dict[str, Any]:
    """What two worlds that were asked for the same must have in common at their ends, by where it stands."""
    objects, status = world.server.objects, world.status
    asked = [(kind, name, it) for kind in KINDS for name, it in objects[kind].items() if not is_of_neighbour(name)]
    found = {f"{kind}/{name}": _as_asked(body) for kind, name, body in asked}
    there = [it for name, it in objects["pods"].items() if not is_of_neighbour(name)]
    pods = Counter(_owner(it) for it in there if is_ready(it) and not leaving(it))
    others = [_owner(it) for it in there if not is_ready(it) or leaving(it)]
    told = {f"status of {it['name']}": {key: it.get(key) for key in OF_A_POOL} for it in status.get("pools", ())}
    conditions = {it["type"]: (it["status"], it["reason"]) for it in status.get("conditions", ())}
    return {**found, "ready pods": dict(pods), "other pods": others, **told, "conditions": conditions}


def differences(here: Any, there: Any, path: str = "") -> Iterator[str]:
    """What is otherwise here than there, each with its path."""
    if isinstance(here, dict) and isinstance(there, dict):
        for key in sorted(here.keys() | there.keys()):
            yield from differences(here.get(key), there.get(key), f"{path}.{key}" if path else key)
    elif here != there:
        yield f"{path} is {str(here)[:LONGEST]}, undisturbed {str(there)[:LONGEST]}"


def resource_of(world: Any) -> Object:
    """The same resource, as it would be applied anew."""
    live = world.server.objects["utilitarianworkerpools"][world.name]
    metadata = {"name": world.name, "annotations": {}, "uid": live["metadata"]["uid"]}
    return {"metadata": metadata, "spec": copy.deepcopy(live["spec"]), "status": {}}


def _as_asked(body: Object) -> Object:
    metadata, spec = body["metadata"], body.get("spec", {})
    owners = [(it["kind"], it["name"]) for it in metadata.get("ownerReferences", ())]
    return {"labels": metadata.get("labels"), "annotations": metadata.get("annotations"), "owners": owners, **spec}


def _owner(pod: Object) -> str:
    labels = pod["metadata"]["labels"]
    return str(labels.get("utilitarian.io/pool", "beat"))
