"""Whether a running operator has applied all objects of the fleet of two pools and beat."""

from typing import Any

from tests.support.fleet import Fleet


def templates(fleet: Fleet) -> dict[str, tuple[int, bool]]:
    """Each Deployment's and StatefulSet's generation, and whether the operator has applied it."""
    found = [fleet.deployment("work"), fleet.deployment("other"), fleet.beat()]
    return {live["metadata"]["name"]: (live["metadata"]["generation"], _applied(live)) for live in found if live}


def _applied(live: dict[str, Any]) -> bool:
    entries = live["metadata"]["managedFields"]
    return any((it["manager"], it["operation"]) == ("utilitarian-operator", "Apply") for it in entries)


def settled(fleet: Fleet) -> bool:
    applied = [done for _, done in templates(fleet).values()]
    return len(applied) == 3 and all(applied)
