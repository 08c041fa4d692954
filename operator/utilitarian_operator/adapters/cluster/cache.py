"""What the watches last said of the objects of every fleet, in memory."""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.labels import INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER

FLEETS = "utilitarianworkerpools"
DEPLOYMENTS = "deployments"
STATEFUL_SETS = "statefulsets"
DISRUPTION_BUDGETS = "poddisruptionbudgets"
PODS = "pods"

CHILD_SELECTOR = f"{MANAGED_BY_LABEL}={MANAGER}"
"""Label selector of everything that the operator makes; asked of the API server, so that nothing else is sent."""


MOST_DEPARTED = 100
"""Pods of one fleet that are kept after they are gone, until the next look: their end may be worth telling."""

MOST_DELETED = 10_000
"""Names of which it is kept that an object went: a list or an answer that is on its way is younger than so many."""


class Key(NamedTuple):
    """One resource: a fleet."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """`NAMESPACE/NAME`, as Kubernetes' tools print it."""
        return f"{self.namespace}/{self.name}"


Where: TypeAlias = tuple[str, str, str]
"""Of one object: kind, namespace and name."""


@dataclass
class Store:
    """Objects by kind, fleet and name.

    A watch may miss deletions (kopf's relist after 410 makes none): `replace` is called with a full list now and then.
    What comes out of its order counts for what it is: kopf tells of two objects that had one name, one after the other,
    in any order, and a list or an answer may be on its way while the watch tells that an object of it is gone.
    """

    _objects: dict[str, dict[Key, dict[str, Object]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )

    _departed: dict[Key, deque[Object]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=MOST_DEPARTED))
    )

    _answers: dict[tuple[str, Key], set[str]] = field(default_factory=lambda: defaultdict(set))
    """Names of the objects whose newest version is the answer to a write, which the watch has yet to tell."""

    _whose: dict[Where, Key] = field(default_factory=dict)
    """With which fleet each object is kept."""

    _deleted: dict[Where, int] = field(default_factory=dict)
    """At which version the last object that went was gone."""

    fleets_changed: int = 0
    """How often a resource came, went or was about to go, or another one had its name."""

    def see(self, kind: str, body: Object, *, deleted: bool = False) -> Key | None:
        """Remember one object as a watch or a list showed it; returns the fleet it belongs to, if any.

        Of two versions the newer stays: an answer to a write may overtake the watch.
        """
        key, where = fleet_of(kind, body), _at(kind, body)
        known = self._known(where)
        if deleted:
            self._remember_deleted(where, version(body))
            if known is not None and not _is_successor(known, body):
                self._drop(where)
            if kind == PODS and key is not None and self.fleet(key) is not None:
                self._departed[key].append(body)
        elif not self.has_gone(kind, body) and (known is None or version(body) >= version(known)):
            self._count_change(kind, known, body)
            self._take(where, key, body)
        return key

    def _count_change(self, kind: str, known: Object | None, body: Object) -> None:
        if kind == FLEETS and (known is None or _life(known) != _life(body)):
            self.fleets_changed += 1

    def _take(self, where: Where, key: Key | None, body: Object) -> None:
        if self._whose.get(where) != key:  # its label names another fleet than before
            self._drop(where)
        if key is None:
            self._remember_deleted(where, version(body))
            return
        kind, _, name = where
        there = self._objects[kind][key]
        there[name] = _same(there.get(name), body)
        self._answers[kind, key].discard(name)
        self._whose[where] = key

    def _known(self, where: Where) -> Object | None:
        kind, _, name = where
        key = self._whose.get(where)
        return None if key is None else self._objects[kind][key].get(name)

    def _drop(self, where: Where) -> None:
        kind, _, name = where
        key = self._whose.pop(where, None)
        if key is not None:
            self._objects[kind][key].pop(name, None)
            self._answers[kind, key].discard(name)
            self.fleets_changed += kind == FLEETS

    def _remember_deleted(self, where: Where, at: int) -> None:
        self._deleted[where] = max(at, self._deleted.pop(where, 0))
        if len(self._deleted) > MOST_DELETED:
            del self._deleted[next(iter(self._deleted))]

    def has_gone(self, kind: str, body: Object) -> bool:
        """Whether it was told that this object is gone since it was as it is here."""
        return version(body) <= self._deleted.get(_at(kind, body), -1)

    def answered(self, kind: str, body: Object) -> None:
        """Remember the answer to a write, so that the next look doesn't wait for the watch to tell it.

        An object that went meanwhile is not brought back by it.
        """
        key = fleet_of(kind, body)
        if key is None:
            return
        name, known = body["metadata"]["name"], self._objects[kind][key]
        if name in known and version(body) > version(known[name]):
            self._count_change(kind, known[name], body)
            known[name] = body
            self._answers[kind, key].add(name)

    def knows(self, kind: str, body: Object) -> bool:
        """Whether what a watch shows is nothing new: an echo of a write whose answer was taken for seen, or older.

        The echo of a write that was only `answered` is new: from here on the watch has it, too.
        """
        key, name = fleet_of(kind, body), body["metadata"]["name"]
        known = None if key is None else self._objects[kind][key].get(name)
        if key is None or known is None:
            return False
        behind = version(body) - version(known)
        return behind < 0 or (not behind and name not in self._answers[kind, key])

    def watch_has(self, kind: str, key: Key, name: str) -> bool:
        """Whether the watch has shown the newest version that is known of an object, or a later one."""
        return name not in self._answers[kind, key]

    def replace(self, kind: str, bodies: Iterable[Object], at: int) -> set[Key]:
        """Forget all of one kind but these, and what is newer than the list; returns the fleets of both.

        Args:
            kind: of the objects.
            bodies: a full list.
            at: resourceVersion of the list.
        """
        before, answers = (
            self._objects[kind],
            {key: set(names) for (of, key), names in self._answers.items() if of == kind},
        )
        newer = [body for known in before.values() for body in known.values() if version(body) > at]
        vanished = {_at(kind, body) for known in before.values() for body in known.values() if version(body) <= at}
        self.fleets_changed += kind == FLEETS
        self._objects[kind] = defaultdict(dict)
        self._whose = {where: key for where, key in self._whose.items() if where[0] != kind}
        for key in answers:
            self._answers[kind, key].clear()
        for body in bodies:
            vanished.discard(_at(kind, body))
            whose = fleet_of(kind, body)
            known = before[whose].get(body["metadata"]["name"]) if whose in before else None
            self.see(kind, _same(known, body))
        for where in sorted(vanished):
            self._remember_deleted(where, at)
        for body in newer:
            fleet, name = self.see(kind, body), body["metadata"]["name"]
            if fleet is not None and self._objects[kind][fleet].get(name) is body and name in answers.get(fleet, ()):
                self._answers[kind, fleet].add(name)
        return set(before) | set(self._objects[kind])

    def newest(self, kind: str) -> int:
        """The latest version that was seen of any object of one kind, also of one that has gone."""
        there = (version(body) for known in self._objects[kind].values() for body in known.values())
        return max(*there, *(at for (of, _, _), at in self._deleted.items() if of == kind), 0, 0)

    def objects_in(self, kind: str, namespaces: Collection[str]) -> list[Object]:
        """All objects of one kind in some namespaces."""
        known = self._objects[kind].items()
        return [body for key, objects in known if key.namespace in namespaces for body in objects.values()]

    def fleets(self) -> list[Key]:
        """All resources seen, those being deleted included."""
        return [key for key, objects in self._objects[FLEETS].items() if objects]

    def edited(self, resource: Object) -> bool:
        """Whether what a resource asks for was changed since it was seen: its spec or an annotation."""
        metadata = resource["metadata"]
        known = self.fleet(Key(metadata["namespace"], metadata["name"]))
        before = known["metadata"] if known else {}
        return any(metadata.get(field) != before.get(field) for field in ("generation", "annotations"))

    def fleet(self, key: Key) -> Object | None:
        """The resource itself."""
        return self._objects[FLEETS][key].get(key.name)

    def has_left(self, resource: Object) -> bool:
        """Whether a resource went since it was as it is here, or is about to, or another one has its name."""
        metadata = resource["metadata"]
        newest = self.fleet(Key(metadata["namespace"], metadata["name"]))
        seen = {} if newest is None else newest["metadata"]
        another = newest is not None and seen.get("uid") != metadata.get("uid")
        return another or "deletionTimestamp" in seen or self.has_gone(FLEETS, resource)

    def all_pods(self, key: Key) -> list[Object]:
        """The fleet's pods, with those that went since this was asked last, as they were at their end."""
        return [*self.children(PODS, key).values(), *self._departed.pop(key, ())]

    def neighbours(self, key: Key) -> dict[str, Key]:
        """The fleet of each pod of all the others, by the pod's name."""
        return {name: other for other, pods in self._objects[PODS].items() if other != key for name in pods}

    def owners(self, kind: str) -> list[Key]:
        """The fleets that have objects of one kind, also those whose resource is gone."""
        return [key for key, objects in self._objects[kind].items() if objects]

    def children(self, kind: str, key: Key) -> dict[str, Object]:
        """The fleet's objects of one kind, by name."""
        return dict(self._objects[kind][key])


def fleet_of(kind: str, body: Object) -> Key | None:
    """The fleet that an object belongs to, by its labels."""
    metadata = body["metadata"]
    if kind == FLEETS:
        return Key(metadata["namespace"], metadata["name"])
    instance = (metadata.get("labels") or {}).get(INSTANCE_LABEL)
    return Key(metadata["namespace"], instance) if instance else None


def _same(known: Object | None, body: Object) -> Object:
    """An object as it is kept: the one that is known where it is told again, so that nothing looks new by that."""
    return known if known is not None and known == body else body


def _life(body: Object) -> tuple[object, bool]:
    """Which object of its name it is, and whether it is about to go."""
    return body["metadata"].get("uid"), "deletionTimestamp" in body["metadata"]


def _at(kind: str, body: Object) -> Where:
    return kind, body["metadata"]["namespace"], body["metadata"]["name"]


def _is_successor(body: Object, gone: Object) -> bool:
    """Whether an object was made after another one of its name had gone."""
    return body["metadata"].get("uid") != gone["metadata"].get("uid") and version(body) > version(gone)


def version(body: Object) -> int:
    """The object's resourceVersion as a number, to tell the newer of two (official from 1.35, so with etcd always)."""
    return int(body["metadata"].get("resourceVersion", 0))
