"""One worker's odd answer counts as silence of that worker alone."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from utilitarian_operator.adapters.broker.mailbox import AnswersBox
from utilitarian_operator.adapters.broker.remote_control import (
    LEARNING,
    QUESTIONS,
    QUEUES,
    REGISTERED,
    _held,
    _tasks,
)
from utilitarian_operator.adapters.broker.timing import (
    CLOCK,
)
from utilitarian_operator.core.never_started import AFTER

QUIET: dict[str, Any] = {
    **{question: [] for question in (*QUESTIONS, QUEUES, REGISTERED)},
    LEARNING: {"total": {}, "pool": {}, "uptime": 5},
}
NODE, ODD = "celery@a", "celery@odd"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "total", "pool", "uptime", "time_start", "eta", "exchange", "implementation", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def said(question: str, replies: list[object], *, all_workers: bool = False) -> dict[str, Any]:
    """The answers of those who sent these replies."""

    def call(*_: object, callback: Callable[[object], None], **__: object) -> list[object]:
        for reply in replies:
            callback(reply)
        return replies

    mailbox: Any = SimpleNamespace(call=call, multi_call=lambda *_, **__: replies, seconds=CLOCK.monotonic)
    return AnswersBox.ask(mailbox, question, None if all_workers else [NODE, ODD], {})


@pytest.mark.parametrize("all_workers", [False, True])
@given(question=st.sampled_from(sorted(QUIET)), odd=VALUES, whole=st.booleans())
@example(question="active", odd=[{"name": []}], whole=False)
@example(question=LEARNING, odd={"pool": {"implementation": []}}, whole=False)
def test_an_odd_reply_takes_away_no_other_answer(question: str, odd: object, *, whole: bool, all_workers: bool) -> None:
    found = said(question, [odd if whole else {ODD: odd}, {NODE: QUIET[question]}], all_workers=all_workers)
    assert found[NODE] == QUIET[question]
    if question != REGISTERED and ODD in found:
        answers = {name: {ODD: answer} for name, answer in QUIET.items()} | {question: {ODD: found[ODD]}}
        assert _held(answers, ODD, time.time(), _tasks((), answers[LEARNING][ODD], AFTER)).unacked >= 0


@pytest.mark.parametrize(
    "question,answer",
    [
        pytest.param("active", [{"id": "x", "time_start": None}, {"time_start": 1.5}], id="tasks"),
        pytest.param("scheduled", [{"eta": "2026-11-23T12:00:00Z", "request": {}}], id="later"),
        pytest.param(QUEUES, [{"name": "q", "exchange": {"type": "direct"}}], id="queues"),
        pytest.param(REGISTERED, ["a.task [rate_limit=10/m]"], id="registered"),
        pytest.param(LEARNING, {"total": {"a.task": 3}, "pool": {"implementation": "p"}, "uptime": 9}, id="statistics"),
        pytest.param("report", {"ok": "celery:5.7.0"}, id="report"),
    ],
)
def test_an_answer_is_one(question: str, answer: object) -> None:
    assert said(question, [{NODE: answer}]) == {NODE: answer}


def test_a_worker_whose_pool_has_not_begun_is_silent() -> None:
    """Celery itself says so then, in its `stats`."""
    assert said(LEARNING, [{ODD: {"total": {}, "pool": "N/A", "uptime": 0}}, {NODE: QUIET[LEARNING]}]).keys() == {NODE}
