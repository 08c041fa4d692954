"""The log of decisions: a line for each that is another one, and none while all stays as it is."""

import logging

import pytest

from utilitarian_operator.adapters.cluster.cache import Key
from utilitarian_operator.core.sizing.decision import Decision, Rule, Step, start
from utilitarian_operator.reconcile.act.decision_log import DecisionLog

KEY = Key("metering", "utilitarian")
IDLE = start(Step(Rule.IDLE, 0, 0, "nothing to do"))


def demand(tasks: int, workers: int) -> Decision:
    return start(Step(Rule.DEMAND, 0, workers, f"{tasks} tasks of 5 s: {workers} workers"))


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, str]]:
    found = [(vars(it)["pool"], vars(it)["workers"], vars(it)["trail"]) for it in caplog.records]
    caplog.clear()
    return found


def test_a_decision_is_said_when_it_changes_and_not_while_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    log = DecisionLog()
    with caplog.at_level(logging.INFO):
        log.decided(KEY, {"amr": IDLE, "commits": IDLE})
        assert lines(caplog) == [("amr", 0, "idle 0 to 0: nothing to do"), ("commits", 0, "idle 0 to 0: nothing to do")]
        log.decided(KEY, {"amr": demand(80, 2), "commits": IDLE})
        assert lines(caplog) == [("amr", 2, "demand 0 to 2: 80 tasks of 5 s: 2 workers")]
        log.decided(KEY, {"amr": demand(79, 2), "commits": IDLE})
        assert lines(caplog) == []
        bounded = demand(79, 2).then(Step(Rule.BOUNDS, 2, 1, "max is 1, 2 workers would be needed"))
        log.decided(KEY, {"amr": bounded, "commits": IDLE})
        ((pool, workers, trail),) = lines(caplog)
        assert (pool, workers) == ("amr", 1)
        assert trail.endswith("; bounds 2 to 1: max is 1, 2 workers would be needed")


def test_a_line_names_the_fleet_and_its_text_is_constant(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        DecisionLog().decided(KEY, {"amr": IDLE})
    (record,) = caplog.records
    assert record.getMessage() == "decision changed"
    assert vars(record)["fleet"] == "metering/utilitarian"


def test_a_pool_or_a_fleet_that_comes_back_is_said_anew(caplog: pytest.LogCaptureFixture) -> None:
    log = DecisionLog()
    log.decided(KEY, {"amr": IDLE})
    log.decided(KEY, {})
    with caplog.at_level(logging.INFO):
        log.decided(KEY, {"amr": IDLE})
        assert len(lines(caplog)) == 1
        log.forget(KEY)
        log.decided(KEY, {"amr": IDLE})
        assert len(lines(caplog)) == 1
