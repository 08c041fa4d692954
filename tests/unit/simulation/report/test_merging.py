from datetime import timedelta
from typing import Any

import pytest

from tests.support.pools import fleet
from utilitarian_operator.api.effective import Pool
from utilitarian_operator.simulation.report.merging import may_merge, merge


def pool(**written: Any) -> Pool:
    return fleet({"name": "pool", **written}).pools[0]


def test_pools_with_equal_workers_become_one_with_the_stricter_promise() -> None:
    one = pool(name="one", queues=["a"], priority=10, scaling={"max": 3, "drainWithin": "5m", "wake": "WhenDue"})
    other = pool(name="other", queues=["b"], priority=20, scaling={"max": 4, "drainWithin": "2m", "wake": "WhenDue"})
    assert may_merge(one, other)
    both = merge(one, other)
    assert (both.name, both.queues, both.priority, both.scaling.max) == ("one", ("a", "b"), 20, 4)
    assert (both.scaling.drain_within, both.scaling.wake) == (timedelta(minutes=2), "WhenDue")
    assert merge(one, pool(name="third")).scaling.wake == "AtOnce"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"worker": {"concurrency": 2}}, id="other workers"),
        pytest.param({"scaling": {"min": 1}}, id="a worker always stays"),
        pytest.param({"schedule": [{"name": "run", "start": "0 * * * *"}]}, id="it has runs"),
        pytest.param({"env": [{"name": "A", "value": "b"}]}, id="another environment"),
        pytest.param({"drainTimeout": "2h"}, id="another grace"),
        pytest.param({"queues": [f"q{i}" for i in range(40)]}, id="more queues than a pool may have"),
    ],
)
def test_pools_that_differ_stay_apart(other: dict[str, object]) -> None:
    assert not may_merge(pool(name="one", queues=["a"]), pool(**{"name": "other", "queues": ["b"], **other}))
