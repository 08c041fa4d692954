"""Waking when due: when a sleeping pool with work asks for a worker, and when one without work lets its workers go.

The pool has drainWithin 10m, 20 slots a worker and tasks of 5 s; a start takes 10 s, 18 s at most: a single task is due
600 - 18 - 3 = 579 s after it came.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.pools import NOW, facts, fleet, pool
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.sizing import when_due
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext, decide_fleet, decide_pool, first_seen_work
from utilitarian_operator.core.sizing.runs.run_state import OpenRun
from utilitarian_operator.core.spec.override import Override

WAITS = pool(concurrency=20, drainWithin="10m", taskDuration="5s", wake="WhenDue", idleAfter="2m")
SLEEPS = Memory(
    looked_at=NOW - timedelta(seconds=1),
    start_up_s=10.0,
    start_ups=(10.0,),
    start_up_deviation_s=1.0,
    started_at=NOW - timedelta(minutes=5),
)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def waited(seconds: float, **more: Any) -> Memory:
    return replace(SLEEPS, waiting_since=ago(seconds), **more)


def decided(seen: Facts, memory: Memory, **scaling: Any) -> tuple[int, str]:
    asked = pool(concurrency=20, drainWithin="10m", taskDuration="5s", **scaling) if scaling else WAITS
    decision, _ = decide_pool(asked, seen, memory, FleetContext(NOW))
    return decision.replicas, decision.rule


@pytest.mark.parametrize(
    "seen, memory, expected",
    [
        pytest.param(facts(1), SLEEPS, (0, "wait"), id="a-first-task-waits"),
        pytest.param(facts(1), waited(578), (0, "wait"), id="until-a-moment-before-it-is-due"),
        pytest.param(facts(1), waited(579), (1, "demand"), id="and-is-due"),
        pytest.param(facts(40), waited(573), (0, "wait"), id="forty-wait-for-two-waves-of-one-worker"),
        pytest.param(facts(40), waited(574), (1, "demand"), id="which-makes-them-due-earlier"),
        pytest.param(facts(20_000), SLEEPS, (9, "demand"), id="a-burst-that-one-worker-cannot-start-is-due-at-once"),
        pytest.param(facts(2, ready=0), SLEEPS, (0, "demand"), id="what-others-have-taken-waits-for-no-worker"),
        pytest.param(facts(2, ready=0), replace(SLEEPS, start_up_s=None), (1, "demand"), id="unless-no-start-is-known"),
        pytest.param(facts(None), waited(900), (0, "unknown"), id="unknown-sight-changes-nothing"),
        pytest.param(facts(1), waited(900), (1, "demand"), id="overdue-when-it-is-seen-again"),
        pytest.param(facts(None, seen_ready=1), waited(578), (0, "wait"), id="one-queue-unseen-it-waits-as-long"),
        pytest.param(facts(None, seen_ready=1), waited(579), (1, "demand"), id="and-is-due-all-the-same"),
        pytest.param(facts(1), Memory(start_up_s=10.0), (1, "demand"), id="a-restart-without-a-memory-wakes-at-once"),
        pytest.param(facts(1), Memory(looked_at=ago(1)), (1, "demand"), id="at-once-before-a-start-was-measured"),
        pytest.param(facts(1), replace(SLEEPS, start_up_s=290.0), (0, "wait"), id="room-for-two-long-starts"),
        pytest.param(facts(1), replace(SLEEPS, start_up_s=297.0), (1, "demand"), id="no-room-for-two-longer-ones"),
    ],
)
def test_a_sleeping_pool_wakes_when_its_oldest_task_is_due(
    seen: Facts, memory: Memory, expected: tuple[int, str]
) -> None:
    assert decided(seen, memory) == expected


@pytest.mark.parametrize(
    "scaling, memory",
    [
        pytest.param({"wake": "AtOnce"}, SLEEPS, id="at-once"),
        pytest.param({"wake": "WhenDue"}, replace(SLEEPS, runs=(OpenRun("run", NOW),)), id="a-run-is-open"),
    ],
)
def test_nothing_waits_where_something_else_rules(scaling: dict[str, Any], memory: Memory) -> None:
    schedule = [{"name": "run", "start": "0 12 * * *"}] if memory.runs else None
    asked = pool(concurrency=20, drainWithin="10m", taskDuration="5s", schedule=schedule, **scaling)
    decision, _ = decide_pool(asked, facts(1), memory, FleetContext(NOW))
    assert decision.replicas == 1


def test_a_catch_all_has_its_worker_whatever_is_asked_for() -> None:
    everything = fleet({"name": "all", "queues": None, "scaling": {"wake": "WhenDue"}}).pools[0]
    decision, _ = decide_pool(everything, facts(1), SLEEPS, FleetContext(NOW))
    assert decision.replicas == 1


def test_more_than_any_calendar_has_time_for_is_due_at_once() -> None:
    """A declare can say that four billion messages wait."""
    alone, memory = pool(concurrency=1, wake="WhenDue", drainWithin="10m", taskDuration="24h"), waited(60)
    assert when_due.due(alone, memory, 2**32 - 1, 86_400.0) == memory.waiting_since


def test_the_sentence_says_when_workers_are_asked_for() -> None:
    decision, _ = decide_pool(WAITS, facts(12), waited(100), FleetContext(NOW))
    assert (
        decision.message
        == "12 tasks wait; workers are asked for at 2026-03-02T12:07:59Z, so that they start within 10m"
    )


TWO_HOURS = NOW + timedelta(hours=2)
STRONGER = {
    "a-person-s-number": ({"overrides": {"pool": Override(0, TWO_HOURS)}}, "override", "0 workers by annotation"),
    "a-pause": ({"paused_until": TWO_HOURS}, "paused", "paused by annotation until 2026-03-02T14:00:00Z: would be 0 ("),
    "another-client": ({"contested": {"pool": "keda"}}, "contested", "keda sets the number, too"),
    "another-resource": ({"given_up": {"pool": "it has the queue"}}, "queue-taken", "it has the queue"),
}
"""What keeps a pool at zero also when its tasks are due: context, rule, and how its sentence begins."""


@pytest.mark.parametrize("context, rule, sentence", STRONGER.values(), ids=STRONGER)
def test_no_worker_is_announced_while_something_stronger_keeps_them_away(
    context: dict[str, Any], rule: str, sentence: str
) -> None:
    asked = replace(fleet({"name": "other"}, mode="Paused" if rule == "paused" else "Auto"), pools=(WAITS,))
    sizes = decide_fleet(asked, {"pool": facts(1)}, {"pool": SLEEPS}, FleetContext(NOW, **context))
    decision = sizes.decisions["pool"]
    assert (decision.replicas, decision.rule, decision.due) == (0, rule, None)
    assert decision.message.startswith(sentence)


SERVED = replace(SLEEPS, empty_looks=1)
BUSY = tuple((ago(at), 260) for at in range(580, 0, -58))
"""Four tasks a second and a little more, as far back as is remembered: they fill the slots of one worker."""


def serving(tasks: int = 0, *, ready: int = 0, **more: Any) -> Facts:
    return facts(tasks, current=1, **{"serving": 1, "ready": ready, "idle": int(not tasks), **more})


@pytest.mark.parametrize(
    "seen, memory, expected",
    [
        pytest.param(serving(), SERVED, (0, "demand"), id="nothing-to-do"),
        pytest.param(serving(3), SERVED, (0, "leave"), id="short-tasks-still-run"),
        pytest.param(serving(), SLEEPS, (1, "idle"), id="empty-at-one-look-only"),
        pytest.param(serving(1, ready=1), SERVED, (1, "demand"), id="a-message-waits"),
        pytest.param(
            serving(3), replace(SERVED, start_up_s=0.5, start_up_deviation_s=0.1), (1, "demand"), id="long-tasks-run"
        ),
        pytest.param(serving(serving=0), SERVED, (1, "idle"), id="no-worker-serves-yet"),
        pytest.param(serving(missing=("q",)), SERVED, (1, "missing-queue"), id="a-queue-is-missing"),
        pytest.param(
            replace(serving(), work=Unknown("a worker does not answer", NOW)),
            SERVED,
            (1, "calm"),
            id="what-it-holds-is-unknown",
        ),
        pytest.param(
            serving(deferred=2, first_due=NOW + timedelta(minutes=1)), SERVED, (1, "deferred"), id="tasks-for-soon"
        ),
        pytest.param(
            serving(deferred=2, first_due=NOW + timedelta(hours=1)), SERVED, (0, "demand"), id="tasks-for-later"
        ),
        pytest.param(serving(3), replace(SERVED, arrivals=BUSY), (1, "demand"), id="it-would-be-back-at-once"),
        pytest.param(
            serving(),
            replace(SERVED, start_up_s=297.0, started_at=ago(60)),
            (1, "idle"),
            id="a-start-leaves-no-room",
        ),
        pytest.param(
            serving(),
            replace(SERVED, start_up_s=297.0, started_at=ago(3601)),
            (0, "demand"),
            id="and-is-learned-again-once-an-hour",
        ),
        pytest.param(serving(), replace(SERVED, start_up_s=None), (1, "idle"), id="no-start-was-measured"),
    ],
)
def test_workers_leave_when_no_message_waits_and_a_sleep_pays(
    seen: Facts, memory: Memory, expected: tuple[int, str]
) -> None:
    assert decided(seen, memory) == expected
    if expected[0] == 0:  # on its way out it is no capacity, and what is taken waits for no other
        gone = replace(seen, current=0, serving=0, idle=0)
        assert decided(gone, replace(memory, empty_looks=0))[0] == 0


@pytest.mark.parametrize(
    "seen, before, expected",
    [
        pytest.param(facts(0), SLEEPS, None, id="nothing-waits"),
        pytest.param(facts(1), SLEEPS, ago(1), id="from-the-look-before-the-first-sight"),
        pytest.param(facts(1), waited(50), ago(50), id="goes-on"),
        pytest.param(facts(None), SLEEPS, ago(1), id="unseen-it-may-have-come"),
        pytest.param(facts(None), waited(50), ago(50), id="unseen-it-goes-on"),
        pytest.param(facts(0, consumed=True), waited(50), None, id="taken-by-another"),
        pytest.param(facts(0), waited(50), ago(50), id="a-zero-of-a-queue-without-its-leader"),
        pytest.param(facts(0), waited(90, idle_since=ago(59)), ago(90), id="which-may-last-until-another-is-elected"),
        pytest.param(facts(0), waited(90, idle_since=ago(60)), None, id="and-no-longer"),
        pytest.param(facts(1, current=1), SLEEPS, None, id="what-comes-to-a-worker-that-starts-waits-for-it"),
        pytest.param(facts(1, current=1), waited(50), ago(50), id="a-worker-is-asked-for"),
        pytest.param(facts(1, current=1, serving=1), waited(50), None, id="and-serves"),
        pytest.param(facts(1), Memory(), ago(600), id="it-was-not-seen-to-come"),
    ],
)
def test_since_when_the_oldest_message_waits(seen: Facts, before: Memory, expected: datetime | None) -> None:
    assert when_due.waiting_since(WAITS, seen, before, NOW) == expected
    _, after = decide_pool(WAITS, seen, before, FleetContext(NOW))
    assert after.waiting_since == expected


@pytest.mark.parametrize("back", [0.5, 30, 3600])
@pytest.mark.parametrize("seen", [facts(1), facts(None), facts(0)], ids=["seen", "unseen", "a-false-zero"])
def test_a_clock_that_is_set_back_makes_nothing_wait_longer_than_promised(seen: Facts, back: float) -> None:
    memory = replace(SLEEPS, looked_at=NOW, waiting_since=ago(50))
    _, after = decide_pool(WAITS, seen, memory, FleetContext(ago(back)))
    assert after.waiting_since == ago(back + 50)


ASKED = facts(1, current=1)
"""A worker is asked for, and none serves."""


@pytest.mark.parametrize(
    "seen, before, expected",
    [
        pytest.param(ASKED, SLEEPS, (NOW, 0.0), id="asked-for-now"),
        pytest.param(ASKED, replace(SLEEPS, asked_since=ago(30)), (ago(30), 0.0), id="goes-on"),
        pytest.param(serving(), replace(SLEEPS, asked_since=ago(20), start_delay_s=9.0), (None, 0.0), id="went-well"),
        pytest.param(serving(), replace(SLEEPS, asked_since=ago(250)), (None, 240.0), id="took-four-minutes-more"),
        pytest.param(facts(1), replace(SLEEPS, asked_since=ago(250)), (None, 240.0), id="given-up-after-as-long"),
        pytest.param(facts(1), replace(SLEEPS, asked_since=ago(5), start_delay_s=9.0), (None, 9.0), id="given-up-soon"),
        pytest.param(serving(), replace(SLEEPS, asked_since=ago(90_000)), (None, 3600.0), id="a-day-counts-as-an-hour"),
        pytest.param(ASKED, replace(SLEEPS, asked_since=ago(-60)), (NOW, 0.0), id="a-clock-that-was-set-back"),
        pytest.param(
            serving(), replace(SLEEPS, start_delay_s=9.0), (None, 9.0), id="a-worker-that-was-there-says-nothing"
        ),
        pytest.param(
            serving(started_up=(10.0,)),
            Memory(looked_at=ago(1), asked_since=ago(250)),
            (None, 240.0),
            id="of-the-first-start",
        ),
    ],
)
def test_what_the_last_start_took_beyond_a_start(
    seen: Facts, before: Memory, expected: tuple[datetime | None, float]
) -> None:
    _, after = decide_pool(WAITS, seen, before, FleetContext(NOW))
    assert (after.asked_since, after.start_delay_s) == expected


def test_a_pool_that_wakes_at_once_remembers_nothing_of_it() -> None:
    before = replace(SLEEPS, asked_since=ago(250), start_delay_s=9.0)
    _, after = decide_pool(pool(wake="AtOnce"), ASKED, before, FleetContext(NOW))
    assert (after.asked_since, after.start_delay_s) == (None, 0.0)


@pytest.mark.parametrize(
    "memory, expected",
    [
        pytest.param(waited(338, start_delay_s=240.0), (0, "wait"), id="until-a-moment-before-it-is-due"),
        pytest.param(waited(339, start_delay_s=240.0), (1, "demand"), id="earlier-by-what-the-last-start-took"),
        pytest.param(
            replace(SLEEPS, start_delay_s=3600.0), (1, "demand"), id="at-once-where-that-is-all-of-the-promise"
        ),
    ],
)
def test_after_a_start_that_took_long_a_pool_wakes_earlier(memory: Memory, expected: tuple[int, str]) -> None:
    assert decided(facts(1), memory) == expected


def test_a_worker_leaves_all_the_same_after_a_start_that_took_long() -> None:
    assert decided(serving(), replace(SERVED, start_delay_s=3600.0)) == (0, "demand")


def test_the_sentence_says_why_workers_are_asked_for_earlier() -> None:
    decision, _ = decide_pool(WAITS, facts(12), waited(100, start_delay_s=240.0), FleetContext(NOW))
    assert decision.message == (
        "12 tasks wait; workers are asked for at 2026-03-02T12:03:59Z, so that they start within 10m; "
        "4m of that because the last start took so much longer"
    )


def test_the_time_to_wake_a_pool_counts_from_the_moment_it_is_due() -> None:
    snapshot = FleetSnapshot(NOW, {"pool": PoolSnapshot({"q": Present(1, 0)}, 0, (), 0)})
    (waits, _), (due, _) = (decide_pool(WAITS, facts(1), waited(it), FleetContext(NOW)) for it in (578, 579))
    assert first_seen_work({"pool": ago(60)}, snapshot, {"pool": waits}) == {}
    assert first_seen_work({}, snapshot, {"pool": due}) == {"pool": NOW}
