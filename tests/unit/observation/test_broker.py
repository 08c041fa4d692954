"""Which workers are asked what they hold, and which of them soon."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.looks import pod, snapshot
from tests.support.pools import NOW
from utilitarian_operator.core.observation.broker import BrokerName, BrokerSnapshot, moved, questions
from utilitarian_operator.core.observation.broker_settings import BrokerSettings, QueueSettings
from utilitarian_operator.core.observation.let_in import mark
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Counted
from utilitarian_operator.errors import BrokerUnreachable

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


BEFORE = BrokerName(frozenset({"a:5672", "b:5672"}), "/", "rabbit@one")


@pytest.mark.parametrize(
    "now, another",
    [
        pytest.param(BEFORE, False, id="the same"),
        pytest.param(BrokerName(frozenset({"b:5672"}), "/", None), False, id="an address less"),
        pytest.param(BrokerName(frozenset({"c:5672"}), "/", "rabbit@one"), False, id="another name of the same"),
        pytest.param(BrokerName(frozenset({"c:5672"}), "/", "rabbit@two"), True, id="another broker"),
        pytest.param(BrokerName(frozenset({"c:5672"}), "/", None), True, id="another one that does not say its name"),
        pytest.param(BrokerName(BEFORE.hosts, "/new", "rabbit@one"), True, id="another virtual host"),
    ],
)
def test_a_url_that_names_another_broker_is_told_with_what_the_old_one_holds(now: BrokerName, another: bool) -> None:
    said = list(moved(BEFORE, now, {"backlog": 12}))
    assert bool(said) is another
    assert not another or "12 tasks waited on the old one and stay there" in said[0]
    assert not another or "an unknown number of tasks" in next(iter(moved(BEFORE, now, {"backlog": None})))
    assert list(moved(None, now, {})) == list(moved(BEFORE, None, {})) == []


def test_of_some_queues_nothing_is_told_that_comes_to_others() -> None:
    declared = {name: QueueSettings("quorum") for name in "abc"}
    seen = BrokerSnapshot(
        1.0, counted={name: Counted(1, 0) for name in "abc"}, settings=BrokerSettings(queues=declared)
    )
    some = seen.of(["a", "b", "d"])
    assert (some.counted, some.settings.queues) == (
        {"a": Counted(1, 0), "b": Counted(1, 0)},
        {"a": declared["a"], "b": declared["b"]},
    )
    assert replace(some, counted=seen.counted, settings=seen.settings) == seen
    away = replace(seen, counted=BrokerUnreachable("away"), settings=BrokerSettings())
    assert away.of(["a"]) == away


def test_a_broker_has_a_name_once_it_has_answered() -> None:
    answered = BrokerSnapshot(0.0, hosts=BEFORE.hosts, vhost="/", cluster="rabbit@one")
    assert answered.name == BEFORE
    assert replace(answered, failed=BrokerUnreachable("no")).name is None
    assert BrokerSnapshot(0.0).name is None
    assert answered.let_in == mark(BEFORE.hosts, "/")
    assert replace(answered, failed=BrokerUnreachable("no")).let_in == BrokerSnapshot(0.0).let_in == ""
