"""Whatever a load asks for, the oracle's schedule ends, and it begins no task before its time."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.simulated import stage
from tests.support.steps import at_most
from utilitarian_operator.simulation import oracle

SOURCES = st.sampled_from(
    [
        {"cron": "0 * * * *", "tasks": 40},
        {"cron": "*/7 * * * *", "tasks": 3},
        {"poisson": "90/h"},
        {"rate": "20/h", "from": "00:10", "to": "01:20"},
    ]
)
QUEUES = st.fixed_dictionaries(
    {
        "arrivals": st.lists(SOURCES, min_size=1, max_size=2),
        "seconds": st.sampled_from([{"median": 2, "p95": 6}, {"median": 0.1, "p95": 90}, {"median": 900, "p95": 900}]),
    },
    optional={
        "eta": st.fixed_dictionaries(
            {"share": st.sampled_from([0.2, 1.0]), "after": st.sampled_from(["1s", "10m", "2h"])}
        )
    },
)
POOLS = st.fixed_dictionaries(
    {
        "worker": st.fixed_dictionaries({"concurrency": st.integers(1, 12)}),
        "scaling": st.fixed_dictionaries(
            {"drainWithin": st.sampled_from(["1s", "30s", "10m"]), "min": st.integers(0, 2)}
        ),
    },
    optional={
        "schedule": st.sampled_from(["1m", "30m", "3h"]).map(
            lambda within: [{"name": "run", "start": "0 * * * *", "finishWithin": within}]
        )
    },
)


@settings(max_examples=examples(60), deadline=None)
@given(queue=QUEUES, pool=POOLS, late=st.booleans())
def test_the_schedule_ends_and_keeps_to_the_times(queue: dict[str, Any], pool: dict[str, Any], *, late: bool) -> None:
    asked = stage({"work": queue}, pool, days=0.1, acks="late" if late else "early")
    with at_most(3_000_000, oracle):
        played, bounds = oracle.play_oracle(asked)
    workers, tasks = played["pool"].workers, asked.tasks["pool"]
    earliest = [tasks.eta.get(k, came) for k, came in enumerate(tasks.at)]
    assert all(began >= first for began, first in zip(workers.began_at, earliest, strict=True))
    assert 0 <= workers.account.idle <= workers.account.worker_seconds + 1e-6
    if not pool["scaling"]["min"]:
        assert workers.account.worker_seconds >= sum(tasks.seconds) / pool["worker"]["concurrency"] - 1e-6
    assert bounds["pool"] >= 0
