"""Answers are collected for as long as they come, in bounded time; what can't be decoded is none, and is named."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection, Producer

from utilitarian_operator.adapters.broker.workers.mailbox import LONGEST_READING, MOST_KINDS, UNSHOWN, AnswersBox
from utilitarian_operator.core.observation.broker_settings import TOO_LARGE

A, B = "celery@a", "celery@b"
PICKLE = "application/x-python-serialize"
WAIT_S = 0.2
"""All answers are there before they are read, so it is waited for no other one for long."""


@pytest.fixture
def box() -> Iterator[AnswersBox]:
    with Connection("memory://") as connection:
        ticks = itertools.count(step=WAIT_S)
        box = AnswersBox("celery", accept=["json"], seconds=lambda: next(ticks))(connection)
        box.reply_queue(connection.default_channel).declare()
        yield box


def answered(box: AnswersBox, body: object, ticket: str | None = "ours", content: str = "") -> None:
    """A worker's answer comes in."""
    how = {"content_type": content, "content_encoding": "binary"} if content else {"serializer": "json"}
    producer = Producer(box.connection.default_channel, box.reply_exchange, box.oid)
    producer.publish(body, headers={} if ticket is None else {"ticket": ticket}, **how)


def collected(box: AnswersBox, *asked: str, **options: Any) -> list[object]:
    """What is read after a question to these workers."""
    box._asked = asked
    return box._collect("ours", **{"timeout": WAIT_S, **options})


def test_only_answers_to_this_question_count(box: AnswersBox) -> None:
    answered(box, {A: "earlier"}, "earlier")
    answered(box, {A: "to no question"}, None)
    answered(box, {A: "ours"})
    assert collected(box, A) == [{A: "ours"}]


@pytest.mark.parametrize(
    "first", [{A: []}, {"celery@stranger": []}, [], "a", None], ids=["said twice", "not asked", "list", "text", "null"]
)
def test_what_another_says_stands_for_no_answer(box: AnswersBox, first: object) -> None:
    """One reply too many had the reading end before all that were asked had answered: another one was silent by it."""
    for body in (first, {A: []}, {B: []}):
        answered(box, body)
    assert collected(box, A, B) == [first, {A: []}, {B: []}]


def test_of_any_number_of_contents_a_few_are_named(box: AnswersBox) -> None:
    """All of them were kept, for as long as the fleet was there."""
    for number in range(2 * MOST_KINDS):
        answered(box, b"x", content=f"application/x-{number}")
    answered(box, b"", content="application/json")
    answered(box, {A: []})
    assert collected(box, A, timeout=10 * WAIT_S) == [{A: []}]
    assert len(box.unreadable) == MOST_KINDS + 1
    assert TOO_LARGE in box.unreadable


def test_what_can_not_be_decoded_is_no_answer_and_ends_nothing(box: AnswersBox) -> None:
    answered(box, b"\x80", content=PICKLE)
    answered(box, b"\x80", content=PICKLE)
    answered(box, {A: []})
    answered(box, b"\x80", ticket="earlier", content="application/x-yaml")
    heard: list[object] = []
    assert collected(box, A, B, callback=heard.append) == [{A: []}]
    assert heard == [{A: []}]
    assert box.unreadable == {PICKLE}


@pytest.mark.parametrize(
    "argument",
    [
        pytest.param({"__type__": "point", "__value__": [1, 2]}, id="of the application's own"),
        pytest.param({"__type__": "decimal", "__value__": "no number"}, id="of the library's, and none"),
        pytest.param({"__type__": [], "__value__": 1}, id="of none"),
    ],
)
def test_an_argument_of_whatever_type_makes_no_worker_silent(box: AnswersBox, argument: object) -> None:
    """A worker was deaf while it held such a task, Stuck after five minutes, and replaced under the task."""
    answered(box, {A: [{"args": [argument]}]})
    assert collected(box, A) == [{A: [{"args": [argument]}]}]
    assert box.unreadable == set()


@pytest.mark.parametrize("body", [b"{", b"\x80", b"[" * 100_000], ids=["broken off", "no text", "too deep"])
def test_of_what_claims_to_be_json_it_is_not_said_that_json_is_never_decoded(box: AnswersBox, body: bytes) -> None:
    answered(box, body, content="application/json")
    assert collected(box, A) == []
    assert box.unreadable == set()


def test_a_content_type_is_only_told_if_it_can_be_shown(box: AnswersBox) -> None:
    answered(box, b"\x80", content="a\u202eb")
    assert collected(box, A) == []
    assert box.unreadable == {UNSHOWN}


def test_however_many_come_that_are_of_no_use_the_reading_ends(box: AnswersBox) -> None:
    for _ in range(2 * LONGEST_READING):
        answered(box, {A: []}, "earlier")
    assert collected(box, A) == []
    left = box.reply_queue(box.connection.default_channel).queue_declare(passive=True).message_count
    assert 0 < left < 2 * LONGEST_READING


def test_no_question_is_sent_where_no_worker_is_there(box: AnswersBox) -> None:
    assert box.ask("active", []) == {}
