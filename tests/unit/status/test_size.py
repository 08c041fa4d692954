from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.pools import fleet as made
from tests.support.statuses import FORECAST, FULL, NOW, SEEN, status
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.sizing.decision import Decision, Step
from utilitarian_operator.core.status.recall import remembered
from utilitarian_operator.core.status.report import Reported, StatusInput
from utilitarian_operator.core.status.size import CONDITION_LENGTH, size
from utilitarian_operator.core.status.status import fleet_status


def crowd(schedules: int, pools: int = 100) -> dict[str, Any]:
    """A status of the largest fleet, each of its pools awake in as many runs."""
    runs = [{"name": f"hourly-run-{number}", "start": f"{number} * * * *"} for number in range(schedules)]
    asked = made(*({"name": f"pool-{number:03}", "schedule": runs} for number in range(pools)))
    memory = replace(
        FULL,
        arrivals=FULL.arrivals * 5,
        highs=FULL.highs * 10,
        runs=tuple(replace(FULL.runs[0], name=run["name"]) for run in runs),
        opened=tuple((run["name"], NOW) for run in runs),
        history=FULL.history * 6,
    )
    names = [pool.name for pool in asked.pools]
    because = "run hourly-run-1: 12,345 tasks of 5.2 s, deadline in 27m: 9 workers"
    steps = tuple(Step(rule, 3, 9, because) for rule in ("demand", "run", "calm", "bounds"))
    snapshot = FleetSnapshot(
        NOW, dict.fromkeys(names, SEEN.pools["a"]), last_messages=dict.fromkeys(map(str, range(100)), NOW)
    )
    forecasts = dict.fromkeys(names, (FORECAST,))
    about = StatusInput(3, starts=dict.fromkeys(names, NOW), runs=forecasts)
    return fleet_status(
        Reported(asked, snapshot, dict.fromkeys(names, Decision(9, steps)), dict.fromkeys(names, memory), {}, about)
    )


@pytest.mark.parametrize("schedules", [0, 1, 10])
def test_a_hundred_busy_pools_fit_and_what_they_decide_by_is_kept(schedules: int) -> None:
    said = crowd(schedules)
    assert size(said) <= 200 * 1024
    for pool in said["pools"]:
        memory = remembered({"pools": [pool]}, NOW)[pool["name"]]
        assert (memory.slot_seconds, memory.completions, memory.longest_s) == (12.5, 3.5, 60.0)
        assert memory.eta_sleep == FULL.eta_sleep
        assert len(memory.runs) == schedules
        assert pool["message"]
        assert pool["run"]["eta"]


def test_a_small_fleet_is_told_whole() -> None:
    (pool,) = crowd(3, pools=1)["pools"]
    assert (len(pool["trail"]), len(pool["history"]), len(pool["memory"]["opened"])) == (4, 12, 3)


def test_a_peer_of_any_name_makes_no_message_that_the_api_server_refuses() -> None:
    peer = "x" * 100_000
    said = status(replace(SEEN, broker=Unknown(f"statistics are read from {peer}", NOW - timedelta(hours=1))))
    messages = [it["message"] for it in said["conditions"]]
    assert max(map(len, messages)) == CONDITION_LENGTH
    assert next(it for it in messages if len(it) == CONDITION_LENGTH).startswith("statistics are read from xxx")
