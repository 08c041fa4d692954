"""Answers are collected for as long as they come, in bounded time; what can't be decoded is none, and is named."""

import itertools
from collections.abc import Iterator

import pytest
from kombu import Connection, Producer

from utilitarian_operator.adapters.broker.workers.mailbox import LONGEST_READING, AnswersBox

PICKLE = "application/x-python-serialize"


@pytest.fixture
def box() -> Iterator[AnswersBox]:
    with Connection("memory://") as connection:
        ticks = itertools.count()
        box = AnswersBox("celery", accept=["json"], seconds=lambda: float(next(ticks)))(connection)
        box.reply_queue(connection.default_channel).declare()
        yield box


def answered(box: AnswersBox, body: object, ticket: str = "ours", content: str = "") -> None:
    """A worker's answer comes in."""
    how = {"content_type": content, "content_encoding": "binary"} if content else {"serializer": "json"}
    producer = Producer(box.connection.default_channel, box.reply_exchange, box.oid)
    producer.publish(body, headers={"ticket": ticket}, **how)


def test_only_answers_to_this_question_count(box: AnswersBox) -> None:
    for ticket in ("ours", "earlier", "ours"):
        answered(box, {"celery@a": ticket}, ticket)
    assert box._collect("ours", limit=2) == [{"celery@a": "ours"}] * 2


def test_what_can_not_be_decoded_is_no_answer_and_ends_nothing(box: AnswersBox) -> None:
    answered(box, b"\x80", content=PICKLE)
    answered(box, {"celery@a": []})
    answered(box, b"\x80", ticket="earlier", content="application/x-yaml")
    heard: list[object] = []
    assert box._collect("ours", limit=2, callback=heard.append) == [{"celery@a": []}]
    assert heard == [{"celery@a": []}]
    assert box.unreadable == {PICKLE}


def test_however_many_come_that_are_of_no_use_the_reading_ends(box: AnswersBox) -> None:
    for _ in range(2 * LONGEST_READING):
        answered(box, {"celery@a": []}, "earlier")
    assert box._collect("ours", limit=1, timeout=1.0) == []
    left = box.reply_queue(box.connection.default_channel).queue_declare(passive=True).message_count
    assert 0 < left < 2 * LONGEST_READING


def test_no_question_is_sent_where_no_worker_is_there(box: AnswersBox) -> None:
    assert box.ask("active", []) == {}
