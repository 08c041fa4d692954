from dataclasses import replace
from datetime import UTC, datetime

import pytest

from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SAID = WorkerLoad(0, 0, 0, 0, consuming=("default",))
POD = PodSnapshot("a", ready=True, running=True, leaving=False, held=SAID)


@pytest.mark.parametrize(
    "load, unacked, nothing",
    [
        pytest.param(WorkerLoad(0, 0, 0, 0), 0, True, id="idle"),
        pytest.param(WorkerLoad(2, 2, 0, 0), 0, False, id="acknowledged early"),
        pytest.param(WorkerLoad(2, 1, 3, 4), 8, False, id="some of each kind"),
        pytest.param(WorkerLoad(0, 0, 0, 1), 1, False, id="one waits for its ETA"),
    ],
)
def test_what_the_broker_counts_because_of_a_worker(load: WorkerLoad, unacked: int, nothing: bool) -> None:
    assert (load.unacked, load.nothing) == (unacked, nothing)


@pytest.mark.parametrize(
    "pod, released",
    [
        pytest.param(replace(POD, cheapest=True), True, id="the cheapest, without a gate"),
        pytest.param(replace(POD, cheapest=True, gated=True, gate=False), True, id="the cheapest, its gate closed"),
        pytest.param(replace(POD, cheapest=True, gated=True, gate=True), False, id="its gate is open still"),
        pytest.param(replace(POD, cheapest=True, gated=True), False, id="its gate was never set"),
        pytest.param(replace(POD, cheapest=True, caught_up=False), False, id="the watch has not shown it yet"),
        pytest.param(POD, False, id="as cheap as any"),
    ],
)
def test_a_worker_is_released_when_the_controller_would_choose_it(pod: PodSnapshot, released: bool) -> None:
    assert pod.released is released


@pytest.mark.parametrize(
    "pod, serves",
    [
        pytest.param(POD, True, id="ready"),
        pytest.param(replace(POD, ready=False), False, id="not ready"),
        pytest.param(replace(POD, running=False), False, id="its container has ended"),
        pytest.param(replace(POD, leaving=True), False, id="being deleted"),
        pytest.param(replace(POD, marked=NOW), False, id="chosen to leave"),
    ],
)
def test_who_ought_to_consume(pod: PodSnapshot, serves: bool) -> None:
    assert pod.serves is serves


def test_the_last_word_is_the_one_with_the_queues() -> None:
    short = replace(SAID, consuming=None)
    assert POD.word == SAID
    assert replace(POD, held=short, sample=SAID).word == SAID
    assert replace(POD, held=short).word == short
    assert replace(POD, held=Unknown("no answer", NOW), sample=SAID).word == SAID
    assert replace(POD, held=Unknown("no answer", NOW)).word is None
