"""The garbage collector: what an object that is deleted owned goes too, in the background and a moment later.

So does what is made with an owner that is gone by then.
"""

from typing import Any

from tests.adversary.people import RESOURCES

OF_A_RESOURCE = ("deployments", "statefulsets", "poddisruptionbudgets", "controllerrevisions")
WITH_PODS = ("deployments", "statefulsets")


def collect(world: Any, plural: str, owner: str) -> None:
    """What the object with this uid owned: of a resource its objects, of a Deployment or a StatefulSet its pods."""
    if plural in WITH_PODS:
        for pod in list(world.server.objects["pods"].values()):
            metadata = pod["metadata"]
            if metadata["ownerReferences"][0]["uid"].partition("/")[0] == owner:
                end = world.kubelet.delete, metadata["name"], metadata["uid"], "garbage collector"
                world.loop.call_later(world.rng.uniform(0.1, 1.0), *end)
        return
    for kind in OF_A_RESOURCE:
        for body in world.server.objects[kind].values():
            if any(it["uid"] == owner for it in body["metadata"].get("ownerReferences") or ()):
                _later(world, kind, body)


def made(world: Any, plural: str, body: Any) -> None:
    """An object was made: its owner may have been deleted while it was asked for."""
    owners = body["metadata"].get("ownerReferences") or () if plural in OF_A_RESOURCE else ()
    there = {it["metadata"]["uid"] for it in world.server.objects[RESOURCES].values()}
    if any(it["kind"] == "UtilitarianWorkerPool" and it["uid"] not in there for it in owners):
        _later(world, plural, body)


def _later(world: Any, plural: str, body: Any) -> None:
    metadata = body["metadata"]
    world.loop.call_later(world.rng.uniform(0.1, 1.0), _remove, world, plural, metadata["name"], metadata["uid"])


def _remove(world: Any, plural: str, name: str, uid: str) -> None:
    """Unless another one of its name was made meanwhile."""
    live = world.server.get(plural, name)
    if live is not None and live["metadata"]["uid"] == uid:
        world.remove(plural, name)
