"""What is kept of the word of workers on their tasks, and who is asked for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from utilitarian_operator.adapters.broker.workers.known_tasks import MOST_AT_ONCE, REGISTERED, SETTINGS, KnownTasks
from utilitarian_operator.adapters.broker.workers.mailbox import AnswersBox

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
    known.learn(mailbox, dict.fromkeys(consumed, STATS), consumed, forget=False)
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
