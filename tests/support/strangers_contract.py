"""What is heard of workers while others reply to the same questions: oddly, in another's name, too late, too much."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pytest
from kombu.exceptions import ContentDisallowed

from utilitarian_operator.adapters.broker.bounded import calls
from utilitarian_operator.adapters.broker.workers import mailbox
from utilitarian_operator.core.observation.broker_settings import TOO_LARGE
from utilitarian_operator.errors import BrokerUnreachable

A, B, STRANGER = "celery@a", "celery@b", "celery@stranger"
BEAT = "celerybeat@theirs"
QUEUE = "work"
WITHIN_S = 0.4
"""How long an answer is waited for here."""
SOON_S, LATE_S = 0.1, 0.6
"""After another one's reply, but in time; and after a question was given up."""
OURS, NONE, ANOTHER = "ours", "none", "another"
YAML = "application/x-yaml"
LARGE = 9 * 1024 * 1024
"""Bytes: two replies of so many are more than is read in one call."""
MANY, MUCH = 80, 250 * 1024
"""Workers, and bytes that each says: together more than is read in one call."""


@dataclass(frozen=True)
class Reply:
    """One message that comes in answer to a question.

    Args:
        body: of it.
        after_s: the question.
        ticket: that it bears: of the question, of none, or of another question.
        content_type: empty for JSON.
    """

    body: object
    after_s: float = 0.0
    ticket: str = OURS
    content_type: str = ""


@dataclass(frozen=True)
class Speaker:
    """One that hears all questions.

    Args:
        says: its replies to a question.
        name: that it answers to; None answers whoever was asked.
    """

    says: Callable[[str], Sequence[Reply]]
    name: str | None = None

    def replies(self, question: str, asked: Sequence[str] | None) -> Sequence[Reply]:
        """To a question to these nodes, or to all."""
        return self.says(question) if self.name is None or asked is None or self.name in asked else ()


def answer(question: str, *tasks: str) -> Any:
    """What a worker says that runs these tasks."""
    match question:
        case "active":
            return [{"id": it, "name": "task", "time_start": 1.0, "acknowledged": True} for it in tasks]
        case "active_queues":
            return [{"name": QUEUE, "exchange": {"name": QUEUE, "type": "direct"}}]
        case "stats":
            return {"total": {"task": len(tasks)}, "pool": {}, "uptime": 5}
        case "report":
            return {"ok": "software -> celery:5.6.3"}
        case "ping":
            return {"ok": "pong"}
        case _:
            return []


def worker(name: str, *tasks: str, **how: Any) -> Speaker:
    """One that answers as Celery does, or nearly so."""
    return Speaker(lambda question: [Reply({name: answer(question, *tasks)}, **how)], name)


def meddler(*bodies: object) -> Speaker:
    """One that replies to all questions, at once."""
    return Speaker(lambda _: [Reply(body) for body in bodies])


def instead(name: str, *tasks: str, **how: Any) -> Speaker:
    """One that replies to all questions in a worker's name."""
    return replace(worker(name, *tasks, **how), name=None)


def saying(name: str, size: int, times: int = 1) -> Speaker:
    """One whose replies have so many bytes, and are no answers."""
    return Speaker(lambda _: [Reply({name: "x" * size})] * times, name)


def of_a_type_of_its_own(name: str) -> Speaker:
    """One that runs a task with an argument that its application alone can read (kombu's `register_type`)."""
    argument = {"__type__": "point", "__value__": [1, 2]}
    running = [{**it, "args": [argument]} for it in answer("active", "a")]
    return Speaker(lambda question: [Reply({name: running if question == "active" else answer(question)})], name)


class Scene(Protocol):
    """A broker, and what hears the questions of remote control there."""

    def speakers(self, *speakers: Speaker) -> None:
        """They hear from now on."""

    def active(self, *nodes: str) -> Mapping[str, int]:
        """Tasks that run, of each worker of these that is heard, in one bounded call.

        Raises:
            BrokerUnreachable: what came was too much.
        """

    def consuming(self) -> Mapping[str, Sequence[str]]:
        """The queues of every worker that is heard."""

    def begun(self, *nodes: str) -> Mapping[str, int]:
        """By a closer look: tasks begun, of each worker of these that is heard."""

    def beats(self) -> Sequence[str]:
        """Beats that answer."""

    def celery(self, node: str) -> str | None:
        """Its version."""

    def hook(self, node: str) -> Sequence[object]:
        """All replies that a preStop hook has, by kombu's own mailbox, when it asks its worker what runs.

        Raises:
            ContentDisallowed: one is not in JSON.
        """

    def unreadable(self) -> frozenset[str]:
        """Content types of replies to the last `active` that are never decoded."""

    def wait(self, condition: Callable[[], object]) -> None:
        """Let time go by until it is so.

        Raises:
            AssertionError: it did not come to be.
        """


SLOW = worker(B, "b", after_s=SOON_S)
BOTH, ALONE = {A: 1, B: 1}, {B: 1}
HEARD: Mapping[str, tuple[Sequence[Speaker], Mapping[str, int]]] = {
    "two workers": ([worker(A, "a"), SLOW], BOTH),
    "one that was not asked": ([instead(STRANGER), worker(A, "a"), SLOW], BOTH),
    "said twice": ([worker(A, "a"), worker(A, "a"), SLOW], BOTH),
    "with a type of the application's own": ([of_a_type_of_its_own(A), SLOW], BOTH),
    "another by its name that is idle": ([worker(A, "a"), instead(A), SLOW], BOTH),
    "another by its name that is busy": ([worker(A, "a"), instead(A, "c", "d"), SLOW], {A: 3, B: 1}),
    "an error by its name": ([worker(A, "a"), meddler({A: {"error": "x"}}), SLOW], BOTH),
    "not in JSON": ([Speaker(lambda _: [Reply(b"{}", content_type=YAML)]), worker(A, "a"), SLOW], BOTH),
    "no mapping": ([meddler([], "a", 5, None, {}), worker(A, "a"), SLOW], BOTH),
    "a worker that says an error": ([Speaker(lambda _: [Reply({A: {"error": "x"}})], A), SLOW], ALONE),
    "a worker that says no list": ([Speaker(lambda _: [Reply({A: 5})], A), SLOW], ALONE),
    "too late": ([worker(A, after_s=LATE_S), SLOW], ALONE),
    "without a ticket": ([worker(A, ticket=NONE), SLOW], ALONE),
    "of another question": ([worker(A, ticket=ANOTHER), SLOW], ALONE),
}
NO_NAMES = ["celery@" + "x" * 300, "celery@\ud800", "celery@\u202e", ""]


class StrangersContract:
    """Each test has a `scene` of its own."""

    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Answers are waited for a little shorter."""
        monkeypatch.setattr(mailbox, "ANSWER_WITHIN_S", WITHIN_S)

    @pytest.mark.parametrize("speakers, heard", HEARD.values(), ids=HEARD)
    def test_who_is_heard(self, scene: Scene, speakers: Sequence[Speaker], heard: Mapping[str, int]) -> None:
        scene.speakers(*speakers)
        scene.wait(lambda: scene.active(A, B) == heard)

    def test_what_comes_too_late_answers_no_later_question(self, scene: Scene) -> None:
        scene.speakers(worker(A, after_s=LATE_S), worker(B, "b"))
        for _ in range(3):
            scene.wait(lambda: scene.active(A, B) == ALONE)
        assert scene.active(A) == {}

    def test_what_is_not_in_json_is_named_and_never_decoded(self, scene: Scene) -> None:
        strange = Speaker(lambda _: [Reply(b"{}", content_type=YAML)], A)
        scene.speakers(strange, SLOW)
        scene.wait(lambda: (scene.active(A, B), scene.unreadable()) == (ALONE, frozenset({YAML})))

    def test_one_that_says_too_much_is_silent_alone(self, scene: Scene) -> None:
        scene.speakers(saying(A, LARGE, 2), SLOW)
        scene.wait(lambda: (scene.active(A, B), scene.unreadable()) == (ALONE, frozenset({TOO_LARGE})))
        scene.wait(lambda: (scene.active(B), scene.unreadable()) == (ALONE, frozenset()))

    def test_many_that_say_much_together_silence_none_that_says_little(self, scene: Scene) -> None:
        many = [f"celery@{number}" for number in range(MANY)]
        scene.speakers(*(saying(it, MUCH) for it in many), SLOW)
        scene.wait(lambda: (scene.active(*many, B), scene.unreadable()) == (ALONE, frozenset({TOO_LARGE})))

    def test_more_than_is_read_past_silences_all_of_one_round_and_no_other(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(calls, "MOST_THROWN_AWAY", LARGE)
        scene.speakers(saying(A, LARGE, 3), worker(B, "b"))
        scene.wait(lambda: scene.active(B) == ALONE)
        with pytest.raises(BrokerUnreachable, match="it says more than 9 MiB"):
            scene.active(A, B)
        scene.wait(lambda: scene.active(B) == ALONE)

    def test_a_closer_look_hears_only_whom_it_asks(self, scene: Scene) -> None:
        scene.speakers(instead(STRANGER, "c"), worker(A, "a"), SLOW)
        scene.wait(lambda: scene.begun(A, B) == BOTH)

    def test_of_all_workers_those_are_named_that_there_can_be(self, scene: Scene) -> None:
        scene.speakers(worker(STRANGER), meddler(*({name: answer("active_queues")} for name in NO_NAMES)))
        scene.wait(lambda: scene.consuming() == {STRANGER: (QUEUE,)})

    def test_a_beat_is_one_by_its_name(self, scene: Scene) -> None:
        names = (BEAT, f"{BEAT}\u202e", STRANGER)
        scene.speakers(meddler(*({name: {"ok": "pong"}} for name in names), [BEAT]))
        scene.wait(lambda: scene.beats() == (BEAT,))

    def test_a_version_is_the_workers_own(self, scene: Scene) -> None:
        scene.speakers(meddler({STRANGER: {"ok": "celery:9.9.9"}}, {A: 5}), worker(A, after_s=SOON_S))
        scene.wait(lambda: scene.celery(A) in {"5.6.3", None})

    def test_a_hook_hears_the_first_that_replies(self, scene: Scene) -> None:
        scene.speakers(instead(STRANGER), worker(A, "a", after_s=SOON_S))
        scene.wait(lambda: scene.hook(A) == [{STRANGER: []}])
        scene.speakers(worker(A, "a"), instead(STRANGER, after_s=SOON_S))
        scene.wait(lambda: scene.hook(A) == [{A: answer("active", "a")}])

    def test_a_hook_that_hears_an_answer_to_another_question_hears_none_to_its_own(self, scene: Scene) -> None:
        scene.speakers(worker(A, "a", ticket=ANOTHER), worker(A, "b", after_s=SOON_S))
        scene.wait(lambda: not scene.hook(A))

    def test_a_hook_fails_by_what_is_not_in_json(self, scene: Scene) -> None:
        scene.speakers(Speaker(lambda _: [Reply(b"{}", content_type=YAML)]), worker(A, after_s=SOON_S))

        def refused() -> bool:
            with pytest.raises(ContentDisallowed):
                scene.hook(A)
            return True

        scene.wait(refused)
