"""When a pool is looked at next: not before something can be decided otherwise, and not after."""

from datetime import UTC, datetime, timedelta
from math import inf

from tests.support.simulated import stage
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.simulation.lane import Lane
from utilitarian_operator.simulation.next_look import Calendar
from utilitarian_operator.simulation.play import kind, start_ups
from utilitarian_operator.simulation.pool_model import Workers

BEGINS = datetime(2026, 3, 2, tzinfo=UTC)


def lane(arrivals: dict[str, str], **scaling: str) -> Lane:
    asked = stage({"work": {"arrivals": [arrivals]}}, {"scaling": scaling}, days=1)
    (pool,) = asked.fleet.pools
    return Lane(pool, Workers(asked.tasks["pool"], kind(pool, asked, departs=True), start_ups(pool, asked)))


def test_a_sleeping_pool_is_looked_at_when_the_next_task_comes() -> None:
    asleep = lane({"poisson": "1/h"})
    at = Calendar(BEGINS).next_change(asleep, 0.0, inf)
    assert at - 1 < asleep.workers.next_arrival <= at


def test_while_tasks_wait_until_they_are_due_nothing_is_looked_at_before() -> None:
    waiting = lane({"rate": "0.1/s"}, wake="WhenDue", drainWithin="5m")
    waiting.workers.advance(20.0)
    since = BEGINS + timedelta(seconds=9)
    waiting.memory = Memory(waiting_since=since, start_up_s=10.0, start_up_deviation_s=1.0, started_at=BEGINS)
    waiting.seconds = 2.0
    at = Calendar(BEGINS).next_change(waiting, 20.0, inf)
    # 9 + 300 - (10 + 8 x 1) - 3, less what all that comes until then waits behind the first slots.
    assert 260 < at < 288


def test_workers_that_all_start_are_looked_at_when_the_first_is_ready_or_far_more_waits() -> None:
    starting = lane({"rate": "0.1/s"})
    starting.workers.advance(20.0)
    starting.workers.start(1, 20.0)
    assert Calendar(BEGINS).next_change(starting, 20.0, inf) == 30.0
    starting.workers.start(3, 20.0)
    assert Calendar(BEGINS).next_change(starting, 20.0, inf) == 30.0


def test_a_busy_pool_is_played_no_further_ahead_than_until_a_node_dies() -> None:
    busy = lane({"rate": "3/s"})
    busy.workers.start(9, 0.0)
    busy.workers.advance(40.0)
    busy.pace = busy.seconds = 16.0
    assert Calendar(BEGINS).next_change(busy, 40.0, 43.0) == 43.0
    assert 40.0 <= busy.workers.clock <= 43.0
