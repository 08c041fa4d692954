"""Small fleets and loads for tests of the simulation: a test writes only what it is about."""

from pathlib import Path
from typing import Any

from tests.support.pools import fleet
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.simulation.load.workload import Load
from utilitarian_operator.simulation.play import Scene, scene


def load(queues: dict[str, Any], **more: Any) -> Load:
    """A load of these queues; each has tasks of 2 s, 6 s at the 95th percentile, unless it says otherwise."""
    spread = {"seconds": {"median": 2, "p95": 6}}
    return Load.model_validate(
        {"start": "2026-03-02", "queues": {n: {**spread, **q} for n, q in queues.items()}, **more}
    )


def stage(
    queues: dict[str, Any], pool: dict[str, Any] | None = None, *, days: float = 1, seed: int = 1, **more: Any
) -> Scene:
    """One pool over its queues."""
    asked = one_pool(list(queues), pool or {})
    return scene(asked, load(queues, **more), days=days, seed=seed, folder=Path())


def one_pool(queues: list[str], pool: dict[str, Any]) -> Fleet:
    """A fleet of one pool, called `pool`, that consumes these queues."""
    return fleet({"name": "pool", "queues": queues, **pool})
