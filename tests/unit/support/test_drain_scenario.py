"""The scenarios of the drain's proof: what a seed gives, and that nothing is left out."""

from collections import Counter

import pytest

from tests.support.drain_scenario import CHANGES, SCENARIO_POOLS, draw, times


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("tasks", [40, 2000])
def test_every_task_and_every_change_is_in_it(seed: int, tasks: int) -> None:
    kinds = times(CHANGES)
    phases = draw(seed, tasks=tasks, pools=SCENARIO_POOLS, kinds=kinds)
    assert len(phases) == 20
    assert Counter(phase.kind for phase in phases) == Counter(kinds)
    assert sum(len(lot.seconds) for phase in phases for lot in phase.lots) == tasks
    assert all(0 < each <= 15 for phase in phases for lot in phase.lots for each in lot.seconds)
    assert {phase.pool for phase in phases} == set(SCENARIO_POOLS)


def test_a_seed_gives_the_same_again_and_another_one_something_else() -> None:
    one, again, other = (draw(seed, tasks=500, pools=SCENARIO_POOLS, kinds=times(CHANGES)) for seed in (1, 1, 2))
    assert one == again != other
