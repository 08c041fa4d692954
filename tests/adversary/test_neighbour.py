import pytest

from tests.adversary.neighbour import FIRST_AT_S, is_of_neighbour
from tests.adversary.plan import Fault, Scenario
from tests.adversary.world import World, play

HOURS = 0.16
SILENT = Fault(30.0, "broker-away", 90.0)
STORM = tuple(Fault(40.0 + number, "edit-template", a=number / 100) for number in range(40))


@pytest.mark.parametrize("plan", [(), (SILENT,), STORM], ids=["well", "broker away", "edited each second"])
def test_a_second_fleet_wakes_in_time_whatever_is_done_to_the_first(plan: tuple[Fault, ...]) -> None:
    world = play(Scenario(20, HOURS, plan, pools=("fast",), neighbour=True))
    assert world.found == []
    assert world.neighbour is not None
    assert world.neighbour.rabbit.tasks
    assert all(it.ended == 1 for it in world.neighbour.rabbit.tasks)


def test_a_task_that_waits_too_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "serves", True)
    made = World(20, (), HOURS, neighbour=True)
    assert made.neighbour is not None
    made.neighbour.begin()
    live = {"metadata": {"name": "neighbour-calm"}, "spec": {"replicas": 0}}
    monkeypatch.setattr(made.server, "get", lambda *_: live)
    made.loop.run_until(lambda: made.found, FIRST_AT_S + 10.0, lambda: made.neighbour)
    assert [it.what for it in made.found] == ["slowed"]
    made.loop.close()


@pytest.mark.parametrize(
    "name, its", [("neighbour", True), ("neighbour-calm-1", True), ("neighbours", False), ("fleet-fast", False)]
)
def test_what_is_its_own(name: str, its: bool) -> None:
    assert is_of_neighbour(name) is its
