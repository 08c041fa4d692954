"""What a pool's status tells, in words: each rule's outlook, each price, and the facts that decide anew."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.pools import NOW, facts, fleet
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.explain import next_changes as outlooks
from utilitarian_operator.core.explain.explanation import explain, next_run, troubles
from utilitarian_operator.core.explain.from_status import decisions_now, facts_from_status
from utilitarian_operator.core.observation.model import Unknown
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.memory_json import to_text
from utilitarian_operator.core.sizing.pools import FleetContext, decide_fleet

UNTIL = "2026-03-02T15:00:00Z"


def told(decided: Fleet, seen: Facts, memory: Memory = Memory(), **more: Any) -> dict[str, Any]:  # noqa: B008 - frozen
    """The resource as an operator would leave it that sees this and decides by the real rules."""
    context = more.pop("circumstances", FleetContext(now=NOW))
    decisions, memories = decide_fleet(decided, {"pool": seen}, {"pool": memory}, context)
    decision = decisions["pool"]
    pool = {
        "name": "pool",
        "replicas": seen.current,
        "ready": seen.serving,
        "desired": decision.replicas,
        "draining": 0,
        "busy": seen.running,
        "deferred": seen.deferred,
        "reason": decision.rule,
        "message": decision.message,
        "trail": [asdict(step) for step in decision.trail],
        "memory": to_text(memories["pool"]),
    }
    if not isinstance(seen.ready, Unknown):
        pool |= {"backlog": seen.ready, "unacked": 0}
    return {
        "metadata": {"name": "fleet", "namespace": "test", "annotations": more.pop("annotations", {})},
        "status": {"pools": [pool], **more},
    }


def one(**pool: Any) -> Fleet:
    spec = {key: pool.pop(key) for key in ("mode", "maxWorkers") if key in pool}
    return fleet({"name": "pool", **pool}, **spec)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


MEASURED = Memory(slot_seconds=1_000, completions=200, start_up=28, longest=12, busy_since=ago(600), period_seconds=5)

OUTLOOKS: dict[str, tuple[Fleet, dict[str, Any], str]] = {
    "asleep": (one(), {"seen": facts(0)}, "the first message wakes it with one worker"),
    "work": (
        one(worker={"concurrency": 20}),
        {"seen": facts(20_000, current=9), "memory": MEASURED},
        "from 20,701 tasks on, 5 s each, it asks for 10 workers",
    ),
    "at its max": (
        one(worker={"concurrency": 20}, scaling={"max": 5}),
        {"seen": facts(20_000, current=5), "memory": MEASURED},
        "scaling.max: 9 lets it have all that it asks for; now it is 5",
    ),
    "at its min": (one(scaling={"min": 2}), {"seen": facts(0)}, "scaling.min is 2: a smaller one lets it have fewer"),
    "the fleet's ceiling": (
        one(worker={"concurrency": 20}, maxWorkers=4),
        {"seen": facts(20_000), "memory": MEASURED},
        "5 workers more when other pools give some back; or a spec.maxWorkers larger than 4, or a priority larger than",
    ),
    "idle since a moment ago": (
        one(),
        {"seen": facts(0, current=1), "memory": Memory(idle_since=ago(30))},
        "it sleeps at 2026-03-02T12:01:30Z if nothing comes until then",
    ),
    "idle, but with tasks for later": (
        one(),
        {"seen": facts(0, current=1, deferred=3)},
        "it sleeps when 3 tasks with a later time have run, or may be given back",
    ),
    "more workers than needed": (
        one(worker={"concurrency": 20}),
        {"seen": facts(130, current=9, idle=2), "memory": MEASURED},
        "a worker goes when no more than 120 tasks are left",
    ),
    "a demand that was larger a moment ago": (
        one(),
        {"seen": facts(1, current=9, idle=8), "memory": Memory(highs=((ago(30), 6),), surplus_since=ago(100))},
        "a worker goes when the smaller demand has lasted 1m",
    ),
    "unseen": (one(), {"seen": facts(None, current=4)}, "nothing changes until its queues are seen again"),
    "a missing queue": (
        one(),
        {"seen": facts(0, missing=("queue-pool",))},
        "the application declares the missing queue",
    ),
    "work held for a run": (
        one(schedule=[{"name": "nightly", "start": "0 2 * * *"}], scaling={"outsideRuns": "Hold"}),
        {"seen": facts(7)},
        "is done when a run opens (nightly); scaling.outsideRuns: React does it now",
    ),
    "an open run": (
        one(schedule=[{"name": "noon", "start": "0 12 * * *", "workers": 3, "until": "Duration", "duration": "1h"}]),
        {"seen": facts(1, current=3)},
        "noon is over: then demand alone counts",
    ),
    "the next run": (
        one(schedule=[{"name": "nightly", "start": "0 2 * * *", "workers": 3}]),
        {"seen": facts(0)},
        "run nightly starts at 2026-03-03T02:00:00Z, 3 workers from 2026-03-03T01:58:00Z on",
    ),
    "an operator that has just started": (
        one(),
        {"seen": facts(0, current=2), "circumstances": FleetContext(now=NOW, running_for=timedelta())},
        "workers go again when the operator has seen well, twice, and run for 1m",
    ),
    "paused": (one(mode="Paused"), {"seen": facts(10)}, "spec.mode: Auto sets it to 1"),
}


@pytest.mark.parametrize("name", OUTLOOKS)
def test_what_would_change_the_number(name: str) -> None:
    decided, look, said = OUTLOOKS[name]
    explanation = explain(told(decided, **look), decided, "pool", NOW)
    assert any(said in sentence for sentence in explanation.ahead), explanation


def test_an_override_names_its_end_and_how_to_end_it_now() -> None:
    decided = one()
    annotations = {"utilitarian.io/override.pool": f"5 until {UNTIL}"}
    resource = told(decided, facts(0), annotations=annotations)
    trail = decisions_now(decided, resource, NOW)["pool"].trail
    resource["status"]["pools"][0] |= {"trail": [asdict(step) for step in trail]}
    ahead = explain(resource, decided, "pool", NOW).ahead
    assert f"the rules decide again at {UNTIL}, or without the annotation utilitarian.io/override.pool" in ahead


SLOW = replace(MEASURED, slot_seconds=200_000.0, period_seconds=1_000, longest=4_000, busy_since=ago(20_000))

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
    trade_offs = explain(told(decided, seen, memory), decided, "pool", NOW).trade_offs
    assert any(what in trade_off.what and cure in trade_off.cure for trade_off in trade_offs), trade_offs


def test_tasks_that_the_broker_keeps_for_later_are_seen_and_one_that_it_does_not_has_another_cure() -> None:
    decided = one()
    resource = told(decided, facts(0, current=1, deferred=3), delayed=12)
    explanation = explain(resource, decided, "pool", NOW)
    assert explanation.seen["in the broker"] == "12 tasks for later, of all queues: each wakes its pool when it is due"
    assert [trade_off.cure for trade_off in explanation.trade_offs if "later time" in trade_off.what] == [
        "a topic exchange: Celery's native delayed delivery is set up, and keeps back no task of a direct one"
    ]
    assert "in the broker" not in explain(told(decided, facts(0), delayed=0), decided, "pool", NOW).seen


def test_a_pool_that_keeps_its_promises_has_no_price() -> None:
    decided = one()
    assert explain(told(decided, facts(100, current=2), MEASURED), decided, "pool", NOW).trade_offs == ()


def test_what_is_seen_and_remembered_is_told_with_its_numbers() -> None:
    decided = one()
    seen = facts(100, current=3, running=8, serving=2, deferred=4)
    memory = replace(MEASURED, arrivals=((ago(30), 120),))
    explanation = explain(told(decided, seen, memory), decided, "pool", NOW)
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
    explanation = explain(told(decided, facts(None, current=4)), decided, "pool", NOW)
    assert explanation.seen["waiting"] == "unknown"
    assert "its status does not tell" in str(facts_from_status(_pool(told(decided, facts(None))), NOW).ready)


@pytest.mark.parametrize(
    "pool,at_least,work",
    [
        pytest.param({}, None, None, id="never-seen"),
        pytest.param({"backlog": 5}, 5, None, id="unacked-unknown"),
        pytest.param({"backlog": 5, "unacked": 3, "busy": 2, "replicas": 1}, 8, 8, id="late-acknowledgement"),
        pytest.param({"backlog": 5, "unacked": 0, "busy": 2, "replicas": 1}, 7, 7, id="early-acknowledgement"),
        pytest.param({"backlog": 0, "unacked": 3, "busy": 0, "deferred": 3, "replicas": 1}, 0, 0, id="later-ones"),
    ],
)
def test_the_facts_that_a_status_tells(pool: Mapping[str, Any], at_least: int | None, work: int | None) -> None:
    told = facts_from_status(pool, NOW)
    assert told.at_least == at_least
    assert isinstance(told.work, Unknown) if work is None else told.work == work


# What a status doesn't have: decided anew, the operator has run for long and every queue is there.
NOT_TOLD = {"an operator that has just started", "a missing queue"}


@pytest.mark.parametrize("name", sorted(OUTLOOKS.keys() - NOT_TOLD))
def test_deciding_again_from_the_status_comes_to_the_same(name: str) -> None:
    decided, look, _ = OUTLOOKS[name]
    resource = told(decided, **look)
    assert decisions_now(decided, resource, NOW)["pool"].replicas == _pool(resource)["desired"]


def test_an_edit_is_decided_by_what_was_seen_last() -> None:
    seen = told(one(worker={"concurrency": 20}), facts(20_000, current=9), MEASURED)
    edited = one(worker={"concurrency": 20}, scaling={"max": 4})
    assert decisions_now(edited, seen, NOW)["pool"].rule == "bounds"


def test_conditions_that_are_as_they_should_be_are_no_trouble() -> None:
    def condition(kind: str, status: str) -> dict[str, str]:
        return {"type": kind, "status": status, "reason": "Why", "message": "because"}

    good = [condition(kind, "True") for kind in ("Ready", "BrokerReachable", "QueuesCovered", "BeatReady")]
    good += [condition(kind, "False") for kind in ("Stalled", "AtMaximum", "DeadlineAtRisk")]
    good += [condition("Reconciling", "True")]
    assert list(troubles({"conditions": good})) == []
    bad = [condition("Ready", "Unknown"), condition("AtMaximum", "True")]
    assert list(troubles({"conditions": bad})) == ["Ready=Unknown, Why: because", "AtMaximum=True, Why: because"]


def test_the_names_of_queues_without_a_pool_are_not_repeated_beside_each_pool() -> None:
    meant = "no pool consumes utilitarian.tasks.amr, utilitarian.tasks.external; if that is meant, name them in ..."
    condition = {"type": "QueuesCovered", "status": "False", "reason": "NoPool", "message": meant}
    fleet = one()
    resource = told(fleet, facts(0))
    resource["status"]["conditions"] = [condition]
    (only,) = explain(resource, fleet, "pool", NOW).troubles
    assert only.startswith("QueuesCovered=False, NoPool: `status` names the queues")
    assert list(troubles(resource["status"])) == [f"QueuesCovered=False, NoPool: {meant}"]


def test_the_next_run_is_the_first_of_all_schedules() -> None:
    schedule = [{"name": "late", "start": "0 3 * * *"}, {"name": "early", "start": "0 2 * * *"}]
    assert next_run(one(schedule=schedule).pools[0], NOW) == ("early", datetime(2026, 3, 3, 2, tzinfo=UTC))
    assert next_run(one().pools[0], NOW) is None


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


def _pool(resource: Mapping[str, Any]) -> dict[str, Any]:
    pool: dict[str, Any] = resource["status"]["pools"][0]
    return pool
