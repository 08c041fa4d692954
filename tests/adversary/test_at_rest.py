"""Rests change nothing but when: beside the real operator one decides each look anew, from the same readings."""

import gc
import os

import pytest

from tests.adversary import plan as plans
from tests.adversary.resting import Resting
from utilitarian_operator.reconcile import reconciler

FAMILIES = ("", "people,vandals", "figures,broker,clock", "process,watch,stall,api", "workers,nodes,suspend,metrics")
PLAYED, HOURS = FAMILIES[1:3], 0.2
BEFORE_END_S = 326.0
"""Faults may come later than in other worlds: what is asked here doesn't need its end."""
LEAST = 20
"""Looks at rest, or nothing was proven."""


@pytest.mark.parametrize("families", PLAYED)
def test_a_rest_puts_off_nothing_that_is_due_and_what_time_brings_by_a_sixth_of_it(
    families: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _play(51 + PLAYED.index(families), families, HOURS, monkeypatch)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_rests_change_nothing_in_fresh_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    first, _, last = os.environ.get("SEEDS", "3000-3039").partition("-")
    hours = float(os.environ.get("HOURS", "0.5"))
    for seed in range(int(first), int(last or first) + 1):
        _play(seed, FAMILIES[seed % len(FAMILIES)], hours, monkeypatch)


def _play(seed: int, families: str, hours: float, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plans.drawn(seed, hours, families.split(","), most=10, before_end_s=BEFORE_END_S) if families else ()
    world = Resting(seed, plan, hours)
    monkeypatch.setattr(reconciler, "step", world.beside)
    gc.disable()
    try:
        world.play()
    finally:
        gc.enable()
    beside = world.beside
    trace = "\n".join(f"{at:9.2f} {text}" for at, text in world.trace)
    assert beside.rested >= LEAST
    assert [it for it in world.found if it.what == "exception"] == []
    assert (beside.late, beside.other) == ([], []), f"seed {seed} of {families}:\n{trace}"
