"""That a namespace gives way is told once, by an event, the log and a note."""

import itertools
import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from utilitarian_operator.adapters.cluster.cache import FLEETS
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.adapters.cluster.room import Room
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.errors import ClusterError
from utilitarian_operator.reconcile.aside import TRIES, Aside, room_in

SENTENCE = (
    "the fleets of namespace hostile are left alone: too much; delete what is not needed there, or give the operator "
    "more memory (resources.limits.memory)"
)


class World:
    """What is recorded."""

    def __init__(self) -> None:
        self.room, self.cluster, self.events = Room(10), FakeCluster(), list[tuple[str, Reason, str]]()
        self.recorded: Iterator[bool] = itertools.repeat(object=True)
        self.failures, self.shown = list[str](), list[tuple[int, int | None]]()
        self.aside = Aside(self.room, self.cluster, self.record, self)

    def failed(self, error: Exception) -> None:
        self.failures.append(f"{type(error).__name__} {error}")

    def keeps(self, bytes_: int, most: int | None) -> None:
        self.shown.append((bytes_, most))

    async def record(self, fleet: Object, reason: Reason, note: str) -> bool:
        self.events.append((fleet["metadata"]["name"], reason, note))
        return next(self.recorded)

    async def make_fleet(self, name: str) -> None:
        kind = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool"}
        await self.cluster.create({**kind, "metadata": {"name": name, "namespace": "hostile"}, "spec": {}})


async def test_one_of_its_fleets_is_told() -> None:
    world = World()
    for name in ("f", "g"):
        await world.make_fleet(name)
    await world.aside.look()
    assert (world.aside.notes(), world.events) == ([], [])
    world.room.lay_aside("hostile", "too much")
    for _ in range(3):
        await world.aside.look()
    assert world.failures == ["NamespaceTooLarge hostile"] * 3
    assert world.events == [("f", Reason.NAMESPACE_TOO_LARGE, SENTENCE)]
    assert world.aside.notes() == [SENTENCE]


async def test_it_is_told_again_where_it_gives_way_again(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    with caplog.at_level(logging.INFO):
        for aside in (True, False, True):
            world.room.aside.clear()
            world.room.aside.update({"hostile": "too much"} if aside else {})
            await world.aside.look()
    left, again = (
        "the fleets of a namespace are left alone: it takes too much memory",
        "the fleets of a namespace are looked at again",
    )
    assert [it.message for it in caplog.records if it.name.endswith("aside")] == [left, again, left]


async def test_an_event_that_can_not_be_recorded_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: Any, **__: Any) -> None:
        raise ClusterError("no answer")

    world = World()
    monkeypatch.setattr(world.cluster, "items", partial(fails, FLEETS))
    world.room.lay_aside("hostile", "too much")
    await world.aside.look()
    assert (world.events, world.aside.notes()) == ([], [SENTENCE])


async def test_an_event_that_could_not_be_recorded_is_tried_again() -> None:
    """As after a start: the namespace gives way in the first list, before its Lease is held."""
    world = World()
    await world.make_fleet("f")
    world.recorded = itertools.chain([False, False, True], itertools.repeat(object=False))
    for tries in (3, TRIES):
        world.events.clear()
        world.room.lay_aside("hostile", "too much")
        for _ in range(2 * TRIES):
            await world.aside.look()
        assert world.events == [("f", Reason.NAMESPACE_TOO_LARGE, SENTENCE)] * tries
        world.room.aside.clear()
        await world.aside.look()


async def test_it_shows_how_full_the_room_is() -> None:
    world = World()
    for bytes_ in (4, 6, 1):
        world.room.take("metering", "pod", bytes_)
        await world.aside.look()
    world.room.take("hostile", "pod", 10)
    await world.aside.look()
    assert world.shown == [(4, 10), (6, 10), (1, 10), (1, 10)], "of what is laid aside nothing is kept"


@pytest.mark.parametrize("memory,most", [(None, None), (512 * 2**20, 128 * 2**20)])
def test_the_room_is_a_part_of_the_memory(memory: int | None, most: int | None) -> None:
    assert room_in(memory).most == most
