"""A forecast against the same work played task by task, with workers that serve and others that are starting."""

import heapq
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.pools import NOW, facts, fleet
from utilitarian_operator.core.forecast.completion import forecast
from utilitarian_operator.core.sizing.decision import Step, start
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.runs.run_state import OpenRun

RUN = OpenRun("run", NOW, NOW, NOW, NOW)


def played(work: int, length: int, serving: int, starting: int, start_up: int) -> int:
    """Seconds until the last task has ended."""
    free = [0] * serving + [start_up] * starting
    heapq.heapify(free)
    done = 0
    for _ in range(work):
        ended = heapq.heappop(free) + length
        done = max(done, ended)
        heapq.heappush(free, ended)
    return done


@given(
    work=st.integers(1, 3000),
    length=st.integers(1, 60),
    slots=st.integers(1, 10),
    serving=st.integers(0, 20),
    starting=st.integers(0, 50),
    start_up=st.integers(1, 300),
)
def test_a_run_is_done_when_the_forecast_says(
    work: int, length: int, slots: int, serving: int, starting: int, start_up: int
) -> None:
    asked = fleet(
        {
            "name": "pool",
            "worker": {"concurrency": slots},
            "scaling": {"max": 100, "taskDuration": f"{length}s"},
            "schedule": [{"name": "run", "start": "0 12 * * *", "finishWithin": "12h"}],
        }
    )
    workers = serving + starting
    memory = Memory(
        runs=(RUN,), slot_seconds=1000.0 * length, completions=1000, longest_s=length, start_up_s=float(start_up)
    )
    seen = facts(work, current=workers, serving=serving)
    decision = start(Step("run", 0, workers, "so many"))
    (said,) = forecast(asked, asked.pools[0], seen, decision, memory, NOW)
    if not workers:
        assert said.eta is None
        return
    assert said.eta is not None
    assert said.uncertainty is not None
    off = said.eta - NOW - timedelta(seconds=played(work, length, serving * slots, starting * slots, start_up))
    assert abs(off) <= said.uncertainty + timedelta(seconds=length + 1)  # the last wave may be a part of one
