"""Draws the loads and changes that a fleet goes through while its drains are proven, by a seed; it plays nothing."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from utilitarian.routing import QUEUES

Kind = Literal[
    "burst",
    "lull",
    "lower max",
    "raise max",
    "override",
    "roll out",
    "kill the operator",
    "kill the operator while it waits",
    "restart the broker",
]

LATE = {"name": "UTILITARIAN_ACKS_LATE", "value": "true"}
MAX = 4
"""Workers of a pool at most, before a change says otherwise."""

SCALING = {"idleAfter": "3s", "stabilization": "2s", "drainWithin": "2s", "taskDuration": "1s", "max": MAX}
WAITING = {**SCALING, "wake": "WhenDue", "drainWithin": "90s"}
SIZES: Sequence[tuple[float, float, float]] = ((0.1, 0.8, 0.75), (1.0, 4.0, 0.2), (8.0, 15.0, 0.05))
"""Tasks: from and to how many seconds, and which part of a load they are."""

CHANGES: Mapping[Kind, int] = {
    "burst": 4,
    "lull": 3,
    "lower max": 4,
    "raise max": 3,
    "override": 3,
    "roll out": 3,
}
"""What changes the size or the template of a pool, and how often in twenty times."""


@dataclass(frozen=True)
class ScenarioPool:
    """One pool, and what makes its drain different from another's.

    Args:
        name: of the pool.
        queue: its one queue.
        execution: Celery's kind of pool.
        prefetch: messages fetched ahead for each slot.
        late: acknowledged after the task ran, not before.
        waits: lets its tasks wait until they are due.
    """

    name: str
    queue: str
    execution: str
    prefetch: int
    late: bool
    waits: bool = False

    @property
    def scaling(self) -> Mapping[str, Any]:
        """As in the resource, without max."""
        return WAITING if self.waits else SCALING

    def spec(self, *, most: int = MAX, revision: int = 0) -> dict[str, Any]:
        """The pool as it stands in the resource; another `revision` is another pod template."""
        return {
            "name": self.name,
            "queues": [self.queue],
            "worker": {"concurrency": 2, "execution": self.execution, "prefetchMultiplier": self.prefetch},
            "scaling": {**self.scaling, "max": most},
            "env": [{"name": "REVISION", "value": str(revision)}, *([LATE] if self.late else [])],
        }


SCENARIO_POOLS = (
    ScenarioPool("early-prefork", QUEUES[0], "prefork", prefetch=4, late=False),
    ScenarioPool("late-prefork", QUEUES[1], "prefork", prefetch=1, late=True),
    ScenarioPool("early-threads", QUEUES[2], "threads", prefetch=1, late=False),
    ScenarioPool("late-threads", QUEUES[3], "threads", prefetch=4, late=True),
)


WAITING_POOLS = (
    ScenarioPool("due-prefork", QUEUES[4], "prefork", prefetch=1, late=False, waits=True),
    ScenarioPool("due-threads", QUEUES[5], "threads", prefetch=1, late=True, waits=True),
)


@dataclass(frozen=True)
class Lot:
    """Tasks for one pool, by the seconds that each takes."""

    pool: ScenarioPool
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Phase:
    """One change and what is sent right after it.

    Args:
        kind: of the change.
        pool: the pool that changes; means nothing when operator or broker are what ends.
        workers: the new max, or the override's number.
        lots: sent after it.
        until: the next phase begins when this part of all tasks sent so far has ended.
    """

    kind: Kind
    pool: ScenarioPool
    workers: int
    lots: tuple[Lot, ...]
    until: float


_WAITS: Kind = "kill the operator while it waits"
_FEW: Sequence[Kind] = ("lull", _WAITS)
_FOR_ONE: Sequence[Kind] = ("burst", _WAITS)


def draw(seed: int, *, tasks: int, pools: Sequence[ScenarioPool], kinds: Sequence[Kind]) -> list[Phase]:
    """The phases of one run.

    Args:
        seed: the same gives the same phases.
        tasks: sent in all of them together.
        pools: the pools; each changes in its turn.
        kinds: of the changes, in any order: they are shuffled.
    """
    dice = random.Random(seed)  # noqa: S311 - no secret
    shuffled = dice.sample(list(kinds), len(kinds))
    counts = _shares(dice, tasks, [0.2 if kind in _FEW else dice.uniform(1, 3) for kind in shuffled])
    return [
        _phase(dice, kind, pools[number % len(pools)], pools, count)
        for number, (kind, count) in enumerate(zip(shuffled, counts, strict=True))
    ]


def paced(phases: Sequence[Phase], pace: float) -> list[Phase]:
    """The same phases with every task's seconds times `pace`."""
    return [
        replace(phase, lots=tuple(Lot(it.pool, tuple(pace * each for each in it.seconds)) for it in phase.lots))
        for phase in phases
    ]


def times(kinds: Mapping[Kind, int]) -> list[Kind]:
    """Each kind as often as it says."""
    return [kind for kind, often in kinds.items() for _ in range(often)]


def _phase(dice: random.Random, kind: Kind, pool: ScenarioPool, pools: Sequence[ScenarioPool], count: int) -> Phase:
    # A burst is for one pool; else every pool gets something, so that what leaves leaves beside work.
    weights = [4.0 * (it is pool) + 0.2 if kind in _FOR_ONE else 1.0 for it in pools]
    lots = [
        Lot(it, tuple(_seconds(dice) for _ in range(share)))
        for it, share in zip(pools, _shares(dice, count, weights), strict=True)
        if share
    ]
    workers = {"lower max": 1, "raise max": MAX + 1, "override": dice.randint(1, 2)}.get(kind, 0)
    # A lull waits until nearly everything is done, so that the pools shrink before the next load comes.
    return Phase(kind, pool, workers, tuple(lots), 0.99 if kind in _FEW else dice.uniform(0.7, 0.9))


def _shares(dice: random.Random, whole: int, weights: Sequence[float]) -> list[int]:
    """`whole` in parts of about these weights, none of them negative; what rounding leaves goes to one of them."""
    parts = [int(whole * weight / sum(weights)) for weight in weights]
    parts[dice.randrange(len(parts))] += whole - sum(parts)
    return parts


def _seconds(dice: random.Random) -> float:
    shortest, longest, _ = dice.choices(SIZES, [share for *_, share in SIZES])[0]
    return dice.uniform(shortest, longest)
