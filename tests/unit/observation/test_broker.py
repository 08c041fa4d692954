"""Which workers are asked what they hold, and which of them soon."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.looks import pod, snapshot
from tests.support.pools import NOW
from utilitarian_operator.core.observation.broker import questions
from utilitarian_operator.core.observation.model import PoolSnapshot, Unknown

WELL = "celery@well"
ONE = pod("one")
LATER = {"ready": 5}


@pytest.mark.parametrize(
    "worker,look,shrinking,soon,slowly",
    [
        pytest.param(ONE, {}, (), True, True, id="nothing waits: it may have to go"),
        pytest.param(ONE, LATER, (), False, True, id="messages wait: it stays whatever it says"),
        pytest.param(ONE, LATER, ("work",), True, True, id="more workers than are wanted"),
        pytest.param(ONE, {"queue": Unknown("away", NOW)}, (), False, True, id="a queue that is not seen"),
        pytest.param(replace(ONE, marked=NOW), LATER, (), True, True, id="chosen to leave"),
        pytest.param(replace(ONE, marked=NOW, running=False), LATER, (), True, False, id="chosen before it ran"),
        pytest.param(replace(ONE, leaving=True), LATER, (), True, True, id="being deleted"),
        pytest.param(replace(ONE, running=False), {}, (), False, False, id="not running"),
        pytest.param(replace(ONE, gated=True), LATER, (), True, True, id="its gate is not open yet"),
        pytest.param(replace(ONE, gated=True, gate=True), LATER, (), False, True, id="its gate is open"),
    ],
)
def test_who_is_asked(worker: Any, look: dict[str, Any], shrinking: tuple[str, ...], soon: bool, slowly: bool) -> None:
    asked = questions(snapshot(worker, **look), shrinking)
    assert asked.now == {WELL, *(["celery@one"] if soon else ())}
    assert asked.slowly == {WELL, *(["celery@one"] if slowly else ())}
    assert (asked.around, asked.beats) == (False, False)


def test_workers_of_a_pool_that_is_no_longer_asked_for_are_asked_soon() -> None:
    left = PoolSnapshot({}, 0, (ONE, pod("ended", running=False)), 1)
    asked = questions(replace(snapshot(ready=5), leftover={"old": left}), ())
    assert asked.now == {WELL, "celery@one"}


def test_every_worker_of_the_broker_is_asked_where_a_queue_has_consumers_of_unknown_workers() -> None:
    seen = snapshot(ONE)
    foreign = replace(seen.pools["work"], foreign={"q": 1})
    assert questions(replace(seen, pools={**seen.pools, "work": foreign}), ()).around
