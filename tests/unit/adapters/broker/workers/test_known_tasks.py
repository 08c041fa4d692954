"""What is kept of the word of workers on their tasks, and who is asked for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest

from utilitarian_operator.adapters.broker.workers import known_tasks
from utilitarian_operator.adapters.broker.workers.known_tasks import (
    AGAIN_EACH_S,
    MOST_AGAIN,
    MOST_AT_ONCE,
    REGISTERED,
    SETTINGS,
    KnownTasks,
)
from utilitarian_operator.adapters.broker.workers.mailbox import AnswersBox
from utilitarian_operator.adapters.broker.workers.replies import LONGEST_REGISTERED, MOST_REGISTERED, is_answer

STATS: Mapping[str, Any] = {"total": {}, "pool": {}}


@dataclass
class Answering:
    """Workers whose application has an entry for each queue, which expires after so many seconds; some are silent."""

    expires: dict[str, float]
    silent: tuple[str, ...] = ()
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def ask(self, question: str, nodes: Sequence[str], **_: object) -> dict[str, Any]:
        self.asked.append((question, tuple(nodes)))
        entries = {queue: {"task": "t", "options": {"queue": queue, "expires": s}} for queue, s in self.expires.items()}
        answer: object = ["t [acks_late=False]"] if question == REGISTERED else {"beat_schedule": entries}
        return {node: answer for node in nodes if node not in self.silent or question == REGISTERED}


def learned(known: KnownTasks, workers: Answering, consumed: Mapping[str, tuple[str, ...]]) -> dict[str, timedelta]:
    mailbox = cast("AnswersBox", workers)
    known.learn(mailbox, dict.fromkeys(consumed, STATS), consumed, forget=False, now=0.0)
    assert SETTINGS not in [question for question, _ in workers.asked], "a large answer would take the others along"
    while known.has_new:
        known.ask_settings(mailbox)
    return {it.queue: it.after for it in known.expiring}


def seconds(**queues: float) -> dict[str, timedelta]:
    return {queue: timedelta(seconds=it) for queue, it in queues.items()}


def test_of_the_new_workers_one_for_each_set_of_queues_is_asked_for_its_settings() -> None:
    workers = Answering({"q": 5})
    known, consumed = KnownTasks(timedelta(seconds=1)), {"a": ("q",), "b": ("q",), "c": ("r", "s"), "d": ()}
    assert learned(known, workers, consumed) == seconds(q=5)
    assert [set(nodes) for question, nodes in workers.asked if question == SETTINGS] == [{"b", "c"}]
    workers.asked.clear()
    learned(known, workers, consumed)
    assert {nodes for _, nodes in workers.asked} == {()}


def test_few_are_asked_at_a_time_and_each_once_whatever_it_says() -> None:
    known, workers = KnownTasks(timedelta(seconds=1)), Answering({}, silent=("n3", "n7"))
    learned(known, workers, {f"n{n}": (f"q{n}",) for n in range(10)})
    asked = [nodes for question, nodes in workers.asked if question == SETTINGS]
    assert [len(nodes) for nodes in asked] == [MOST_AT_ONCE, MOST_AT_ONCE, 2]
    assert len({node for nodes in asked for node in nodes}) == 10


def test_a_new_worker_of_the_same_queues_replaces_what_was_said_and_of_others_nothing() -> None:
    known = KnownTasks(timedelta(seconds=1))
    learned(known, Answering({"q": 5}), {"a": ("q", "r")})
    assert learned(known, Answering({"s": 7}), {"b": ("s",)}) == seconds(q=5, s=7)
    assert learned(known, Answering({"q": 9}, silent=("c",)), {"c": ("q",)}) == seconds(q=5, s=7)
    assert learned(known, Answering({"q": 9}), {"d": ("q",)}) == seconds(q=9, s=7)


def test_names_of_tasks_are_kept_once_and_no_more_of_them_than_have_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker said 12 MiB of them, and all were kept for as long as it was there."""
    monkeypatch.setattr(known_tasks, "MOST_KEPT", 10)
    known = KnownTasks(timedelta(seconds=1))
    said = {"a": "four", "b": "four", "c": "sixsix", "d": "x", "e": "four"}
    answers = {node: [f"{name} [rate_limit=1/m]"] for node, name in said.items()}
    mailbox = cast("AnswersBox", Saying(answers))
    known.learn(mailbox, dict.fromkeys(said, STATS), {node: (node,) for node in said}, forget=False, now=0.0)
    kept = {node: known.of(node).limited for node in said}
    assert kept == {**{node: frozenset({name}) for node, name in said.items()}, "d": frozenset()}
    assert known.of("a") is known.of("b") is known.of("e")
    asked = list(iter(lambda: settings_asked(known), ()))
    assert asked == [("a", "b", "c", "e")]


def test_of_what_expires_no_more_is_kept_than_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """What workers said that have gone is kept, and new ones may consume other queues each time."""
    monkeypatch.setattr(known_tasks, "MOST_EXPIRING", 3)
    known = KnownTasks(timedelta(seconds=1))
    for number in range(5):
        found = learned(known, Answering({f"q{number}": 5}), {f"n{number}": (f"q{number}",)})
    assert found == seconds(q2=5, q3=5, q4=5)


LIMITED, FREE = ["t [rate_limit=1/m acks_late=False]"], ["t [acks_late=False]"]


@pytest.mark.parametrize(
    "before, after, after_s, up_s, limited",
    [
        pytest.param(FREE, LIMITED, AGAIN_EACH_S, None, True, id="one that came"),
        pytest.param(LIMITED, FREE, AGAIN_EACH_S, 99, True, id="one that went, for which messages may wait"),
        pytest.param(LIMITED, FREE, AGAIN_EACH_S, AGAIN_EACH_S - 1, True, id="as old as the last answer, perhaps"),
        pytest.param(LIMITED, FREE, AGAIN_EACH_S, AGAIN_EACH_S - 2, False, id="a process that began since"),
        pytest.param(LIMITED, None, AGAIN_EACH_S, None, True, id="a worker that is silent just now"),
        pytest.param(FREE, LIMITED, AGAIN_EACH_S - 1, None, False, id="not asked again yet"),
    ],
)
def test_a_rate_limit_that_comes_or_goes_while_a_worker_runs_is_known(
    before: list[str], after: list[str] | None, after_s: float, up_s: float | None, limited: bool
) -> None:
    """A person may set one with Celery's `rate_limit`: what waits for it stood in no answer, and the pool slept."""
    known = KnownTasks(timedelta(seconds=1))
    for at, lines in (0.0, before), (after_s, after):
        mailbox = cast("AnswersBox", Saying({} if lines is None else {"a": lines}))
        known.learn(mailbox, {"a": {**STATS, "uptime": up_s}}, {"a": ("q",)}, forget=True, now=at)
    assert known.of("a").limited == (frozenset({"t"}) if limited else frozenset())
    assert settings_asked(known) == ("a",)
    known.learn(mailbox, {"a": STATS}, {"a": ("q",)}, forget=True, now=9 * AGAIN_EACH_S)
    assert settings_asked(known) == ()


def test_of_many_workers_each_is_asked_again_in_its_turn() -> None:
    known, workers = KnownTasks(timedelta(seconds=1)), Answering({})
    nodes = {f"n{number:03}": STATS for number in range(3 * MOST_AGAIN)}
    for turn in range(4):
        known.learn(cast("AnswersBox", workers), nodes, {}, forget=True, now=turn and AGAIN_EACH_S + turn)
    first, *again = [asked for _, asked in workers.asked]
    assert set(first) == nodes.keys()
    assert [len(asked) for asked in again] == [MOST_AGAIN] * 3
    assert {node for asked in again for node in asked} == nodes.keys()


@dataclass
class Saying:
    """Workers that say these of their tasks."""

    answers: Mapping[str, Any]
    asked: tuple[str, ...] = ()

    def ask(self, question: str, nodes: Sequence[str], **_: object) -> Mapping[str, Any]:
        self.asked = tuple(nodes) if question == SETTINGS else ()
        return {node: self.answers[node] for node in nodes if node in self.answers and question == REGISTERED}


def settings_asked(known: KnownTasks) -> tuple[str, ...]:
    """The workers that are asked for their settings next."""
    if not known.has_new:
        return ()
    workers = Saying({})
    known.ask_settings(cast("AnswersBox", workers))
    return workers.asked


@pytest.mark.parametrize(
    "lines, heard",
    [(["a"] * MOST_REGISTERED, True), (["a"] * (MOST_REGISTERED + 1), False), (["a" * LONGEST_REGISTERED, "a"], False)],
    ids=["as many as are read", "too many", "too long"],
)
def test_no_more_names_of_tasks_are_read_of_one_worker_than_an_application_has(lines: list[str], heard: bool) -> None:
    assert is_answer(REGISTERED, lines) is heard
