"""What goes wrong in a world, as values: drawn by seed from families, and kept in files."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from tests.adversary import shapes
from tests.adversary.fleet import LATE, POOLS
from tests.adversary.shapes import Shape

FAMILIES: dict[str, tuple[str, ...]] = {
    "process": ("kill", "kill-at-write"),
    "watch": ("watch-gap", "watch-twice"),
    "stall": ("watch-stall",),
    "api": ("api-errors", "api-away", "answer-lost"),
    "broker": ("broker-away", "broker-slow", "control-refused"),
    "figures": ("false-zero", "statistics-away", "statistics-stale"),
    "workers": ("mute", "hung", "out-of-memory", "evict"),
    "children": ("slow-children",),
    "later": ("tasks-for-later",),
    "much-later": ("tasks-for-much-later",),
    "nodes": ("node-lost", "nodes-full", "quota"),
    "partitions": ("node-parted",),
    "drains": ("node-drained", "evicted"),
    "lag": ("replica-set-lag",),
    "clock": ("clock-step",),
    "suspend": ("suspend",),
    "people": ("scale-by-hand", "scale-beat", "edit-max", "edit-ceiling", "edit-template", "pause"),
    "leaders": ("leader-suspended", "leader-killed", "leader-stopped", "api-errors", "api-away", "answer-lost"),
    "images": ("bad-image",),
    "pools": ("remove-pool",),
    "vandals": ("edit-status", "delete-deployment", "delete-budget", "delete-beat"),
    "tenants": ("tenant-worker", "tenant-resource"),
    "replies": ("tenant-replies",),
    "metrics": ("metrics-lie", "metrics-silent", "metrics-stand"),
    "versions": ("status-of-another-version", "spec-of-another-version", "crd-of-another-version"),
    "restore": ("etcd-restored",),
    "hands": ("override", "pause-for-a-while", "run-now"),
    "edits": ("move-queue", "edit-min", "edit-pool"),
    "login": ("password-changed", "secret-gone"),
    "queues": ("queue-deleted", "queue-purged"),
    "rivals": ("rival-scales",),
    "bursts": ("burst",),
    "reborn": ("fleet-remade",),
    "moments": ("kill", "suspend", "watch-stall", "clock-step", "mute", "scale-in-between", "answer-lost"),
}
WEIGHTS = dict.fromkeys(("process", "watch", "workers", "people", "api", "broker", "moments", "pools", "drains"), 3)
"""How much oftener than the others families are drawn that meet the most of the operator."""
TOGETHER = 5
"""Families that are drawn together, at most."""
TICKS = {0.25: 1, 0.5: 1, 1.0: 8, 2.0: 2, 4.0: 2, 10.0: 2}
"""How often a tick is drawn, by its seconds."""
MOMENTS = ("mark", "gate", "step-down", "step-up", "start", "rollout", "lease")
AT_MOMENTS, SHARE = "moments", 0.5
"""With this family half of the faults, of whichever family, wait for one of them."""
LASTS_S = (2.0, 10.0, 40.0)
MOST_OF_ONE = 0.9999
"""Of a share of four places: one that is rounded to 1 strikes what is behind the last."""
ROUND_S, SHORT_OF_S = 300, 54
"""A world ends a moment before a scheduled run would begin, so that its last minute is one at rest."""
SEEN_WITHIN_S = 90.0
"""What a fault does is seen by then, but for what the end of a world shows."""
CURED_S = 420.0
"""So long before the end of a world nothing goes wrong any more."""
FIRST_AT_S, LAST_BEFORE_S = 30.0, CURED_S + 26.0


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Args:
        at: seconds since the world began.
        kind: what.
        lasts: seconds, where it has an end.
        a, b: from 0 to below 1: what it strikes, and how hard.
        when: what it waits for from then on, one of `MOMENTS`; empty: nothing.
    """

    at: float
    kind: str
    lasts: float = 0.0
    a: float = 0.0
    b: float = 0.0
    when: str = ""


@dataclass(frozen=True)
class Scenario:
    """A world that is played again at each run of the tests.

    Args:
        seed, hours: of the world.
        plan: what goes wrong.
        why: what it once found.
        pools: of the fleet.
        neighbour: whether there is a second fleet, that nothing is done to.
        tick_s: seconds between two of the operator's looks at a fleet.
        shape: what its fleet is asked for otherwise than in `fleet.py`.
        to_its_end: whether what it once found is seen at its end alone.
    """

    seed: int
    hours: float
    plan: tuple[Fault, ...]
    why: str = ""
    pools: tuple[str, ...] = POOLS
    neighbour: bool = False
    tick_s: float = 1.0
    shape: Shape = field(default_factory=dict)
    to_its_end: bool = True


def over_at_s(scenario: Scenario) -> float:
    """When a kept world need be played no longer."""
    whole = length_s(scenario.hours)
    last = max((fault.at + fault.lasts for fault in scenario.plan), default=whole)
    return whole if scenario.to_its_end else min(last + SEEN_WITHIN_S, whole)


def length_s(hours: float) -> float:
    """How long a world is that was asked for by hours."""
    return max(round(hours * 3600 / ROUND_S), 2) * ROUND_S - SHORT_OF_S


def of_seed(seed: int, hours: float) -> Scenario:
    """The world of a seed: its pools, its tick and what goes wrong are drawn; in each fourth is a second fleet."""
    plan = drawn(seed, hours, by_weight(seed))
    made_of = pools(seed)
    fleet: dict[str, Any] = {"pools": made_of, "shape": shapes.drawn(seed, made_of)}
    return Scenario(seed, hours, plan, **fleet, neighbour=seed % 4 == 3, tick_s=tick_s(seed))


def by_weight(seed: int) -> tuple[str, ...]:
    """One to five families of faults for a world: which ones the seed says, some oftener than others.

    Each gets a key, and those with the greatest are drawn: https://doi.org/10.1016/j.ipl.2005.11.003.
    """
    rng = random.Random(seed * 31 + 17)
    keys = {family: rng.random() ** (1 / WEIGHTS.get(family, 1)) for family in FAMILIES}
    return tuple(sorted(FAMILIES, key=lambda it: -keys[it])[: rng.randint(1, TOGETHER)])


def pools(seed: int) -> tuple[str, ...]:
    """The pools of a world's fleet: most have one or two, in which more happens in the same time."""
    rng = random.Random(seed * 17 + 29)
    (number,) = rng.choices((1, 2, 3, 4), (4, 4, 2, 1))
    chosen = rng.sample(tuple(LATE), number)
    return tuple(it for it in LATE if it in chosen)


def tick_s(seed: int) -> float:
    """The operator's `--tick` in a world: half of them have the default."""
    return random.Random(seed * 19 + 41).choices(tuple(TICKS), tuple(TICKS.values()))[0]


def drawn(
    seed: int, hours: float, families: Sequence[str], most: int = 12, before_end_s: float = LAST_BEFORE_S
) -> tuple[Fault, ...]:
    """A plan by seed.

    Args:
        seed: of the world.
        hours: it lasts.
        families: of the faults.
        most: faults.
        before_end_s: the last one comes so long before the end of the world.
    """
    rng = random.Random(seed * 13 + 5)
    kinds = [kind for family in families for kind in FAMILIES[family]]
    end = length_s(hours) - before_end_s
    faults = [
        Fault(
            round(rng.uniform(FIRST_AT_S, end), 2),
            rng.choice(kinds),
            round(rng.choice(LASTS_S) * rng.uniform(0.5, 1.5), 2),
            _share(rng),
            _share(rng),
        )
        for _ in range(rng.randint(2, most))
    ]
    if AT_MOMENTS in families:
        faults = [replace(it, when=rng.choice(MOMENTS)) if rng.random() < SHARE else it for it in faults]
    return tuple(sorted(faults, key=lambda it: it.at))


def _share(rng: random.Random) -> float:
    return min(round(rng.random(), 4), MOST_OF_ONE)


def read(path: Path) -> Scenario:
    """A scenario's file."""
    document = yaml.safe_load(path.read_text())
    plan = tuple(Fault(**fault) for fault in document.pop("plan"))
    return Scenario(plan=plan, pools=tuple(document.pop("pools", POOLS)), **document)


def written(scenario: Scenario) -> str:
    """The same as a file."""
    document: dict[str, Any] = asdict(scenario)
    pools = document.pop("pools")
    if pools != POOLS:
        document["pools"] = list(pools)
    if not scenario.neighbour:
        del document["neighbour"]
    if scenario.tick_s == 1.0:
        del document["tick_s"]
    if not scenario.shape:
        del document["shape"]
    if scenario.to_its_end:
        del document["to_its_end"]
    document["plan"] = [{name: value for name, value in it.items() if value != ""} for it in document["plan"]]
    return yaml.safe_dump(document, sort_keys=False, width=120)
