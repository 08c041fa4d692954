"""What the decision of a look takes at a fleet at work, with what the look before has kept and without it.

A world of the adversary is played, and all that its looks were decided from is kept. The same looks are then decided
again, one after the other, in turn with and without. Prints one JSON object.
"""

import gc
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from statistics import median
from time import process_time
from typing import TypeAlias

from tests.adversary import plan as plans
from tests.adversary.plan import Scenario
from tests.adversary.world import play
from utilitarian_operator.core.engine import step
from utilitarian_operator.core.look import Seen, Spec, State
from utilitarian_operator.core.plan import Plan
from utilitarian_operator.reconcile import reconciler

SEED, HOURS, ROUNDS = 20, 0.1, 3
FAMILIES = ("process", "watch", "stall", "broker", "workers", "people")

Look: TypeAlias = tuple[Spec, Seen, State, datetime]


def looks() -> list[Look]:
    """All looks of a world at which something was decided."""
    found: list[Look] = []

    def kept(spec: Spec, seen: Seen, state: State, now: datetime) -> tuple[Plan, State]:
        plan, after = step(spec, seen, state, now)
        if plan.figures is not None:
            found.append((spec, seen, state, now))
        return plan, after

    reconciler.step = kept  # type: ignore[attr-defined] # the one place from which it is called
    play(Scenario(SEED, HOURS, plans.drawn(SEED, HOURS, FAMILIES)))
    return found


def milliseconds(of: Sequence[Look]) -> float:
    """Of the processor, for a look."""
    begin = process_time()
    for spec, seen, state, now in of:
        step(spec, seen, state, now)
    return (process_time() - begin) * 1000 / len(of)


def main() -> None:
    """Measure, and print it."""
    warm = looks()
    cold = [(spec, seen, replace(state, kept={}), now) for spec, seen, state, now in warm]
    gc.disable()
    took = [(milliseconds(warm), milliseconds(cold)) for _ in range(ROUNDS)]
    with_kept, anew = (median(each) for each in zip(*took, strict=True))
    said = {
        "pools": 4,
        "looks": len(warm),
        "ms": round(with_kept, 2),
        "nothing_kept_ms": round(anew, 2),
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
