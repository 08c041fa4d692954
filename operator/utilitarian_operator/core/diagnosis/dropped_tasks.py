"""What is said of tasks that left a queue while nothing consumed it."""

from collections.abc import Iterator, Mapping

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.observation.counted.dropped import Dropped
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.wording import plural

_WHY = "their expires or the queue's message-ttl was over, or they were purged or fetched by hand"
_CURE = "let them expire later than drainWithin, or set scaling.min to 1"


def dropped_advice(pool: Pool, snapshot: FleetSnapshot) -> Iterator[str]:
    """What was dropped of a pool's queues in the last day, in one sentence."""
    here = {queue: it for queue, it in snapshot.dropped.items() if queue in snapshot.pools[pool.name].queues}
    if here:
        queue, tasks = max(here, key=lambda it: here[it].last), sum(it.tasks for it in here.values())
        yield (
            f"pool {pool.name}, queue {queue}: {plural(tasks, 'task')} of the pool left while nothing consumed them, "
            f"the last by {timestamp(here[queue].last)}: {_WHY}; {_CURE}"
        )


def newly_dropped(fleet: Fleet, snapshot: FleetSnapshot, recorded: Mapping[str, Dropped]) -> dict[str, int]:
    """How many tasks were dropped since, by pool name; of no pool of which there were none.

    Args:
        fleet: what runs.
        snapshot: of this look.
        recorded: what was known when they were recorded last.
    """
    since = {
        queue: it.tasks - (recorded[queue].tasks if queue in recorded else 0) for queue, it in snapshot.dropped.items()
    }
    by_pool = {
        it.name: sum(max(since.get(queue, 0), 0) for queue in snapshot.pools[it.name].queues) for it in fleet.pools
    }
    return {name: number for name, number in by_pool.items() if number}


def dropped_news(fleet: Fleet, snapshot: FleetSnapshot, recorded: Mapping[str, Dropped]) -> Iterator[str]:
    """What is recorded of queues of which something was dropped since; in the same words each time.

    Args:
        fleet: what runs.
        snapshot: of this look.
        recorded: what was known when it was recorded last.
    """
    for queue, it in snapshot.dropped.items():
        pool = next((pool.name for pool in fleet.pools if queue in snapshot.pools[pool.name].queues), None)
        if pool is not None and recorded.get(queue) != it:
            yield f"pool {pool}: tasks left queue {queue} while nothing consumed it: {_WHY}; {_CURE}"
