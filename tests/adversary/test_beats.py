from collections.abc import Iterator

import pytest

from tests.adversary.beats import DOWN_FOR_S
from tests.adversary.world import World


@pytest.fixture
def world() -> Iterator[World]:
    """With a resource and nothing that moves."""
    made = World(20, (), 0.25)
    made.server.add("utilitarianworkerpools", {"metadata": {"name": made.name}, "spec": {"image": "utilitarian:1"}})
    yield made
    made.loop.close()


@pytest.mark.parametrize("beats", [1, 2])
def test_each_beat_that_runs_sends_what_is_due(world: World, beats: int) -> None:
    sent: list[int] = []
    world.kubelet.beats = {f"fleet-beat-{number}": "uid" for number in range(beats)}
    world.beat.due(lambda: sent.append(1))
    world.beat.began("uid")
    assert sent == [1] * beats


def test_of_what_no_beat_sent_the_last_is_sent_once(world: World) -> None:
    sent: list[int] = []
    for entry in (1, 2):
        world.beat.due(lambda entry=entry: sent.append(entry))  # type: ignore[misc]
    for _ in range(2):
        world.beat.began("uid")
    assert sent == [2]


@pytest.mark.parametrize("full, found", [(False, ["no-beat"]), (True, [])], ids=["it could run", "no node has room"])
def test_a_beat_that_is_away_for_long_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, full: bool, found: list[str]
) -> None:
    monkeypatch.setattr(World, "sees", True)
    world.full = full
    for _ in range(2):
        world.beat.look()
        world.loop.now += DOWN_FOR_S + 1
    world.beat.look()
    assert [it.what for it in world.found] == found
