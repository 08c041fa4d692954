"""Modelled watches tell what kopf's tell before a real API server: tests/controlplane plays the same cases on those."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.adversary.crd import PLURAL
from tests.adversary.process import Watches
from tests.adversary.world import World
from tests.support.watch_contract import Told, WatchContract
from utilitarian_operator.api.objects import Object

SOON_S = 30.0


class Model:
    """The API server of a world in which nothing else moves, and the watches of its operator."""

    def __init__(self) -> None:
        self.world = World(1, (), 0.25)
        self._told: list[Told] = []
        self._watches = Watches(self.world, self.world.process, self._see)

    def _see(self, plural: str, kind: str | None, body: Object) -> None:
        if plural in {PLURAL, ""}:
            self._told.append((kind, body["metadata"]["name"] if body else ""))

    def make(self, name: str) -> None:
        self.world.server.add(PLURAL, {"metadata": {"name": name}, "spec": {}})

    def remove(self, name: str) -> None:
        self.world.server.remove(PLURAL, name)

    def told(self) -> Sequence[Told]:
        return self._told

    def forget(self) -> None:
        self._told.clear()

    @contextmanager
    def gone(self) -> Iterator[None]:
        self._watches.broken.add(PLURAL)
        yield
        self._watches.relist(PLURAL)

    def wait(self, condition: Callable[[], object]) -> None:
        self.world.loop.run_until(condition, SOON_S, lambda: self._told)


class TestModelledWatches(WatchContract):
    @pytest.fixture
    def scene(self) -> Iterator[Model]:
        model = Model()
        yield model
        model.world.loop.close()
