"""What the engine must know of a pool that it does not look at now."""

from array import array
from itertools import repeat

from tests.support.pools import pool
from utilitarian_operator.core.sizing.pools import Beside
from utilitarian_operator.simulation.lane import NOT_LOOKED_AT, Lane
from utilitarian_operator.simulation.load.arrivals import Tasks
from utilitarian_operator.simulation.pool_model import Workers
from utilitarian_operator.simulation.worker import Kind


def test_a_pool_beside_the_others_has_workers_that_stay_and_workers_that_leave() -> None:
    """Two workers run a task of a minute each when the pool is to have one."""
    tasks = Tasks(array("d", [5.0, 5.0]), array("d", [60.0, 60.0]), bytearray(2), ("work",), {})
    workers = Workers(tasks, Kind(1, 0, acks_late=False), repeat(1.0))
    lane: Beside = Lane(pool(), workers)
    assert (lane.own, lane.current, lane.draining) == (NOT_LOOKED_AT, 0, 0)
    workers.start(2, 0)
    workers.advance(10)
    assert (lane.current, lane.draining) == (2, 0)
    workers.resize(1, 10)
    assert (lane.current, lane.draining, lane.returnable) == (1, 1, 1)
