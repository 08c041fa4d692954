"""Cuts a plan down to what a breach needs: leaves faults out and shortens them while the same kind of breach stays.

Each world ends at the breach, and what would have gone wrong after it is left out without being played.
"""

from collections.abc import Iterator
from dataclasses import replace

from tests.adversary.plan import Fault, Scenario
from tests.adversary.world import play

SHORTEST_S = 1.0


def shrunk(scenario: Scenario, what: str, tries: int = 40) -> tuple[Fault, ...]:
    """A smaller plan of the same world with a breach of the same kind.

    Args:
        scenario: that has the breach.
        what: kind of the breach.
        tries: worlds to play at most.
    """
    best, changed = scenario.plan, True
    while changed:
        changed = False
        for smaller in _smaller(best):
            if tries <= 0:
                return best
            tries -= 1
            found = next((it for it in play(replace(scenario, plan=smaller), what).found if it.what == what), None)
            if found is not None:
                best, changed = tuple(fault for fault in smaller if fault.at <= found.at), True
                break
    return best


def _smaller(plan: tuple[Fault, ...]) -> Iterator[tuple[Fault, ...]]:
    if len(plan) > 3:
        half = len(plan) // 2
        yield plan[:half]
        yield plan[half:]
    for index in range(len(plan)):
        yield plan[:index] + plan[index + 1 :]
    for index, fault in enumerate(plan):
        if fault.lasts > 2 * SHORTEST_S:
            yield (*plan[:index], replace(fault, lasts=round(fault.lasts / 2, 2)), *plan[index + 1 :])
