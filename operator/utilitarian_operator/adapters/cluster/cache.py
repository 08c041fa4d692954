"""What the watches last said of the objects of every fleet, in memory."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, TypeAlias

from utilitarian_operator.adapters.cluster import kept as keeping
from utilitarian_operator.adapters.cluster.kept import cut, fitting, is_small, is_too_large, metadata_of_a_fleet
from utilitarian_operator.adapters.cluster.room import Departed, Everywhere, Room, Selection
from utilitarian_operator.adapters.cluster.versions import is_successor, life, version
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.validation.size import weight
from utilitarian_operator.core.labels import INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER
from utilitarian_operator.core.objects.shared_parts import sharing

FLEETS, PODS = keeping.FLEETS, keeping.PODS
DEPLOYMENTS = "deployments"
STATEFUL_SETS = "statefulsets"
DISRUPTION_BUDGETS = "poddisruptionbudgets"

CHILD_SELECTOR = f"{MANAGED_BY_LABEL}={MANAGER}"
"""Label selector of everything that the operator makes; asked of the API server, so that nothing else is sent."""

OTHERS_SELECTOR = f"{MANAGED_BY_LABEL}!={MANAGER}"
"""Label selector of all that it does not make: of a thousand pools it makes as many of a kind, and has them already."""

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

    Args:
        room: how much memory all of it may take, and which namespaces had to give way: nothing is kept of those.
        chosen: the namespaces of which anything is kept.
    """

    room: Room = field(default_factory=Room)
    chosen: Selection = field(default_factory=Everywhere)

    _objects: dict[str, dict[Key, dict[str, Object]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )

    _answers: dict[tuple[str, Key], set[str]] = field(default_factory=lambda: defaultdict(set))
    """Names of the objects whose newest version is the answer to a write, which the watch has yet to tell."""

    _whose: dict[Where, Key] = field(default_factory=dict)
    """With which fleet each object is kept."""

    _weighed: dict[Where, Object] = field(default_factory=dict)
    """Each object as it was when it was counted."""

    _deleted: dict[Where, int] = field(default_factory=dict)
    """At which version the last object that went was gone."""

    fleets_changed: int = 0
    """How often a resource came, went or was about to go, or another one had its name."""

    doubted: Callable[[], object] = lambda: None
    """Called where an answer is older than what was seen before its write: the API server may have an earlier state."""

    changes: Counter[str] = field(default_factory=Counter)
    """How often what is kept of each kind has changed: what is worked out of all of it may be kept until it does."""

    @cached_property
    def _departed(self) -> Departed:
        return Departed(self.room)

    def see(self, kind: str, body: Object, *, deleted: bool = False) -> Key | None:
        """Remember one object as a watch or a list showed it; returns the fleet it belongs to, if any.

        Of two versions the newer stays: an answer to a write may overtake the watch.
        """
        place = where(kind, body)
        return self._see(place, *self._kept_of(place, body, self._known(place)), deleted=deleted)

    def _see(self, place: Where, body: Object, bytes_: int, *, deleted: bool = False) -> Key | None:
        """The same of an object as it is kept, and what it takes."""
        kind, namespace, _ = place
        key, known = fleet_of(kind, body), self._known(place)
        if namespace in self.room.aside or not self.chosen.takes(kind, body, deleted=deleted):
            return None
        if deleted:
            self._remember_deleted(place, version(body))
            if known is not None and not is_successor(known, body):
                self._drop(place)
            if kind == PODS and key is not None and self.fleet(key) is not None and is_small(body):
                self._give_way(self._departed.add(key, body, bytes_))
        elif not self.has_gone(kind, body) and (known is None or version(body) >= version(known)):
            self._count_change(kind, known, body)
            self._take(place, key, body, bytes_)
        return key

    def as_kept(self, kind: str, body: Object) -> tuple[Object, int]:
        """An object of a list as it is kept, and what it takes: the one that is known where it is told again.

        A resource is compared: another CRD may show it otherwise at the same version.
        """
        place = where(kind, body)
        known = self._known(place)
        if kind == FLEETS:
            return self._kept_of(place, body, known)
        if known is None or version(known) != version(body) or place[2] in self._answers[kind, self._whose[place]]:
            return fitting(kind, cut(kind, body))
        return known, self._weight_of(place, known)

    def _kept_of(self, place: Where, body: Object, known: Object | None) -> tuple[Object, int]:
        """The same of any object; what is told again, as each write is, is compared and not weighed."""
        if self._weighed.get(place) is body:
            return body, self._weight_of(place, body)
        there = body if body is known else cut(place[0], body)
        if known is not None and there == known:
            return known, self._weight_of(place, known)
        return fitting(place[0], there)

    def _count_change(self, kind: str, known: Object | None, body: Object) -> None:
        if kind == FLEETS and (known is None or life(known) != life(body)):
            self.fleets_changed += 1

    def _take(self, place: Where, key: Key | None, body: Object, bytes_: int) -> None:
        if self._whose.get(place) != key:  # its label names another fleet than before
            self._drop(place)
        if key is None:
            self._remember_deleted(place, version(body))
            return
        kind, _, name = place
        there = self._objects[kind][key]
        there[name] = sharing(body, there.get(name) or next(iter(there.values()), None))
        self.changes[kind] += 1
        self._answers[kind, key].discard(name)
        self._whose[place] = key
        self._weigh(place, there[name], bytes_)

    def _weigh(self, place: Where, body: Object, bytes_: int) -> None:
        """Count what an object takes; the namespace that takes most gives way, or one where a child is too large."""
        kind, namespace, _ = place
        if self._weighed.get(place) is body:
            return
        self._weighed[place] = body
        why = is_too_large(kind, body)
        if why:
            self.lay_aside(namespace, why)
            return
        self._give_way(self.room.take(namespace, place, bytes_))

    def _give_way(self, heaviest: str | None) -> None:
        if heaviest is not None:
            self.lay_aside(heaviest, self.room.aside[heaviest])

    def _weigh_no_more(self, place: Where) -> None:
        self.room.give_back(place[1], place)
        self._weighed.pop(place, None)

    def _weight_of(self, place: Where, body: Object) -> int:
        """How much memory an object takes; of one that is known it is not found out again."""
        known = self.room.weight_of(place[1], place) if self._weighed.get(place) is body else None
        return weight(body) if known is None else known

    def lay_only_aside(self, namespaces: Mapping[str, str]) -> None:
        """Keep nothing more of these namespaces, each with why, and take back the others."""
        for name in self.room.aside.keys() - namespaces.keys():
            del self.room.aside[name]
        for name in namespaces.keys() - self.room.aside.keys():
            self.lay_aside(name, namespaces[name])

    def lay_aside(self, namespace: str, why: str) -> None:
        """Keep nothing more of a namespace, until it is taken back."""
        self.room.lay_aside(namespace, why)
        self.drop(namespace)

    def drop(self, namespace: str) -> None:
        """Know nothing of a namespace; what comes of it from now on is taken."""
        for place in [it for it in self._whose if it[1] == namespace]:
            self._drop(place)
        for place in [it for it in self._weighed if it[1] == namespace]:
            del self._weighed[place]
        for kind in self._objects:
            for key in [it for it in self._objects[kind] if it.namespace == namespace]:
                del self._objects[kind][key]
        self._departed.drop(namespace)

    def _known(self, place: Where) -> Object | None:
        kind, _, name = place
        key = self._whose.get(place)
        return None if key is None else self._objects[kind][key].get(name)

    def _drop(self, place: Where) -> None:
        kind, _, name = place
        key = self._whose.pop(place, None)
        self._weigh_no_more(place)
        if key is not None:
            self._objects[kind][key].pop(name, None)
            self.changes[kind] += 1
            self._answers[kind, key].discard(name)
            if kind == FLEETS:
                self.fleets_changed += 1
                self._departed.take(key)

    def _remember_deleted(self, place: Where, at: int) -> None:
        self._deleted[place] = max(at, self._deleted.pop(place, 0))
        if len(self._deleted) > MOST_DELETED:
            del self._deleted[next(iter(self._deleted))]

    def has_gone(self, kind: str, body: Object) -> bool:
        """Whether it was told that this object is gone since it was as it is here."""
        return version(body) <= self._deleted.get(where(kind, body), -1)

    def answered(self, kind: str, body: Object, *, seen: int) -> None:
        """Remember the answer to a write, so that the next look doesn't wait for the watch to tell it.

        An object that went meanwhile is not brought back by it. That it is older than what is known by now says
        nothing: the watch may have told first what others wrote after it.

        Args:
            kind: of the object.
            body: the answer.
            seen: the object's version, as it was known before the write was sent.
        """
        key = fleet_of(kind, body)
        if key is None:
            return
        name, known = body["metadata"]["name"], self._objects[kind][key]
        if version(body) < seen:
            self.doubted()
        if name in known and version(body) > version(known[name]):
            self._count_change(kind, known[name], body)
            known[name], bytes_ = fitting(kind, cut(kind, body))
            self.changes[kind] += 1
            self._answers[kind, key].add(name)
            self._weigh(where(kind, body), known[name], bytes_)

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

    def replace(
        self,
        kind: str,
        bodies: Iterable[Object],
        at: int,
        weight_of: Callable[[str, Where], int | None] = lambda *_: None,
    ) -> set[Key]:
        """Forget all of one kind but these, and what is newer than the list; returns the fleets of both.

        Args:
            kind: of the objects.
            bodies: a full list.
            at: resourceVersion of the list.
            weight_of: what one of them takes, by its namespace and its place, where it is known as it is kept.
        """
        before, answers = (
            self._objects[kind],
            {key: set(names) for (of, key), names in self._answers.items() if of == kind},
        )
        newer = [body for known in before.values() for body in known.values() if version(body) > at]
        vanished = {where(kind, body) for known in before.values() for body in known.values() if version(body) <= at}
        self.fleets_changed += kind == FLEETS
        self.changes[kind] += 1
        self._objects[kind] = defaultdict(dict)
        self._whose = {place: key for place, key in self._whose.items() if place[0] != kind}
        for key in answers:
            self._answers[kind, key].clear()
        for body in bodies:
            place = where(kind, body)
            vanished.discard(place)
            whose = fleet_of(kind, body)
            known = before[whose].get(body["metadata"]["name"]) if whose in before else None
            it, bytes_ = _same(known, body), weight_of(place[1], place)
            self._see(place, *(self._kept_of(place, it, None) if bytes_ is None else (it, bytes_)))
        for place in sorted(vanished):
            self._remember_deleted(place, at)
        for body in newer:
            fleet, name = self.see(kind, body), body["metadata"]["name"]
            if fleet is not None and self._objects[kind][fleet].get(name) == body and name in answers.get(fleet, ()):
                self._answers[kind, fleet].add(name)
        for place in [it for it in self._weighed if it[0] == kind and it not in self._whose]:
            self._weigh_no_more(place)
        if kind == FLEETS:
            self._departed.keep_only(self.fleets())
        return set(before) | set(self._objects[kind])

    def replace_in(self, namespace: str, kind: str, bodies: Iterable[Object], at: int) -> None:
        """The same for one namespace alone, of which not all was seen."""
        there = {where(kind, body): body for body in self.objects_in(kind, {namespace})}
        for body in bodies:
            there.pop(where(kind, body), None)
            self.see(kind, body)
        for place in [it for it, body in there.items() if version(body) <= at]:
            self._drop(place)
            self._remember_deleted(place, at)

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
        metadata = metadata_of_a_fleet(resource["metadata"])
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
        return [*self.children(PODS, key).values(), *self._departed.take(key)]

    def neighbours(self, key: Key) -> dict[str, Key]:
        """The fleet of each pod of all the others, by the pod's name."""
        return {name: other for other, pods in self._objects[PODS].items() if other != key for name in pods}

    def owners(self, kind: str) -> list[Key]:
        """The fleets that have objects of one kind, also those whose resource is gone."""
        return [key for key, objects in self._objects[kind].items() if objects]

    def child(self, kind: str, key: Key, name: str) -> Object | None:
        """One object of a fleet."""
        return self._objects[kind][key].get(name)

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


def where(kind: str, body: Object) -> Where:
    """Kind, namespace and name of an object."""
    return kind, body["metadata"]["namespace"], body["metadata"]["name"]
