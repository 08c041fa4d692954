"""The namespaces that an operator works on where they are chosen by their labels, so that several share a cluster."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypeAlias

from utilitarian_operator.adapters.cluster.cache import FLEETS
from utilitarian_operator.adapters.cluster.versions import version
from utilitarian_operator.api.objects import Object

NAMESPACES = "namespaces"

Choice: TypeAlias = tuple[str, int]
"""A namespace, and its turn when it was chosen."""


@dataclass
class Chosen:
    """The namespaces whose objects are kept.

    One that is chosen no more is kept until it is released: a look that goes on there must not lose what it looks at.

    Args:
        selector: of the labels of namespaces, as `kubectl get -l` takes it.
        unlisted: those that were chosen since the last list: of them only what the watches tell since then is known.
        elsewhere: those that were seen to have fleets and are not chosen.
        turns: how often each came to be kept, or was released: what was found out before the last time holds no more.
    """

    selector: str
    unlisted: set[str] = field(default_factory=set)
    elsewhere: set[str] = field(default_factory=set)
    turns: Counter[str] = field(default_factory=Counter)
    _wanted: set[str] = field(default_factory=set)
    _kept: set[str] = field(default_factory=set)
    _told: dict[str, int] = field(default_factory=dict)
    """The version of what the watch last told of a namespace."""

    def __contains__(self, namespace: object) -> bool:
        """Whether what is in a namespace is kept."""
        return namespace in self._kept

    def takes(self, kind: str, body: Object, *, deleted: bool = False) -> bool:
        """Whether an object is kept; where it is not, a fleet is noted as one that another operator should have."""
        namespace = body["metadata"]["namespace"]
        if namespace not in self._kept and kind == FLEETS and not deleted:
            self.elsewhere.add(namespace)
        return namespace in self._kept

    def wants(self, namespace: str) -> bool:
        """Whether a namespace is chosen now."""
        return namespace in self._wanted

    @property
    def leaving(self) -> set[str]:
        """Those that are chosen no more and are kept still."""
        return self._kept - self._wanted

    @property
    def unlisted_since(self) -> set[Choice]:
        """Those that are unlisted, each with its turn."""
        return {(name, self.turns[name]) for name in self.unlisted}

    def listed(self, those: Collection[Choice]) -> None:
        """All is known of some that were unlisted, unless they were released and chosen anew since."""
        self.unlisted = {name for name, _ in self.unlisted_since.difference(those)}

    def release(self, namespace: str) -> None:
        """Keep a namespace no more; its fleets may be another operator's."""
        if namespace in self._kept:
            self.turns[namespace] += 1
            self._kept.discard(namespace)
            self.unlisted.discard(namespace)
            self.elsewhere.add(namespace)

    def see(self, body: Object, *, deleted: bool) -> None:
        """Take what the watch tells of a namespace: with a selector, one that loses its label is told as deleted."""
        name, at = body["metadata"]["name"], version(body)
        if at >= self._told.get(name, -1):
            self._told[name] = at
            self._choose(name, chosen=not deleted)

    def replace(self, names: Collection[str], at: int) -> None:
        """Take a full list of the namespaces that are chosen.

        Args:
            names: of them.
            at: version of the list; what the watch told later holds.
        """
        self._told = {name: told for name, told in self._told.items() if told > at}
        for name in {*names, *self._wanted} - self._told.keys():
            self._choose(name, chosen=name in names)

    def _choose(self, name: str, *, chosen: bool) -> None:
        if not chosen:
            self._wanted.discard(name)
            return
        self._wanted.add(name)
        if name not in self._kept:
            self._kept.add(name)
            self.turns[name] += 1
            self.unlisted.add(name)
            self.elsewhere.discard(name)
