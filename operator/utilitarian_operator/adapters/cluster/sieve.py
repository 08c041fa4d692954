"""What is kept of one listing of all kinds, while it is read: a namespace that takes too much gives way at once."""

from collections import defaultdict
from collections.abc import Callable
from functools import partial

from utilitarian_operator.adapters.cluster.cache import Store, where
from utilitarian_operator.adapters.cluster.kept import is_too_large
from utilitarian_operator.adapters.cluster.room import Room
from utilitarian_operator.adapters.cluster.seam import Each
from utilitarian_operator.api.objects import Object


class Sieve:
    """The objects of a listing, by namespace and kind.

    Args:
        store: what is known: of that, the same object is kept where it is listed again.
        goes_on: called with each object.
    """

    def __init__(self, store: Store, goes_on: Callable[[], None]) -> None:
        self.room = Room(store.room.most)
        self._store, self._goes_on = store, goes_on
        self._found: dict[str, dict[str, list[Object]]] = defaultdict(lambda: defaultdict(list))

    def of(self, kind: str) -> Each:
        """Takes the objects of a kind, and gives none on."""
        return partial(self._take, kind)

    def found(self, kind: str) -> list[Object]:
        """All that is kept of a kind."""
        return [body for kinds in self._found.values() for body in kinds[kind]]

    def drop(self, namespace: str) -> None:
        """Keep nothing of a namespace."""
        self._found.pop(namespace, None)

    def _take(self, kind: str, body: Object) -> None:
        self._goes_on()
        place = where(kind, body)
        namespace = place[1]
        if namespace in self.room.aside or not self._store.chosen.takes(kind, body):
            return
        body, bytes_ = self._store.as_kept(kind, body)
        self._found[namespace][kind].append(body)
        why = is_too_large(kind, body)
        if why:
            self.room.lay_aside(namespace, why)
        self.room.take(namespace, place, bytes_)
        for aside in self.room.aside.keys() & self._found.keys():
            self.drop(aside)
