"""Of which namespaces objects are kept, and how much memory they take; where it is too much, one gives way."""

from collections import Counter, defaultdict, deque
from collections.abc import Container, Hashable
from dataclasses import dataclass, field
from typing import Protocol

from utilitarian_operator.api.objects import Object

MOST_DEPARTED = 100
"""Pods of one fleet that are kept after they are gone, until the next look."""


class Selection(Protocol):
    """The namespaces whose objects are kept."""

    def __contains__(self, namespace: object) -> bool:
        """Whether what is in a namespace is kept."""

    def takes(self, kind: str, body: Object, *, deleted: bool = False) -> bool:
        """Whether an object is kept, which is seen, or listed, or has just been deleted."""


class Everywhere:
    """All namespaces."""

    def __contains__(self, _: object) -> bool:
        """It is."""
        return True

    def takes(self, _kind: str, _body: Object, *, deleted: bool = False) -> bool:  # noqa: ARG002 - as it is called
        """It is."""
        return True


@dataclass
class Room:
    """What is kept of all namespaces.

    Args:
        most: bytes of all together; None for as much as there is.
        aside: the namespaces of which nothing is kept any more, and why.
    """

    most: int | None = None
    aside: dict[str, str] = field(default_factory=dict)
    _weights: dict[str, dict[Hashable, int]] = field(default_factory=lambda: defaultdict(dict))
    _totals: Counter[str] = field(default_factory=Counter)
    _total: int = 0

    @property
    def taken(self) -> int:
        """Bytes of all that is kept."""
        return self._total

    def take(self, namespace: str, what: Hashable, bytes_: int) -> str | None:
        """Count one object, instead of what had its name; returns the namespace that must give way, if one must."""
        if namespace in self.aside:
            return None
        self.give_back(namespace, what)
        self._weights[namespace][what] = bytes_
        self._totals[namespace] += bytes_
        self._total += bytes_
        if self.most is None or self._total <= self.most:
            return None
        heaviest = max(self._totals, key=lambda name: self._totals[name])
        mib, most = (count // 2**20 for count in (self._totals[heaviest], self.most))
        self.lay_aside(heaviest, f"its objects take {mib} MiB, the most of all namespaces, which together may {most}")
        return heaviest

    def weight_of(self, namespace: str, what: Hashable) -> int | None:
        """What an object was counted with."""
        return self._weights.get(namespace, {}).get(what)

    def give_back(self, namespace: str, what: Hashable) -> None:
        """Count an object no more."""
        if namespace in self._weights:
            bytes_ = self._weights[namespace].pop(what, 0)
            self._totals[namespace] -= bytes_
            self._total -= bytes_

    def lay_aside(self, namespace: str, why: str) -> None:
        """Keep nothing more of a namespace."""
        self._weights.pop(namespace, None)
        self._total -= self._totals.pop(namespace, 0)
        self.aside[namespace] = why


class Departed:
    """Pods that have gone, until the next look at their fleet: their end may be worth telling.

    A fleet is a namespace and a name.

    Args:
        room: what they take is counted there.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._pods: dict[tuple[str, str], deque[tuple[Object, int]]] = {}

    def add(self, fleet: tuple[str, str], pod: Object, bytes_: int) -> str | None:
        """Keep one that takes so many bytes; returns the namespace that must give way, if one must."""
        pods = self._pods.setdefault(fleet, deque(maxlen=MOST_DEPARTED))
        pods.append((pod, bytes_))
        return self._room.take(fleet[0], fleet, sum(it for _, it in pods))

    def take(self, fleet: tuple[str, str]) -> list[Object]:
        """Those of a fleet, which are kept no longer."""
        pods = self._pods.pop(fleet, ())
        self._room.give_back(fleet[0], fleet)
        return [it for it, _ in pods]

    def keep_only(self, fleets: Container[tuple[str, str]]) -> None:
        """Keep none of other fleets."""
        for fleet in [it for it in self._pods if it not in fleets]:
            self.take(fleet)

    def drop(self, namespace: str) -> None:
        """Keep none of a namespace."""
        for fleet in [it for it in self._pods if it[0] == namespace]:
            self.take(fleet)
