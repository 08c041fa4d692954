"""Nothing of what people do to a fleet in good order fires an alert, by what the operator itself shows meanwhile."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.adversary import people
from tests.adversary.plan import Fault
from tests.adversary.scraped import Scraped, rule_test
from tests.support.chart import CHART
from tests.support.prometheus import promtool

RULES = CHART / "files/alerts.yaml"
WORK = [
    Fault(400, "edit-template", a=0.5),
    Fault(500, "kill"),
    Fault(620, "tasks-for-later", lasts=40, a=0.5, b=0.5),
    Fault(910, "pause", lasts=150, a=0.1),
    Fault(1210, "tasks-for-much-later", lasts=40, a=0.5, b=0.5),
    Fault(1510, "pause", lasts=200, a=0.9),
]
"""A rollout, a restart of the operator, tasks with an ETA, a pause, and a preview."""
REMOVED, REMOVED_AT_S = "slow", 1900
"""A pool that is taken out of the resource, and when."""


@pytest.fixture(autouse=True)
def _garbage_afterwards() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def played(seed: int, hours: float, plan: list[Fault]) -> Scraped:
    """A world that has come to its end, from which a pool is taken if there is the time."""
    world = Scraped(seed, plan, hours)
    if world.length > REMOVED_AT_S + 600:
        world.loop.call_later(REMOVED_AT_S, people.edit, world, _without_one)
    world.play()
    assert [it for it in world.found if REMOVED not in it.detail] == []  # tasks of a pool that is gone wait for ever
    return world


def _without_one(spec: Any) -> None:
    spec["pools"] = [it for it in spec["pools"] if it["name"] != REMOVED]


@pytest.mark.thorough
def test_a_new_fleet_with_a_rollout_and_a_restart_fires_nothing(tmp_path: Path) -> None:
    """Its pools wait until they are due (`wake: WhenDue`), and one has a run each five minutes."""
    assert silent(played(4, 0.17, WORK[:1]), tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [4, 9, 20])
def test_alerts_stay_silent_while_people_work(seed: int, tmp_path: Path) -> None:
    assert silent(played(seed, 1.0, WORK), tmp_path)


def silent(world: Scraped, folder: Path) -> bool:
    """Whether no alert fired."""
    return "SUCCESS" in promtool("test", "rules", rule_test(world.series, RULES, folder / "alerts.yaml"))
