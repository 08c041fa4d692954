"""Whether a pool keeps its promise, by what its status tells."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pools import NOW, pool
from utilitarian_operator.core.explain.promise import Kept, promise

POOL = pool(concurrency=20, drainWithin="10m")
MEMORY = {"startUp": 28}


SOON = {"number": 5, "firstDue": "2026-03-02T12:00:01Z", "returns": 1, "slept": True}
NAP = MEMORY | {"nap": SOON | {"firstDue": "2026-03-02T15:00:00Z"}}


def beside_a_finding(rule: str, before: int) -> dict[str, Any]:
    step = {"rule": rule, "before": before, "after": 0, "because": "why"}
    return {"backlog": 5, "desired": 0, "reason": "RunMissed", "trail": [step]}


def run(eta: str | None, deadline: str | None) -> dict[str, Any]:
    return {"run": {"name": "r", "eta": eta, "deadline": deadline}, "backlog": 1, "desired": 1, "ready": 1}


BEGUN = {"run": run(None, "2026-03-02T13:00:00Z")["run"] | {"started": "2026-03-02T12:00:00Z"}, "backlog": 5}
PREPARED = {"run": BEGUN["run"] | {"started": "2026-03-02T12:02:00Z"}, "backlog": 5}


@pytest.mark.parametrize(
    "status,kept",
    [
        pytest.param({}, Kept.UNKNOWN, id="nothing is known"),
        pytest.param({"backlog": 0}, Kept.YES, id="nothing waits"),
        pytest.param({"backlog": 5, "reason": "wait"}, Kept.YES, id="it waits until it is due"),
        pytest.param({"backlog": 5, "reason": "hold"}, Kept.NONE, id="it waits for the next run"),
        pytest.param(beside_a_finding("wait", 1), Kept.YES, id="it waits until it is due, and a run was missed"),
        pytest.param(beside_a_finding("hold", 0), Kept.NONE, id="it waits for the next run, and one was missed"),
        pytest.param({"backlog": 5, "memory": NAP}, Kept.YES, id="all wait for their own time"),
        pytest.param({"backlog": 6, "memory": NAP}, Kept.NO, id="one does not"),
        pytest.param({"backlog": 5, "memory": {"nap": SOON}}, Kept.NO, id="their time has come"),
        pytest.param({"backlog": 5, "desired": 0}, Kept.NO, id="no worker comes"),
        pytest.param({"backlog": 20_000, "desired": 9, "memory": MEMORY}, Kept.YES, id="the worked example"),
        pytest.param({"backlog": 20_000, "desired": 8, "memory": MEMORY}, Kept.NO, id="one worker less"),
        pytest.param({"backlog": 19_200, "desired": 8, "ready": 8, "memory": MEMORY}, Kept.YES, id="no start"),
        pytest.param({"backlog": 19_200, "busy": 240, "desired": 8, "ready": 8}, Kept.NO, id="slots that are taken"),
        pytest.param(run("2026-03-02T13:00:00Z", "2026-03-02T13:00:00Z"), Kept.YES, id="a run in time"),
        pytest.param(run("2026-03-02T13:00:01Z", "2026-03-02T13:00:00Z"), Kept.NO, id="a run too late"),
        pytest.param(run(None, "2026-03-02T13:00:00Z"), Kept.YES, id="a run without a forecast"),
        pytest.param(PREPARED, Kept.NONE, id="a run that is being prepared"),
        pytest.param(BEGUN, Kept.NO, id="a run that has begun without a worker"),
        pytest.param(run("soon", "2026-03-02T13:00:00"), Kept.YES, id="no moments"),
    ],
)
def test_what_is_kept(status: dict[str, Any], kept: Kept) -> None:
    assert promise(POOL, status, NOW) == kept


@given(backlog=st.integers(1, 10**6), workers=st.integers(1, 99), more=st.integers(0, 99), less=st.integers(0, 10**5))
def test_more_workers_or_less_work_break_no_promise(backlog: int, workers: int, more: int, less: int) -> None:
    status = {"backlog": backlog, "desired": workers, "ready": workers}
    if promise(POOL, status, NOW) == Kept.YES:
        better = {**status, "desired": workers + more, "backlog": max(backlog - less, 0)}
        assert promise(POOL, better, NOW) == Kept.YES
