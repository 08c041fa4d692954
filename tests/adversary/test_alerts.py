"""Nothing of what people do to a fleet in good order fires an alert, by what the operator itself shows meanwhile."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    Fault(1510, "pause", lasts=200, a=0.9),
]
"""A rollout, a restart of the operator, tasks with an ETA, a pause, and a preview."""


@pytest.fixture(autouse=True)
def _garbage_afterwards() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def played(seed: int, hours: float, plan: list[Fault]) -> Scraped:
    """A world that has come to its end."""
    world = Scraped(seed, plan, hours)
    world.play()
    assert world.found == []
    return world


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
