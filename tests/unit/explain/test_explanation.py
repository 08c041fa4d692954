"""What a pool's status tells, in words: each rule's outlook, each price, and the facts that decide anew."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.explained import MEASURED, ago, left_by_operator, one
from tests.support.pools import NOW, facts
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.explain.explanation import explain, next_run, wrong_conditions
from utilitarian_operator.core.explain.from_status import facts_from_status
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory

SLOW = replace(MEASURED, slot_seconds=200_000.0, period_seconds=1_000, longest_s=4_000, busy_since=ago(20_000))

PRICES: dict[str, tuple[Fleet, Facts, Memory, str, str]] = {
    "tasks longer than the promise": (
        one(worker={"concurrency": 2, "prefetchMultiplier": 4}),
        facts(5, current=2),
        SLOW,
        "no number of workers gets them started in time",
        "worker.prefetchMultiplier: 1, a smaller worker.concurrency, late acknowledgement",
    ),
    "a worker waits for its longest task": (
        one(worker={"concurrency": 20}),
        facts(5, current=2),
        SLOW,
        "20 at a time: the longest seen took 4,000 s",
        "a smaller worker.concurrency with a larger scaling.max",
    ),
    "a promise shorter than a start": (
        one(scaling={"drainWithin": "10s"}),
        facts(0),
        MEASURED,
        "asleep, it takes 28 s to start a worker, and drainWithin is 10s",
        "scaling.min: 1",
    ),
    "single tasks between which it sleeps": (
        one(),
        facts(0),
        replace(MEASURED, arrivals=((ago(500), 1), (ago(300), 1), (ago(100), 1))),
        "tasks come about every 3m12s, and it sleeps after 2m",
        "scaling.idleAfter longer than 3m12s",
    ),
    "others consume its queues on purpose": (
        one(foreignConsumers="Expected"),
        facts(0),
        Memory(),
        "what those run is in no figure here",
        "foreignConsumers left out",
    ),
    "tasks for later": (
        one(),
        facts(0, current=1, deferred=50),
        Memory(),
        "50 tasks with a later time wait inside a worker",
        "native delayed delivery",
    ),
}


@pytest.mark.parametrize("name", PRICES)
def test_known_prices_are_said_with_their_cure(name: str) -> None:
    decided, seen, memory, what, cure = PRICES[name]
    trade_offs = explain(left_by_operator(decided, seen, memory), decided, "pool", NOW).trade_offs
    assert any(what in trade_off.what and cure in trade_off.cure for trade_off in trade_offs), trade_offs


def test_tasks_that_the_broker_keeps_for_later_are_seen_and_one_that_it_does_not_has_another_cure() -> None:
    decided = one()
    resource = left_by_operator(decided, facts(0, current=1, deferred=3), delayed=12)
    explanation = explain(resource, decided, "pool", NOW)
    assert explanation.seen["in the broker"] == "12 tasks for later, of all queues: each wakes its pool when it is due"
    assert [trade_off.cure for trade_off in explanation.trade_offs if "later time" in trade_off.what] == [
        "a topic exchange: Celery's native delayed delivery is set up, and keeps back no task of a direct one"
    ]
    assert "in the broker" not in explain(left_by_operator(decided, facts(0), delayed=0), decided, "pool", NOW).seen


def test_a_pool_that_keeps_its_promises_has_no_price() -> None:
    decided = one()
    assert explain(left_by_operator(decided, facts(100, current=2), MEASURED), decided, "pool", NOW).trade_offs == ()


@pytest.mark.parametrize(
    "pool",
    [
        pytest.param({"scaling": {"wake": "WhenDue"}}, id="they-wait-until-they-are-due"),
        pytest.param(
            {"scaling": {"outsideRuns": "Hold"}, "schedule": [{"name": "run", "start": "0 2 * * *"}]},
            id="they-wait-for-the-next-run",
        ),
    ],
)
def test_single_tasks_that_may_wait_are_no_price(pool: dict[str, Any]) -> None:
    seldom = replace(MEASURED, arrivals=((ago(500), 1), (ago(300), 1), (ago(100), 1)), busy_since=None)
    decided = one(**pool)
    found = explain(left_by_operator(decided, facts(0), seldom), decided, "pool", NOW).trade_offs
    assert not [it for it in found if "tasks come about every" in it.what]


def test_what_is_seen_and_remembered_is_told_with_its_numbers() -> None:
    decided = one()
    seen = facts(100, current=3, running=8, serving=2, deferred=4)
    memory = replace(MEASURED, arrivals=((ago(30), 120),))
    explanation = explain(left_by_operator(decided, seen, memory), decided, "pool", NOW)
    assert explanation.seen == {
        "waiting": "100 tasks",
        "not acknowledged": "0 messages",
        "running": "8 tasks",
        "for later": "4 tasks",
        "workers": "2 ready of 3 asked for",
    }
    assert explanation.remembered["a task takes"] == "5 s (over 200 tasks; first guess 5s)"
    assert explanation.remembered["a worker starts in"] == "28 s (measured)"
    assert explanation.remembered["longest task"] == "12 s"
    assert "a second over the last 9m35s" in explanation.remembered["arrivals"]
    assert explanation.remembered["busy since"] == "2026-03-02T11:50:00Z"


def test_what_was_never_seen_is_said_so() -> None:
    decided = one()
    explanation = explain({"metadata": {"name": "fleet"}}, decided, "pool", NOW)
    assert explanation.summary == "no operator has looked at it yet: its status is empty"
    assert (explanation.seen, explanation.trail, explanation.ahead) == ({}, (), ())
    assert explanation.remembered["a worker starts in"] == "5 s (assumed: none was measured)"


def test_unknown_figures_are_not_zero() -> None:
    decided = one()
    explanation = explain(left_by_operator(decided, facts(None, current=4)), decided, "pool", NOW)
    assert explanation.seen["waiting"] == "unknown"
    assert "its status does not tell" in str(
        facts_from_status(_pool(left_by_operator(decided, facts(None))), NOW).ready
    )


def test_conditions_that_are_as_they_should_be_are_no_warning() -> None:
    def condition(kind: str, status: str) -> dict[str, str]:
        return {"type": kind, "status": status, "reason": "Why", "message": "because"}

    good = [condition(kind, "True") for kind in ("Ready", "BrokerReachable", "QueuesCovered", "BeatReady")]
    good += [condition(kind, "False") for kind in ("Stalled", "AtMaximum", "DeadlineAtRisk")]
    good += [condition("Reconciling", "True")]
    assert list(wrong_conditions({"conditions": good})) == []
    bad = [condition("Ready", "Unknown"), condition("AtMaximum", "True")]
    assert list(wrong_conditions({"conditions": bad})) == [
        "Ready=Unknown, Why: because",
        "AtMaximum=True, Why: because",
    ]


def test_the_names_of_queues_without_a_pool_are_not_repeated_beside_each_pool() -> None:
    meant = "no pool consumes utilitarian.tasks.amr, utilitarian.tasks.external; if that is meant, name them in ..."
    condition = {"type": "QueuesCovered", "status": "False", "reason": "NoPool", "message": meant}
    fleet = one()
    resource = left_by_operator(fleet, facts(0))
    resource["status"]["conditions"] = [condition]
    (only,) = explain(resource, fleet, "pool", NOW).warnings
    assert only.startswith("QueuesCovered=False, NoPool: `status` names the queues")
    assert list(wrong_conditions(resource["status"])) == [f"QueuesCovered=False, NoPool: {meant}"]


def test_the_next_run_is_the_first_of_all_schedules() -> None:
    schedule = [{"name": "late", "start": "0 3 * * *"}, {"name": "early", "start": "0 2 * * *"}]
    assert next_run(one(schedule=schedule).pools[0], NOW) == ("early", datetime(2026, 3, 3, 2, tzinfo=UTC))
    assert next_run(one().pools[0], NOW) is None


def _pool(resource: Mapping[str, Any]) -> dict[str, Any]:
    pool: dict[str, Any] = resource["status"]["pools"][0]
    return pool


def test_cautions_and_advice_are_those_of_the_pool_and_of_the_whole_fleet() -> None:
    decided = one(worker={"execution": "solo", "prefetchMultiplier": 128})
    resource = left_by_operator(decided, facts(0), Memory())
    resource["status"]["advice"] = ["pool pool, queue q: x", "pool pool: y", "pool other: z", "of all"]
    explanation = explain(resource, decided, "pool", NOW)
    assert [it.rule for it in explanation.cautions] == ["prefetch-behind-a-task"]
    assert explanation.warnings[-2:] == ("pool pool, queue q: x", "pool pool: y")
