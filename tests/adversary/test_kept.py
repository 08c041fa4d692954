"""What is kept from look to look changes nothing: each look of a world comes to the same without it."""

from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import pytest

from tests.adversary import plan as plans
from tests.adversary.plan import Scenario
from tests.adversary.world import play
from utilitarian_operator.core.engine import step
from utilitarian_operator.core.look import Seen, Spec, State
from utilitarian_operator.core.plan import Plan
from utilitarian_operator.reconcile import reconciler

FAMILIES = ("process", "watch", "stall", "broker", "workers", "people")
HOURS = 0.05


def differing(one: Any, another: Any) -> list[str]:
    """The fields by which two values differ."""
    compared = [it.name for it in fields(one) if it.compare]
    return [name for name in compared if getattr(one, name) != getattr(another, name)]


@pytest.mark.parametrize("seed", [24])
def test_a_look_comes_to_the_same_without_what_the_look_before_has_kept(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, other = 0, list[str]()

    def twice(spec: Spec, seen: Seen, state: State, now: datetime) -> tuple[Plan, State]:
        nonlocal looks
        looks += 1
        warm = step(spec, seen, state, now)
        cold = step(spec, seen, replace(state, kept={}), now)
        other.extend([*differing(warm[0], cold[0]), *differing(warm[1], cold[1])])
        return warm

    monkeypatch.setattr(reconciler, "step", twice)
    world = play(Scenario(seed, HOURS, plans.drawn(seed, HOURS, FAMILIES)))
    assert looks > 100
    assert not other, f"of seed {seed}: {sorted(set(other))}"
    assert not world.found
