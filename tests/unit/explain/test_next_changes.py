from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest

from tests.support.explained import OUTLOOKS, left_by_operator, one
from tests.support.pools import NOW, facts
from utilitarian_operator.core.explain import next_changes as outlooks
from utilitarian_operator.core.explain.explanation import explain
from utilitarian_operator.core.explain.from_status import decisions_now
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext
from utilitarian_operator.core.sizing.runs.run_state import OpenRun
from utilitarian_operator.core.spec.by_hand import PAUSED
from utilitarian_operator.core.spec.override import PREFIX, overrides

UNTIL = "2026-03-02T15:00:00Z"


@pytest.mark.parametrize("name", OUTLOOKS)
def test_what_would_change_the_number(name: str) -> None:
    decided, look, said = OUTLOOKS[name]
    explanation = explain(left_by_operator(decided, **look), decided, "pool", NOW)
    assert any(said in sentence for sentence in explanation.ahead), explanation


def test_an_override_names_its_end_and_how_to_end_it_now() -> None:
    decided = one()
    annotations = {"utilitarian.io/override.pool": f"5 until {UNTIL}"}
    resource = left_by_operator(decided, facts(0), annotations=annotations)
    trail = decisions_now(decided, resource, NOW)["pool"].trail
    resource["status"]["pools"][0] |= {"trail": [asdict(step) for step in trail]}
    ahead = explain(resource, decided, "pool", NOW).ahead
    assert f"the rules decide again at {UNTIL}, or without the annotation utilitarian.io/override.pool" in ahead


def test_a_pause_by_annotation_names_its_end_and_how_to_end_it_now() -> None:
    decided = one()
    annotations = {"utilitarian.io/paused": f"until {UNTIL}"}
    resource = left_by_operator(decided, facts(10), annotations=annotations)
    trail = decisions_now(decided, resource, NOW)["pool"].trail
    assert trail[-1].because.startswith(f"paused by annotation until {UNTIL}: would be 1 (10 tasks of ")
    resource["status"]["pools"][0] |= {"trail": [asdict(step) for step in trail]}
    ahead = explain(resource, decided, "pool", NOW).ahead
    assert "the rules set it to 1 when the pause is over, or without the annotation utilitarian.io/paused" in ahead


HELD: dict[str, Any] = {"scaling": {"outsideRuns": "Hold"}}
NIGHTLY = {"name": "nightly", "start": "0 2 * * *"}
NOON = {"name": "noon", "start": "0 12 * * *", "finishWithin": "2h"}


@pytest.mark.parametrize("work", [0, 7])
@pytest.mark.parametrize(
    "pool,more",
    [
        pytest.param({"schedule": [NIGHTLY], **HELD}, {}, id="held-for-a-run"),
        pytest.param({"mode": "Paused"}, {}, id="paused"),
        pytest.param({}, {"annotations": {PAUSED: f"until {UNTIL}"}}, id="paused-by-annotation"),
        pytest.param({}, {"annotations": {f"{PREFIX}pool": f"0 until {UNTIL}"}}, id="a-number-by-hand"),
        pytest.param({}, {"circumstances": FleetContext(NOW, given_up={"pool": "taken"})}, id="its-queue-is-taken"),
        pytest.param({"schedule": [NOON]}, {}, id="a-run-with-a-deadline"),
    ],
)
def test_nothing_is_said_of_the_tasks_that_would_wake_a_pool_or_let_it_grow_where_none_would(
    pool: dict[str, Any], more: dict[str, Any], work: int
) -> None:
    decided = one(**pool)
    resource = left_by_operator(decided, facts(work), annotations=dict(more.get("annotations", {})), **_context(more))
    ahead = explain(resource, decided, "pool", NOW).ahead
    assert not [it for it in ahead if "first message" in it or "it asks for" in it], ahead


def _context(more: dict[str, Any]) -> dict[str, Any]:
    found = overrides(more.get("annotations", {}))[0]
    return {"circumstances": more.get("circumstances", FleetContext(NOW, overrides=found))}


def test_a_worker_that_is_kept_for_the_next_run_sleeps_after_it() -> None:
    decided = one(schedule=[{"name": "soon", "start": "5 12 * * *", "warmUp": "5m"}])
    asked = NOW - timedelta(seconds=4)
    resource = left_by_operator(
        decided,
        facts(0, current=1),
        Memory(idle_since=NOW - timedelta(hours=1), looked_at=asked),
        circumstances=FleetContext(asked),
    )
    ahead = explain(resource, decided, "pool", asked).ahead
    assert ahead[0] == "it sleeps when run soon, which is about to begin, is over"


def test_two_open_runs_of_a_schedule_are_named_once() -> None:
    decided = one(schedule=[{"name": "noon", "start": "1 12 * * *", "workers": 3, "finishWithin": "24h"}])
    memory = Memory(runs=(OpenRun("noon", NOW - timedelta(seconds=86_340)),))
    ahead = explain(left_by_operator(decided, facts(1, current=3), memory), decided, "pool", NOW).ahead
    assert "noon is over: then demand alone counts" in ahead


@pytest.mark.parametrize(
    "ahead,said",
    [
        (timedelta(seconds=1), "in 1s"),
        (timedelta(seconds=119), "in 1m59s"),
        (timedelta(minutes=23, seconds=20), "in 23m"),
        (timedelta(hours=5, minutes=10), "in 5h10m"),
        (timedelta(days=12, hours=3), "in 12 days"),
    ],
)
def test_how_long_it_is_to_a_moment(ahead: timedelta, said: str) -> None:
    assert outlooks.until(NOW + ahead, NOW) == said
