"""Cuts a world down to what a breach needs: leaves out and shortens what is in it while the same kind of breach stays.

Each world ends at the breach, and what would have gone wrong after it is left out without being played.
"""

from collections.abc import Iterator
from dataclasses import replace

from tests.adversary import shapes
from tests.adversary.plan import Fault, Scenario
from tests.adversary.world import play

SHORTEST_S = 1.0


def shrunk(scenario: Scenario, what: str, tries: int = 40) -> Scenario:
    """The same world with a smaller plan, and less that is otherwise, and a breach of the same kind.

    Args:
        scenario: that has the breach.
        what: kind of the breach.
        tries: worlds to play at most.
    """
    best, changed = scenario, True
    while changed:
        changed = False
        for smaller in _smaller(best):
            if tries <= 0:
                return best
            tries -= 1
            found = next((it for it in play(smaller, what).found if it.what == what), None)
            if found is not None:
                best = replace(smaller, plan=tuple(fault for fault in smaller.plan if fault.at <= found.at))
                changed = True
                break
    return best


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    for plan in _plans(scenario.plan):
        yield replace(scenario, plan=plan)
    for shape in shapes.smaller(scenario.shape):
        yield replace(scenario, shape=shape)


def _plans(plan: tuple[Fault, ...]) -> Iterator[tuple[Fault, ...]]:
    if len(plan) > 3:
        half = len(plan) // 2
        yield plan[:half]
        yield plan[half:]
    for index in range(len(plan)):
        yield plan[:index] + plan[index + 1 :]
    for index, fault in enumerate(plan):
        if fault.lasts > 2 * SHORTEST_S:
            yield (*plan[:index], replace(fault, lasts=round(fault.lasts / 2, 2)), *plan[index + 1 :])
