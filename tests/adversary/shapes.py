"""What fleets may be asked for otherwise: fields of pools, drawn by seed; half of the worlds keep those of `fleet.py`.

A pool can always do what is sent to it before the world ends: it has at least so many slots.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Shape = dict[str, dict[str, Any]]
"""What is otherwise in the spec of each pool, by its name, and in the fleet's own under `FLEET`."""

FLEET = "fleet"
SHARE, OFTEN = 0.5, 0.35
"""How many worlds have another shape, and how many of its fields each pool has otherwise there."""
HOLDS_EACH = 3
"""In each third of the worlds with another shape work for `runs` waits for its next run, and some comes by hand."""
SLOTS = {"fast": 4, "slow": 6, "runs": 3, "duo": 3, "rest": 2}
ASKED: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("worker", "concurrency", (1, 2, 3, 8)),
    ("worker", "prefetchMultiplier", (1, 2, 10)),
    ("scaling", "max", (1, 2, 3, 8)),
    ("scaling", "min", (0, 0, 1, 2)),
    ("scaling", "drainWithin", ("5s", "30s", "2m")),
    ("scaling", "taskDuration", ("100ms", "5s", "1m")),
    ("scaling", "stabilization", ("0s", "5s", "40s")),
    ("scaling", "idleAfter", ("0s", "5s", "40s")),
    ("scaling", "wake", ("AtOnce", "WhenDue")),
)
SELDOM: tuple[tuple[str, Any], ...] = (
    ("disruptionBudget", False),
    ("disruption", "Avoid"),
    ("foreignConsumers", "Expected"),
)
EXECUTIONS = ("threads", "gevent", "solo")
"""Of the small pools; the first of them for each of the others, whose tasks are long."""
ROLLOUTS: tuple[dict[str, Any], ...] = (
    {"type": "Recreate"},
    {"maxSurge": 0, "maxUnavailable": 1},
    {"maxSurge": "100%"},
    {"maxSurge": 1, "maxUnavailable": "50%"},
)
RUNS: tuple[dict[str, Any], ...] = (
    {"workers": 3},
    {"warmUp": "0s"},
    {"warmUp": "40s", "finishWithin": "1m"},
    {"until": "Duration", "duration": "1m"},
)


def drawn(seed: int, made_of: Sequence[str]) -> Shape:
    """The shape of a world's fleet; empty: as in `fleet.py`."""
    rng = random.Random(seed * 23 + 7)
    if rng.random() >= SHARE:
        return {}
    shape = {pool: of_a_pool(rng, pool) for pool in made_of}
    if "runs" in shape and shape["runs"].get("schedule", {}).get("until") is None and seed % HOLDS_EACH == 0:
        shape["runs"].setdefault("scaling", {})["outsideRuns"] = "Hold"
    if rng.random() < OFTEN:
        shape[FLEET] = {"maxWorkers": rng.choice((max(len(made_of) + 1, _least_together(shape)), 12))}
    return {name: fields for name, fields in shape.items() if fields}


def _least_together(shape: Shape) -> int:
    """What the pools keep together, at most: one of them may have a minimum of its own."""
    least = [int(it.get("scaling", {}).get("min", 0)) for it in shape.values()]
    return 1 + sum(max(it, 1) for it in least)


def of_a_pool(rng: random.Random, name: str) -> dict[str, Any]:
    """What one pool is asked for otherwise."""
    found: dict[str, Any] = {}
    for part, field, values in ASKED:
        if rng.random() < OFTEN:
            found.setdefault(part, {})[field] = rng.choice(values)
    if rng.random() < OFTEN:
        found["priority"] = rng.choice((0, 50, 1000))
    if rng.random() < OFTEN / 2:
        found["rollout"] = rng.choice(ROLLOUTS)
    if name == "runs" and rng.random() < OFTEN:
        found["schedule"] = rng.choice(RUNS)
    if name != "fast" and rng.random() < OFTEN / 2:  # that one's is drawn for each world
        found.setdefault("worker", {})["execution"] = EXECUTIONS[0] if name == "slow" else rng.choice(EXECUTIONS)
    found |= {field: value for field, value in SELDOM if rng.random() < OFTEN / 4}
    return found


def asked_for(pool: dict[str, Any], fields: dict[str, Any]) -> None:
    """Ask for a pool with these fields otherwise, as far as it can do its work so and the schema lets it."""
    for name, value in fields.items():
        _HOW.get(name, _whole)(pool, name, value)
    worker, scaling = pool["worker"], pool["scaling"]
    if worker.get("execution") == "solo":
        worker["concurrency"] = 1
    if pool["name"] == "slow":  # what a worker has fetched of its tasks must end within `drainTimeout`
        worker.update(concurrency=max(worker["concurrency"], 2), prefetchMultiplier=1)
    least = -(-SLOTS[pool["name"]] // worker["concurrency"])
    of_runs = [it["workers"] for it in pool.get("schedule", ())]
    if "queues" not in pool:  # of a catch-all one always stays
        scaling["min"] = max(scaling["min"], 1)
    scaling["max"] = max(scaling["max"], least, scaling.get("min", 0), *of_runs)


def smaller(shape: Shape) -> Iterator[Shape]:
    """The same with less that is otherwise: nothing, one pool less, one field less."""
    if shape:
        yield {}
    for name, fields in shape.items():
        rest = {it: value for it, value in shape.items() if it != name}
        if rest:
            yield rest
        for less in _fewer(fields):
            yield {**rest, name: less}


def _fewer(fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in fields.items():
        rest = {it: other for it, other in fields.items() if it != name}
        if rest:
            yield rest
        if isinstance(value, dict) and len(value) > 1:
            yield from ({**rest, name: less} for less in _fewer(value))


def _whole(pool: dict[str, Any], name: str, value: Any) -> None:
    pool[name] = value


def _some(pool: dict[str, Any], name: str, value: Any) -> None:
    pool[name] = {**pool.get(name, {}), **value}


def _of_each(pool: dict[str, Any], name: str, value: Any) -> None:
    pool[name] = [{**it, **value} for it in pool[name]]


_HOW: dict[str, Callable[[dict[str, Any], str, Any], None]] = {
    "worker": _some,
    "scaling": _some,
    "schedule": _of_each,
}
