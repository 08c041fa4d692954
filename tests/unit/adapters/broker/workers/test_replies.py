"""One worker's odd answer counts as silence of that worker alone."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from amqp.serialization import dumps
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from utilitarian_operator.adapters.broker.timing import (
    CLOCK,
)
from utilitarian_operator.adapters.broker.workers.known_tasks import REGISTERED, tasks_of
from utilitarian_operator.adapters.broker.workers.mailbox import AnswersBox
from utilitarian_operator.adapters.broker.workers.remote_control import (
    FARTHEST,
    LEARNING,
    QUESTIONS,
    QUEUES,
    _held,
    eta,
)
from utilitarian_operator.adapters.broker.workers.replies import MOST_WORKERS, TASKS
from utilitarian_operator.core.never_started import AFTER
from utilitarian_operator.core.observation.counted.worked import Worked, heard, word

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
        assert _held(answers, ODD, time.time(), tasks_of((), answers[LEARNING][ODD], AFTER)).unacked >= 0


@pytest.mark.parametrize(
    "question,answer",
    [
        pytest.param("active", [{"id": "x", "time_start": None}, {"time_start": 1.5}], id="tasks"),
        pytest.param("scheduled", [{"eta": "2026-11-23T12:00:00Z", "request": {}}], id="later"),
        pytest.param(QUEUES, [{"name": "q", "exchange": {"type": "direct"}}], id="queues"),
        pytest.param(REGISTERED, ["a.task [rate_limit=10/m]"], id="registered"),
        pytest.param(LEARNING, {"total": {"a.task": 3}, "pool": {"implementation": "p"}, "uptime": 9}, id="statistics"),
        pytest.param("report", {"ok": "celery:5.7.0"}, id="report"),
        pytest.param("conf", {"task_default_queue": "q"}, id="settings"),
    ],
)
def test_an_answer_is_one(question: str, answer: object) -> None:
    assert said(question, [{NODE: answer}]) == {NODE: answer}


def test_a_worker_whose_pool_has_not_begun_is_silent() -> None:
    """Celery itself says so then, in its `stats`."""
    assert said(LEARNING, [{ODD: {"total": {}, "pool": "N/A", "uptime": 0}}, {NODE: QUIET[LEARNING]}]).keys() == {NODE}


@pytest.mark.parametrize(
    "question,answer",
    [
        pytest.param("active", [{"time_start": float("nan")}], id="began at no time"),
        pytest.param("active", [{"time_start": float("-inf")}], id="has run for ever"),
        pytest.param("active", [{"time_start": -1e300}], id="has run for longer than there is"),
        pytest.param(LEARNING, {"total": {}, "uptime": 10**400}, id="up for longer than a number holds"),
        pytest.param(LEARNING, {"total": {"a": 10**400}, "uptime": 1}, id="more tasks than a number holds"),
        pytest.param(QUEUES, [{"name": "x" * 256}], id="a name longer than a broker takes"),
        pytest.param(QUEUES, [{"name": "é" * 128}], id="a name of more bytes than a broker takes"),
        pytest.param(QUEUES, [{"name": "q\ud800"}], id="a name that is no text"),
        pytest.param(QUEUES, [{"name": str(number)} for number in range(1_001)], id="more queues than a worker has"),
    ],
)
def test_what_nothing_can_be_reckoned_with_is_no_answer(question: str, answer: object) -> None:
    assert ODD not in said(question, [{ODD: answer}, {NODE: QUIET[question]}])


def test_no_more_names_are_heard_than_workers_there_can_be() -> None:
    """Half a million fit into what is read of one broker: each look of its fleets went through them."""
    crowd: dict[str, list[object]] = {f"celery@{number}": [] for number in range(MOST_WORKERS + 1)}
    assert len(said(QUEUES, [crowd, {NODE: []}], all_workers=True)) == MOST_WORKERS
    assert said(QUEUES, [crowd, {NODE: []}]) == {NODE: []}


TASK, OTHER = {"id": "1"}, {"id": "2"}


@pytest.mark.parametrize("question", sorted(TASKS))
@pytest.mark.parametrize("first, second", [([], [TASK]), ([TASK], []), ([TASK], [OTHER, OTHER])])
def test_two_of_one_name_hold_what_both_hold(question: str, first: list[object], second: list[object]) -> None:
    """The last one's word was taken for both: a busy worker could look empty."""
    assert said(question, [{NODE: first}, {NODE: second}]) == {NODE: [*first, *second]}


def test_what_is_said_twice_counts_once() -> None:
    assert said("active", [{NODE: [TASK]}] * 2) == {NODE: [TASK]}


def test_an_odd_answer_by_a_name_takes_nothing_from_what_it_holds() -> None:
    for replies in ([{NODE: [TASK]}, {NODE: {"error": "x"}}], [{NODE: {"error": "x"}}, {NODE: [TASK]}]):
        assert said("active", replies) == {NODE: [TASK]}


@pytest.mark.parametrize("question", sorted(QUIET))
def test_who_was_not_asked_is_not_heard(question: str) -> None:
    assert said(question, [{"celery@stranger": QUIET[question], NODE: QUIET[question]}]).keys() == {NODE}


@pytest.mark.parametrize("name", ["", "x" * 256, "celery@\ud800", "celery@\x1b[2J", "celery@\u202e"])
def test_a_name_that_no_worker_has_is_not_heard(name: str) -> None:
    """It came into the status: of a megabyte, or with characters that are none."""
    assert said(QUEUES, [{name: []}, {NODE: []}], all_workers=True).keys() == {NODE}


@given(name=st.text(st.characters(codec=None), max_size=300))
@example(name="\udfff")
def test_whatever_counts_as_a_queue_can_be_asked_for_and_shown(name: str) -> None:
    if ODD in said(QUEUES, [{ODD: [{"name": name}]}]):
        assert dumps("s", [name])  # as the broker is asked for it
        registry = CollectorRegistry()
        Gauge("depth", "of a queue", ["queue"], registry=registry).labels(name)
        assert generate_latest(registry)


@given(moments=st.lists(st.datetimes() | st.datetimes().map(datetime.isoformat), min_size=1, max_size=3))
@example(moments=["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"])
@example(moments=["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_any_time_of_a_task_can_be_reckoned_with(moments: list[object]) -> None:
    now = time.time()
    for moment in moments:
        found = eta(moment, now)
        assert found is not None
        assert abs(found.timestamp() - now) <= FARTHEST.total_seconds() + 1


@given(
    stats=st.dictionaries(st.sampled_from(["total", "uptime", "pool"]), VALUES),
    active=st.lists(st.dictionaries(st.sampled_from(["time_start", "name", "acknowledged"]), VALUES), max_size=3),
)
def test_whatever_counts_as_an_answer_can_be_added_up(stats: dict[str, Any], active: list[Any]) -> None:
    found = {question: said(question, [{ODD: it}]) for question, it in ((LEARNING, stats), ("active", active))}
    if all(ODD in it for it in found.values()):
        answers = {name: {ODD: answer} for name, answer in QUIET.items()} | found
        held = _held(answers, ODD, time.time(), tasks_of((), found[LEARNING][ODD], AFTER))
        worked = heard(heard(Worked(), word(held, 5.0)), word(held, 6.0))
        assert worked.ended + worked.slot_seconds >= 0
        assert timedelta(seconds=held.oldest_s) >= timedelta()
