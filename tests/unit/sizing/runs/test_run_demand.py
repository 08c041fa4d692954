"""How many workers a run asks for, at the numbers that are worked out in the text beside them."""

from datetime import timedelta

import pytest

from tests.support.pools import NOW, facts, pool
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.runs import run_demand
from utilitarian_operator.core.sizing.runs.run_state import OpenRun

RUN = {"name": "run", "start": "0 12 * * *", "finishWithin": "2h"}


@pytest.mark.parametrize(
    "work, since_start, workers",
    [
        pytest.param(200_000, timedelta(), 9, id="at its start: 1,000,000 / (20 * 5,700)"),
        pytest.param(100_000, timedelta(minutes=48), 9, id="on its way it keeps them"),
        pytest.param(200, timedelta(minutes=95), 1, id="near the goal the deadline is the goal"),
        pytest.param(500, timedelta(hours=2), 25, id="past the deadline: a slot for each task"),
        pytest.param(1, timedelta(), 1, id="never more slots than tasks"),
    ],
)
def test_run(work: int, since_start: timedelta, workers: int) -> None:
    asked = run_demand.deadline_demand(
        pool(concurrency=20, schedule=[RUN]),
        facts(work),
        OpenRun("run", NOW),
        Memory(longest_s=60),
        seconds_per_task=5,
        now=NOW + since_start,
    )
    assert asked is not None
    assert asked.workers == workers
    assert asked.deadline == NOW + timedelta(hours=2)
