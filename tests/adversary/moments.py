"""Lets a fault wait for what it is to strike: the next mark, step down, start or new leader after its time has come."""

from collections import defaultdict
from typing import Any

from tests.adversary import faults
from tests.adversary.api_server import Object
from tests.adversary.neighbour import is_of_neighbour
from tests.adversary.plan import Fault

DRAINING = "utilitarian.io/draining"


class Moments:
    """The faults that wait.

    Args:
        world: they are for.
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        self._waiting: dict[str, list[Fault]] = defaultdict(list)
        self.name = ""
        """Of the object that the moment is about."""

    def come(self, fault: Fault) -> None:
        """The time of a fault has come."""
        if fault.when:
            self._waiting[fault.when].append(fault)
        else:
            faults.inject(self._world, fault)

    def happens(self, moment: str, name: str) -> None:
        """What waited for this is let loose; only of the fleet that is to be hurt."""
        if is_of_neighbour(name):
            return
        self.name = name
        for fault in self._waiting.pop(moment, ()):
            self._world.log(f"at a {moment} of {name}:")
            faults.inject(self._world, fault)

    def over(self) -> None:
        """No fault waits any more."""
        self._waiting.clear()

    def asked(self, method: str, path: str, body: Any) -> None:
        """A request of the operator is about to have its effect."""
        if not self._waiting or method not in {"PATCH", "POST"}:
            return
        plural, _, rest = path.partition("/ns/")[2].partition("/")
        name, _, sub = rest.partition("/")
        live = self._world.server.get(plural, name) if name else None
        moment = _moment(plural, sub, live, body)
        if moment:
            self.happens(moment, name)


def _moment(plural: str, sub: str, live: Object | None, body: Any) -> str:
    if plural == "leases":
        holder = (body.get("spec") or {}).get("holderIdentity")
        return "lease" if holder and holder != (live or {}).get("spec", {}).get("holderIdentity") else ""
    if sub == "scale" and live is not None:
        return "step-down" if body["spec"]["replicas"] < live["spec"].get("replicas", 1) else "step-up"
    if plural == "pods" and sub == "status":
        return "gate"
    if plural == "pods" and ((body.get("metadata") or {}).get("annotations") or {}).get(DRAINING):
        return "mark"
    if plural == "deployments" and live is not None and not sub:
        return "rollout" if body.get("spec", {}).get("template") != live["spec"]["template"] else ""
    return ""
