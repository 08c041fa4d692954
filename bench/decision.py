"""How long one decision takes for a fleet of 14 pools and for one of 1,000; prints one JSON object a size."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter

from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext, decide_fleet

SIZES = (14, 1000)
LOOKS = 60
START = datetime(2026, 1, 1, 1, tzinfo=UTC)
SCHEDULES = ("0 * * * *", "0 1 * * *", "30 0 1 * *", "0 3 1 1,4,7,10 *")


def fleet(size: int) -> Fleet:
    """Pools of which every other has a run with a deadline, under one ceiling."""
    pools = [
        {
            "name": f"pool-{index}",
            "queues": [f"queue-{index}"],
            "priority": index % 100,
            "schedule": [{"name": "run", "start": SCHEDULES[index % 4], "finishWithin": "4h"}] * (index % 2),
        }
        for index in range(min(size, 100))
    ]
    body = {
        "apiVersion": "utilitarian.io/v1alpha1",
        "kind": "UtilitarianWorkerPool",
        "metadata": {"name": "fleet"},
        "spec": {
            "image": "utilitarian:1",
            "maxWorkers": 3 * size,
            "broker": {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}},
            "pools": pools,
        },
    }
    hundred = effective_fleet(parse(body).spec)
    # A resource has at most 100 pools; the engine itself has no such bound.
    many = [replace(hundred.pools[index % len(pools)], name=f"pool-{index}") for index in range(size)]
    return replace(hundred, pools=tuple(many))


def facts(index: int, look: int) -> Facts:
    """A pool that is busy, one that is idle, one that sleeps, in turn; figures move with each look."""
    if index % 3:
        work = 500 + (index * 7 + look) % 100
        return Facts(3, work - 30, work, work, 0, 30, arrived=3, completed=5, slot_seconds=25.0, serving=3)
    return Facts(index % 2, 0, 0, 0, index % 2, arrived=0, completed=0, slot_seconds=0.0, serving=index % 2)


def measure(size: int) -> float:
    """Milliseconds of a decision for the whole fleet: the median over a minute of looks."""
    asked, took = fleet(size), []
    memories: dict[str, Memory] = {}
    for look in range(LOOKS):
        seen = {pool.name: facts(index, look) for index, pool in enumerate(asked.pools)}
        context = FleetContext(START + timedelta(seconds=look))
        begin = perf_counter()
        memories = decide_fleet(asked, seen, memories, context).memories
        took.append((perf_counter() - begin) * 1000)
    return median(took)


if __name__ == "__main__":
    for pools in SIZES:
        print(json.dumps({"bench": "decision", "pools": pools, "ms": round(measure(pools), 3)}))
