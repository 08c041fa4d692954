"""Which of a worker's answers are believed, and that what was handed out stays as it was."""

from collections.abc import Callable

import pytest

from utilitarian_operator.adapters.broker.workers.answers import Answers
from utilitarian_operator.core.observation.model.pod import WorkerLoad

NODE, OTHER, QUEUE = "celery@one", "celery@two", "q"
CONSUMES, LEFT = WorkerLoad(0, 0, 0, 0, consuming=(QUEUE,)), WorkerLoad(0, 0, 0, 0, consuming=())
Step = Callable[[Answers], None]


def says(held: WorkerLoad) -> Step:
    return lambda answers: answers.take([NODE], {NODE: held}, 1.0)


def cancelled(answers: Answers) -> None:
    answers.cancelled(NODE, [QUEUE])


def returns(answers: Answers) -> None:
    answers.returns(NODE)


@pytest.mark.parametrize(
    "steps, believed",
    [
        pytest.param([], None, id="never asked"),
        pytest.param([says(CONSUMES)], CONSUMES, id="what it says"),
        pytest.param([says(CONSUMES), cancelled], CONSUMES, id="told to leave, it may still consume"),
        pytest.param([says(CONSUMES), cancelled, says(LEFT)], LEFT, id="it has left"),
        pytest.param([says(LEFT), returns], None, id="told to consume again, what it said before is no word on now"),
        pytest.param([says(LEFT), returns, says(LEFT)], None, id="it has not come to it yet"),
        pytest.param([says(LEFT), returns, says(CONSUMES)], CONSUMES, id="it is back"),
        pytest.param([says(LEFT), returns, says(CONSUMES), returns], CONSUMES, id="told again after it came back"),
        pytest.param([says(LEFT), returns, says(CONSUMES), returns, says(LEFT)], CONSUMES, id="a word from in between"),
        pytest.param([says(CONSUMES), cancelled, returns], CONSUMES, id="told to leave and at once to return"),
        pytest.param([returns, says(CONSUMES), says(LEFT)], LEFT, id="it came back and left by itself"),
        pytest.param([says(LEFT), returns, returns, says(CONSUMES)], CONSUMES, id="told twice"),
        pytest.param([says(LEFT), returns, cancelled], None, id="told to leave anew, it has said nothing since"),
        pytest.param([says(LEFT), returns, cancelled, says(LEFT)], LEFT, id="it has left anew"),
        pytest.param([says(CONSUMES), lambda it: it.keep_only([])], None, id="forgotten"),
    ],
)
def test_a_worker_that_was_told_to_consume_again_is_believed_when_it_does(
    steps: list[Step], believed: WorkerLoad | None
) -> None:
    answers = Answers()
    for step in steps:
        step(answers)
    said = answers.newest.get(NODE)
    assert (None if said is None else said.held) == believed


def test_a_worker_that_returns_has_its_own_queues_again_too() -> None:
    answers = Answers()
    answers.cancelled(NODE, [QUEUE, "its own"])
    assert answers.to_return(NODE, [QUEUE]) == (QUEUE, "its own")
    assert answers.to_return(OTHER, [QUEUE]) == (QUEUE,)


@pytest.mark.parametrize(
    "later",
    [says(LEFT), returns, cancelled, lambda it: it.keep_only([OTHER]), lambda it: it.count([NODE], {}, 9.0)],
    ids=["an answer", "told to return", "told to leave", "forgotten", "silence"],
)
def test_tables_that_were_handed_out_never_change(later: Step) -> None:
    answers = Answers()
    says(CONSUMES)(answers)
    said, samples, worked = answers.newest, answers.samples, answers.worked
    before = dict(said), dict(samples), dict(worked)
    later(answers)
    assert (said, samples, worked) == before
