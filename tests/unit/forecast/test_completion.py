"""When a run will be done, how sure that is, when it is at risk and what would help; and what is told of it, once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.pools import NOW, facts, fleet
from utilitarian_operator.core.forecast.completion import Cause, Forecast, forecast
from utilitarian_operator.core.sizing.decision import Decision, Step, start
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.runs.run_state import OpenRun

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
STARTED = NOW - HOUR
POOL = {
    "name": "pool",
    "worker": {"concurrency": 10},
    "scaling": {"max": 20, "taskDuration": "10s"},
    "schedule": [{"name": "run", "start": "0 11 * * *", "finishWithin": "2h"}],
}
FLEET = fleet(POOL, maxWorkers=20)
MEASURED = Memory(slot_seconds=10_000, completions=1_000, longest_s=10)
RUN = OpenRun("run", STARTED, STARTED, STARTED, NOW)
LATE = replace(RUN, start=NOW - 2 * HOUR - 5 * MINUTE)
MAX = Step("bounds", 30, 20, "max is 20, 30 workers would be needed")
BUDGET = Step("budget", 30, 4, "maxWorkers is 20")


def decided(workers: int = 5, *more: Step) -> Decision:
    decision = start(Step("run", 0, workers, "so many"))
    for step in more:
        decision = decision.then(step)
    return decision


def said(
    work: int | None, run: OpenRun = RUN, decision: Decision | None = None, memory: Memory = MEASURED, **more: Any
) -> Forecast:
    decision = decision or decided()
    seen: Facts = facts(work, **{"current": 5, "serving": 5, **more})
    return forecast(FLEET, FLEET.pools[0], seen, decision, replace(memory, runs=(run,)), NOW)[0]


def test_the_end_is_the_work_by_the_slots_with_its_uncertainty() -> None:
    it = said(10_000)  # of 10 s over 50 slots: 2,000 s, ± 2 * 2,000 * sqrt(1 / 10,000 + 1 / 1,005)
    assert it.eta == NOW + 2_000 * SECOND
    assert it.uncertainty is not None
    assert it.uncertainty.total_seconds() == pytest.approx(132.3, abs=0.1)
    assert (it.remaining, it.deadline, it.risk) == (10_000, NOW + HOUR, None)


@pytest.mark.parametrize(
    "less_sure",
    [
        pytest.param({"memory": Memory()}, id="nothing-was-measured"),
        pytest.param({"memory": replace(MEASURED, longest_s=600)}, id="one-task-was-long"),
    ],
)
def test_it_is_less_sure_where_less_is_known(less_sure: dict[str, Any]) -> None:
    sure, other = said(1_000).uncertainty, said(1_000, **less_sure).uncertainty
    assert sure is not None
    assert other is not None
    assert other > sure


@pytest.mark.parametrize(
    "it, eta",
    [
        pytest.param(said(None), None, id="unseen"),
        pytest.param(said(0), None, id="nothing-left"),
        pytest.param(said(10, replace(RUN, start=NOW + MINUTE)), None, id="not-begun"),
        pytest.param(said(10, decision=decided(0)), None, id="no-worker-works"),
        pytest.param(said(3), NOW + 10 * SECOND, id="a-slot-for-each"),
        pytest.param(said(3, serving=0), NOW + 15 * SECOND, id="they-are-starting"),
        pytest.param(said(1_000, serving=1), NOW + 204 * SECOND, id="those-that-start-count-from-their-start-up-on"),
        pytest.param(said(20, serving=2), NOW + 10 * SECOND, id="what-serves-is-done-before-others-have-started"),
        pytest.param(
            said(1_000, replace(RUN, short_since=NOW - 3 * SECOND), serving=1),
            NOW + timedelta(seconds=201.6),
            id="some-of-the-start-up-is-over",
        ),
        pytest.param(
            said(1_000, replace(RUN, short_since=NOW - 2 * MINUTE), serving=1),
            NOW + 1_000 * SECOND,
            id="those-that-don-t-come-do-not",
        ),
    ],
)
def test_when_it_will_be_done(it: Forecast, eta: object) -> None:
    assert it.eta == eta


ONE_OF_FIFTY = {
    "decision": decided(50),
    "current": 50,
    "serving": 1,
    "memory": replace(MEASURED, longest_s=32, start_up_s=120.0),
}
"""1,250 tasks of 10 s for 500 slots, of which ten serve: played, it is done after 157 s."""


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="with-a-start-up-that-was-measured"),
        pytest.param({"memory": replace(MEASURED, longest_s=32)}, id="with-one-that-was-not"),
    ],
)
def test_slots_that_are_still_starting_do_no_work_yet(more: dict[str, Any]) -> None:
    it = said(1_250, **(ONE_OF_FIFTY | more))
    assert it.eta is not None
    assert it.uncertainty is not None
    assert abs(it.eta - (NOW + 157 * SECOND)) <= it.uncertainty
    serving = said(1_250, **(ONE_OF_FIFTY | {"serving": 50}))
    assert serving.eta == NOW + 36 * SECOND


def test_no_work_is_too_much_for_a_forecast() -> None:
    it = said(10**15, memory=replace(MEASURED, slot_seconds=1e12))
    assert it.eta is not None
    assert it.eta > NOW + timedelta(days=36_000)


@pytest.mark.parametrize(
    "it, cause, says",
    [
        pytest.param(said(18_000), None, "", id="exactly-in-time"),
        pytest.param(said(20_000), Cause.TOO_MUCH_WORK, "no number of workers", id="too-late"),
        pytest.param(
            said(18_000, decision=decided(30, replace(MAX, after=5))),
            Cause.MAXIMUM_REACHED,
            "18,000 tasks left, done about 2026-03-02T13:00:00Z (± 3m53s), due 2026-03-02T13:00:00Z: "
            "scaling.max is 20: 30 would do",
            id="with-no-worker-to-spare-the-uncertainty-counts",
        ),
        pytest.param(
            said(
                18_000,
                decision=decided(30, replace(MAX, after=5)),
                memory=replace(MEASURED, slot_seconds=100, completions=10),
            ),
            None,
            "",
            id="but-not-that-of-a-guess",
        ),
        pytest.param(said(18_000, replace(RUN, at_risk=True)), Cause.TOO_MUCH_WORK, "", id="it-stays-at-risk"),
        pytest.param(said(16_000, replace(RUN, at_risk=True)), None, "", id="until-it-is-well-out-of-it"),
        pytest.param(
            said(20_000, decision=decided(30, BUDGET)),
            Cause.MAXIMUM_REACHED,
            "spec.maxWorkers is 20 and leaves 4 workers of 30 that would do: raise it, or the pool's priority (50)",
            id="the-fleet-s-ceiling",
        ),
        pytest.param(
            said(20_000, replace(RUN, short_since=NOW - 5 * MINUTE), serving=2),
            Cause.WORKERS_MISSING,
            "3 of 5 workers asked for are not ready since 2026-03-02T11:55:00Z: look at the pods of pool pool",
            id="pods-that-do-not-start",
        ),
        pytest.param(
            said(20_000, decision=decided(9, Step("override", 9, 1, "1 worker by annotation"))),
            Cause.HELD_DOWN,
            "1 worker by annotation",
            id="by-hand",
        ),
        pytest.param(
            said(
                80_000, decision=decided(9, Step("override", 9, 20, "20 workers by annotation")), serving=5, current=20
            ),
            Cause.TOO_MUCH_WORK,
            "no number of workers",
            id="more-by-hand-than-was-wanted",
        ),
        pytest.param(
            said(160_000, decision=decided(30, MAX, Step("override", 20, 40, "40 workers by annotation")), current=40),
            Cause.TOO_MUCH_WORK,
            "no number of workers",
            id="more-by-hand-than-its-max",
        ),
        pytest.param(
            said(20_000, decision=decided(30, MAX, Step("override", 20, 5, "5 workers by annotation"))),
            Cause.HELD_DOWN,
            "5 workers by annotation",
            id="fewer-by-hand-than-its-max",
        ),
        pytest.param(
            said(20_000, decision=decided(2, Step("paused", 2, 5, "paused: would be 2"))),
            Cause.TOO_MUCH_WORK,
            "no number of workers",
            id="paused-with-more-than-was-wanted",
        ),
        pytest.param(
            said(10, replace(RUN, start=NOW - 2 * HOUR)), Cause.OVERDUE, "the deadline has passed", id="overdue"
        ),
        pytest.param(
            said(0, LATE, memory=replace(MEASURED, idle_since=NOW - SECOND)),
            Cause.OVERDUE,
            "nothing is left since 2026-03-02T11:59:59Z, due 2026-03-02T11:55:00Z: the deadline has passed",
            id="done-after-its-deadline",
        ),
        pytest.param(
            said(0, LATE, memory=replace(MEASURED, idle_since=NOW - 6 * MINUTE)),
            None,
            "",
            id="done-before-its-deadline",
        ),
        pytest.param(
            said(0, replace(LATE, worked_at=None), memory=replace(MEASURED, idle_since=NOW)),
            None,
            "",
            id="done-while-no-operator-looked",
        ),
        pytest.param(
            said(10, LATE, decided(9, Step("override", 9, 0, "0 workers by annotation"))),
            Cause.OVERDUE,
            "the deadline has passed; 0 workers by annotation",
            id="overdue-by-hand",
        ),
        pytest.param(
            said(10, LATE, decided(9, Step("paused", 9, 0, "paused: would be 9"))),
            Cause.OVERDUE,
            "the deadline has passed; paused: would be 9",
            id="overdue-and-paused",
        ),
        pytest.param(
            said(10, replace(LATE, short_since=NOW - 5 * MINUTE), serving=0),
            Cause.OVERDUE,
            "the deadline has passed; 5 of 5 workers asked for are not ready",
            id="overdue-and-no-pod-starts",
        ),
        pytest.param(
            said(10, LATE, decided(0)),
            Cause.OVERDUE,
            "no worker works on them, due 2026-03-02T11:55:00Z: the deadline has passed; no worker is asked for: ",
            id="overdue-without-a-worker",
        ),
        pytest.param(
            said(20_000, decision=decided(9, Step("contested", 9, 1, "kubectl sets the number, too"))),
            Cause.HELD_DOWN,
            "kubectl sets the number, too",
            id="by-another-client",
        ),
        pytest.param(
            said(20_000, decision=decided(30, MAX), memory=replace(MEASURED, slot_seconds=40_000, longest_s=40)),
            Cause.MAXIMUM_REACHED,
            "a task takes 40 s, taskDuration says 10s",
            id="tasks-longer-than-thought",
        ),
        pytest.param(said(None, replace(RUN, at_risk=True)), Cause.NOT_SEEN, "unknown now", id="unseen-and-at-risk"),
    ],
)
def test_what_is_at_risk_and_what_would_help(it: Forecast, cause: Cause | None, says: str) -> None:
    assert (it.risk and it.risk.cause) == cause, it
    assert says in (it.risk.message if it.risk else "")


def test_the_nearest_deadline_comes_first() -> None:
    both = {**POOL, "schedule": [POOL["schedule"][0], {"name": "open", "start": "0 11 * * *"}]}  # type: ignore[index]
    asked = fleet(both)
    memory = replace(MEASURED, runs=(OpenRun("open", STARTED), OpenRun("gone", STARTED), RUN))
    names = [it.run.name for it in forecast(asked, asked.pools[0], facts(1), decided(), memory, NOW)]
    assert names == ["run", "open"]
