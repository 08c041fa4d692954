import os

import pytest

from tests.adversary import plan as plans
from tests.adversary.plan import FAMILIES
from tests.adversary.run import main, shown
from tests.adversary.world import play

HOURS = 0.13


@pytest.mark.parametrize("seed", range(20, 60))
def test_nothing_is_found(seed: int) -> None:
    scenario = plans.of_seed(seed, HOURS)
    world = play(scenario)
    assert not world.found, shown(scenario, world, tries=0)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_the_adversary_finds_nothing_in_fresh_seeds() -> None:
    hours, families = os.environ.get("HOURS", str(HOURS)), os.environ.get("FAMILIES", "")
    asked = ["--seeds", os.environ.get("SEEDS", "1000-1099"), "--hours", hours, "--families", families]
    assert main([*asked, "--processes", str(os.cpu_count() or 1), "--tries", "20"]) == 0


def test_every_family_draws_its_own_faults() -> None:
    for family, kinds in FAMILIES.items():
        assert {fault.kind for fault in plans.drawn(1, HOURS, [family])} <= set(kinds)
