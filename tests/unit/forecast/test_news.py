from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.pools import NOW, facts, fleet
from utilitarian_operator.core.forecast.news import Watched, watch
from utilitarian_operator.core.observation.beat import BeatSnapshot
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.sizing.decision import Decision, Step, start
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.runs.run_state import OpenRun, Outcome, PastRun

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


def decided(workers: int = 5, *more: Step) -> Decision:
    decision = start(Step("run", 0, workers, "so many"))
    for step in more:
        decision = decision.then(step)
    return decision


SIGHT = FleetSnapshot(NOW, {}, beat=BeatSnapshot(ready=True))
LOOKED = replace(MEASURED, looked_at=NOW - SECOND)


def watched(before: Memory, after: Memory, work: int | None = 20_000, snapshot: FleetSnapshot = SIGHT) -> Watched:
    seen: Facts = facts(work, current=5, serving=5)
    return watch(FLEET, snapshot, {"pool": seen}, {"pool": decided()}, {"pool": before}, {"pool": after})


def news(*args: Any, **kwargs: Any) -> list[tuple[str, str]]:
    return [(it.reason, it.note) for it in watched(*args, **kwargs).news]


OPEN, RISKY = replace(LOOKED, runs=(RUN,)), replace(LOOKED, runs=(replace(RUN, at_risk=True),))
MISSED = replace(LOOKED, runs=(OpenRun("run", STARTED, STARTED, missed=True),))
OVERDUE = replace(LOOKED, runs=(replace(RUN, start=NOW - 3 * HOUR, at_risk=True),))
PAST = PastRun("run", STARTED, NOW, NOW - 3 * MINUTE, Outcome.LATE, 500, 20, 3600)


@pytest.mark.parametrize(
    "found, expected",
    [
        pytest.param(news(OPEN, OPEN), [("DeadlineAtRisk", "pool pool: run run: 20,000 tasks left")], id="at-risk"),
        pytest.param(news(RISKY, RISKY), [], id="still-at-risk"),
        pytest.param(news(RISKY, RISKY, None), [], id="at-risk-and-unseen"),
        pytest.param(news(RISKY, RISKY, 10), [("DeadlineSafe", "run run will be done in time")], id="safe-again"),
        pytest.param(news(RISKY, RISKY, 0), [("DeadlineSafe", "run run is done in time")], id="done-in-time"),
        pytest.param(news(OVERDUE, replace(OVERDUE, idle_since=NOW), 0), [], id="done-too-late"),
        pytest.param(news(OVERDUE, OVERDUE, 0), [], id="done-too-late-as-far-as-is-known"),
        pytest.param(
            news(replace(MISSED, runs=(replace(MISSED.runs[0], missed=False),)), MISSED, 0),
            [
                (
                    "RunMissed",
                    "pool pool: run run was due at 2026-03-02T11:00:00Z and no message came within 15m: is beat alive",
                )
            ],
            id="missed",
        ),
        pytest.param(news(MISSED, MISSED, 0), [], id="still-missed"),
        pytest.param(
            news(OPEN, replace(LOOKED, history=(PAST,))),
            [("DeadlineMissed", "run run of 2026-03-02T11:00:00Z was done 3m after its deadline: 500 tasks with 20")],
            id="late",
        ),
        pytest.param(
            news(OPEN, replace(LOOKED, history=(replace(PAST, outcome=Outcome.OVERTAKEN),))),
            [("RunOverlaps", "the next run begins, and run of 2026-03-02T11:00:00Z is not done")],
            id="overtaken",
        ),
        pytest.param(news(OPEN, replace(LOOKED, history=(replace(PAST, outcome=Outcome.DONE),))), [], id="done"),
        pytest.param(
            news(
                replace(LOOKED, runs=(RUN, OpenRun("run", NOW))), replace(LOOKED, runs=(RUN, OpenRun("run", NOW))), 100
            ),
            [("RunOverlaps", "run of 2026-03-02T11:00:00Z still has 100 tasks")],
            id="longer-than-its-period",
        ),
    ],
)
def test_what_is_new_is_told_once(found: list[tuple[str, str]], expected: list[tuple[str, str]]) -> None:
    assert [reason for reason, _ in found] == [reason for reason, _ in expected], found
    assert all(words in note for (_, note), (_, words) in zip(found, expected, strict=True)), found


@pytest.mark.parametrize(
    "snapshot, says",
    [
        pytest.param(SIGHT, "(beat's pod is ready)", id="ready"),
        pytest.param(
            replace(SIGHT, beat=BeatSnapshot()), "(beat is not ready: see the condition BeatReady)", id="not-ready"
        ),
        pytest.param(replace(SIGHT, beat=None), "(spec.beat.enabled is false", id="disabled"),
        pytest.param(
            replace(SIGHT, last_messages={"queue-pool": NOW, "another": NOW + timedelta(hours=1)}),
            f"(beat's pod is ready; the last message came {NOW:%Y-%m-%dT%H:%M:%SZ})",
            id="when-it-last-sent",
        ),
    ],
)
def test_a_missed_run_says_how_beat_is(snapshot: FleetSnapshot, says: str) -> None:
    ((_, note),) = news(replace(MISSED, runs=()), MISSED, 0, snapshot)
    assert says in note


def test_what_is_at_risk_is_remembered_and_what_is_over_is_counted() -> None:
    it = watched(OPEN, replace(OPEN, history=(PAST,)))
    assert [run.at_risk for run in it.memories["pool"].runs] == [True]
    assert it.ended == (("pool", PAST),)
