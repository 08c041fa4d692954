"""What a worker's answers tell of tasks and of what they take, table by table."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

import pytest

from tests.support.answering import Asked, bursts, played, stream
from utilitarian_operator.core.observation.counted.worked import FRESH_S, UNSEEN_S, Word, Worked, heard, unheard


def word(asked: float, begun: int, active: int = 0, **more: float) -> Word:
    return Word(asked, begun, active, **{"up_s": asked, **more})  # type: ignore[arg-type]


def said(*words: Word | float) -> tuple[int, float]:
    """Tasks and slot-seconds after these answers; a number is a question without an answer."""
    worked = Worked()
    for it in words:
        worked = unheard(worked, it) if isinstance(it, float) else heard(worked, it)
    return worked.ended, worked.slot_seconds


@pytest.mark.parametrize(
    "words, ended, seconds",
    [
        pytest.param([word(1, 0), word(2, 3, 3), word(3, 5, 2)], 3, 5, id="those that run stand for the time between"),
        pytest.param([1.0, word(2, 3, 3)], 0, 3, id="a new worker counts from its start"),
        pytest.param([word(900, 700, 2), word(901, 705, 2)], 5, 2, id="an older one from its first answer"),
        pytest.param([word(1, 5, 1), word(2, 5, 1), word(3, 5)], 5, 1, id="a long one ends"),
        pytest.param([word(1, 0), 2.0, word(3, 4, 2)], 2, 4, id="an answer that is missing loses nothing"),
        pytest.param([word(1, 0), word(2 + UNSEEN_S, 9, 4)], 0, 0, id="what was not seen counts on neither side"),
        pytest.param([word(100, 7), word(101, 2, 1, up_s=1)], 1, 1, id="a restarted container counts anew"),
        pytest.param([word(1, 4, 2), word(2, 4, 3), word(3, 4, 0)], 4, 3, id="figures that are not of one moment"),
        pytest.param([word(1, 0), word(2, 50), word(3, 100)], 100, 0, id="never seen running: next to no time"),
        pytest.param([word(1, 0), word(2, 5, 0, mean=1.5)], 5, 1.5, id="several looks in a row"),
    ],
)
def test_tasks_and_their_time(words: list[Word | float], ended: int, seconds: float) -> None:
    assert said(*words) == (ended, pytest.approx(seconds))


def alone(asked: float, begun: int, took_s: float = 0.01, up_s: float | None = None) -> Word:
    return Word(asked, begun, 0, took_s, alone=True, up_s=asked if up_s is None else up_s)


@pytest.mark.parametrize(
    "words, ended, seconds",
    [
        pytest.param([alone(1, 0), alone(2, 1)], 1, 0, id="it answers at once"),
        pytest.param(
            [alone(1, 0), alone(2, 1, took_s=0.8)], 1, 1.3, id="it answers late: half of the time before, too"
        ),
        pytest.param([alone(1, 0), alone(2, 0, took_s=0.8)], 0, 0, id="late, and it began nothing"),
        pytest.param(
            [alone(1, 0), *(float(second) for second in range(2, 60, 2)), alone(60, 1, took_s=0.5)],
            1,
            59.0,
            id="a minute of silence was one task",
        ),
        pytest.param([alone(1, 0), 2.0, 4.0, alone(6, 2, took_s=0.5)], 2, 5.5, id="silent through two of them"),
        pytest.param([1.0, 2.0, alone(3, 0)], 0, 0, id="silent while it started"),
        pytest.param([1.0, 2.0, 4.0, alone(6, 1, up_s=3)], 1, 2, id="at work as soon as it had started"),
        pytest.param([1.0, 2.0, alone(3, 4, up_s=800)], 0, 0, id="it is older than the first question"),
        pytest.param([alone(1, 0), alone(40, 3, took_s=0.5)], 0, 0, id="not asked"),
        pytest.param([alone(1, 0), 2.0, alone(40, 3, took_s=0.5)], 0, 0, id="not asked again"),
    ],
)
def test_a_worker_that_is_mute_while_it_runs_a_task_is_learned_from_its_silence(
    words: list[Word | float], ended: int, seconds: float
) -> None:
    counted, spent = said(*words)
    assert (counted, spent) == (ended, pytest.approx(seconds, abs=0.6))


def test_how_long_a_silent_task_took_is_told_once() -> None:
    worked = heard(unheard(heard(Worked(), alone(1, 0)), 2.0), alone(31, 1, took_s=0.5))
    assert worked.lasted_s == pytest.approx(30, abs=1)
    assert heard(worked, alone(32, 1)).lasted_s == 0


def pauses(chance: random.Random, pace: float) -> Iterator[float]:
    while True:
        yield pace * chance.uniform(1.0, 1.3)


def test_six_bursts_of_sixteen_tasks_of_a_second_are_counted_to_the_last() -> None:
    """Workers of four slots that are woken for each burst, and that leave when it is over."""
    tasks, seconds, chance = 0, 0.0, random.Random(42)  # noqa: S311 - a seed
    for _ in range(6):
        for _ in range(4):
            worker = Asked(played([0.0] * 4, [1.0] * 4, 4))
            worker.ask_until_empty(pauses(chance, 1.0), chance.uniform(0, 2))
            tasks, seconds = tasks + worker.worked.ended, seconds + worker.worked.slot_seconds
    assert tasks == 96
    assert seconds == pytest.approx(96, rel=0.2)


Arrive: TypeAlias = Callable[[int, float, int, random.Random], list[float]]

KINDS = [pytest.param(stream, id="stream"), pytest.param(bursts, id="bursts")]
SLOTS = [pytest.param(4, False, id="prefork"), pytest.param(1, True, id="solo")]


@pytest.mark.parametrize("slots, solo", SLOTS)
@pytest.mark.parametrize("arrive", KINDS)
@pytest.mark.parametrize("seconds", [1.0, 10.0, 100.0])
@pytest.mark.thorough
def test_tasks_of_a_second_and_longer_are_learned_within_a_fifth_after_fifty(
    seconds: float, arrive: Arrive, slots: int, solo: bool
) -> None:
    """Asked each second; the figures of a hundred plays are one, as the noise of one is not what is tested."""
    learned = []
    for seed in range(100):
        chance = random.Random(seed)  # noqa: S311 - a seed
        worker = Asked(played(arrive(50, seconds, slots, chance), [seconds] * 50, slots), alone=solo)
        worker.ask_until_empty(pauses(chance, 1.0), chance.uniform(0, 2))
        assert worker.worked.ended == 50
        learned.append(worker.worked.slot_seconds / 50 / seconds)
    assert sum(learned) / len(learned) == pytest.approx(1, abs=0.1)
    assert sum(abs(it - 1) < 0.2 for it in learned) >= 95


@pytest.mark.parametrize("arrive", KINDS)
@pytest.mark.parametrize("pace", [0.3, 1.0, 2.0])
def test_tasks_that_are_shorter_than_the_time_between_two_questions_are_right_on_the_average(
    arrive: Arrive, pace: float
) -> None:
    learned = []
    for seed in range(400):
        chance = random.Random(seed)  # noqa: S311 - a seed
        arrivals = [10 + at for at in arrive(50, 0.1, 4, chance)]
        worker = Asked(played(arrivals, [0.1] * 50, 4))
        worker.ask_until_empty(pauses(chance, pace), chance.uniform(0, pace + 1))
        assert worker.worked.ended == 50
        learned.append(worker.worked.slot_seconds / 5)
    assert sum(learned) / len(learned) == pytest.approx(1, abs=0.15)


def test_an_old_worker_that_is_asked_at_last_is_not_taken_for_a_new_one() -> None:
    assert said(1.0, 2.0, word(3, 70_000, 2, up_s=FRESH_S + 1), word(4, 70_001, 2, up_s=FRESH_S + 2)) == (1, 2.0)


@pytest.mark.parametrize(
    "words, closely",
    [
        pytest.param([], False, id="never heard"),
        pytest.param([word(95, 0)], True, id="it has just come"),
        pytest.param([word(60, 0)], False, id="it began nothing for long"),
        pytest.param([word(90, 0), word(95, 8, 1)], True, id="short tasks"),
        pytest.param([word(70, 0), word(95, 80, 1)], False, id="enough of them"),
        pytest.param([word(80, 0), word(88, 4, 4), word(95, 5, 4)], False, id="long ones"),
    ],
)
def test_who_is_asked_more_often(words: list[Word], closely: bool) -> None:
    worked = Worked()
    for it in words:
        worked = heard(worked, replace(it, up_s=1.0))
    assert worked.wants_a_closer_look(100.0) is closely


def test_slots_that_are_full_are_counted_to_the_second_however_short_their_tasks_are() -> None:
    """A pool that falls behind is the one whose size matters: there the sum is no matter of chance."""
    worker = Asked(played([0.0] * 1_000, [0.1] * 1_000, 4))
    worker.ask(0.0)
    before = worker.worked
    worker.ask(7.0)
    worker.ask(20.0)
    assert worker.worked.slot_seconds - before.slot_seconds == pytest.approx(4 * 20)
    assert worker.worked.ended - before.ended == pytest.approx(4 * 20 / 0.1, abs=8)
