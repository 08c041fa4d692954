"""What is wrong in a pool: each sign must last, is said with its evidence, and is taken back when it passes."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.looks import DEAF, FLEET, IDLE, SILENT, pod, snapshot
from tests.support.pools import NOW, facts, fleet, pool
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.patience import PATIENCE
from utilitarian_operator.core.diagnosis.findings import (
    FOREIGN_CONSUMERS,
    MUTE,
    STARVED,
    STUCK,
    Finding,
    SymptomHistory,
    examine,
)
from utilitarian_operator.core.observation.broker_settings import TOO_LARGE, BrokerSettings
from utilitarian_operator.core.observation.foreign_consumers import with_foreign
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import WorkerLoad
from utilitarian_operator.core.observation.model.queue import Missing, Present
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext, decide_pool

SECOND = timedelta(seconds=1)


def after(span: timedelta, *looks: FleetSnapshot, asked: Fleet = FLEET) -> tuple[Finding, ...]:
    """What is wrong in `work` when the looks came one after the other, the last of them once more after a while."""
    histories: Mapping[str, SymptomHistory] = {}
    moment = NOW
    for look in looks:
        _, histories = examine(asked, replace(look, at=moment), histories)
    found, _ = examine(asked, replace(looks[-1], at=moment + span), histories)
    assert found["other"] == ()
    return found["work"]


LEADERLESS = Present(0, 0, doubt=SILENT)
"""A quorum queue whose leader is away says that it is empty and has no consumer."""

ONE_AT_A_TIME = Present(0, 1, single=True)
"""A quorum queue with x-single-active-consumer says that it has one consumer, however many wait for their turn."""

HEARD_THEN_SILENT = (snapshot(pod("a")), snapshot(pod("a", None)))


@pytest.mark.parametrize(
    "looks, patience, said",
    [
        pytest.param(
            (snapshot(pod("a"), pod("b", DEAF), consumers=1),),
            PATIENCE.not_consuming,
            "pod b is ready and answers and does not consume q",
            id="it answers and does not consume",
        ),
        pytest.param(
            (snapshot(pod("a"), ready=1, consumers=0),),
            PATIENCE.not_consuming,
            "says that it consumes q, and the broker has no consumer",
            id="the broker knows of no consumer",
        ),
        pytest.param(
            (snapshot(pod("a"), pod("b", None), consumers=1),),
            2 * PATIENCE.not_consuming,
            "pod b is ready and neither answers nor consumes",
            id="it neither answers nor consumes",
        ),
        pytest.param(
            (snapshot(pod("a"), pod("b", None), queue=LEADERLESS),),
            PATIENCE.mute,
            "pod b is ready and has not answered",
            id="it does not answer, and its queue says nothing that counts",
        ),
        pytest.param(
            (snapshot(pod("a"), pod("b", None), queue=ONE_AT_A_TIME),),
            PATIENCE.mute,
            "pod b is ready and has not answered",
            id="it does not answer, and may be the one that its queue serves",
        ),
        pytest.param(HEARD_THEN_SILENT, PATIENCE.mute, "pod a is ready and has not answered", id="it fell silent"),
        pytest.param(
            (snapshot(pod("a"), pod("b", None)),),
            PATIENCE.mute,
            "pod b is ready and has not answered",
            id="it never answered",
        ),
    ],
)
def test_a_worker_that_does_not_consume_is_stuck_after_a_while(
    looks: tuple[FleetSnapshot, ...], patience: timedelta, said: str
) -> None:
    assert after(patience - SECOND, *looks) == ()
    (found,) = after(patience, *looks)
    assert found.reason == STUCK
    assert said in found.message


WELL = {
    "all is well": snapshot(pod("a"), pod("b")),
    "it leaves": snapshot(pod("a"), pod("b", DEAF, leaving=True), consumers=1),
    "it is not ready": snapshot(pod("a"), pod("b", DEAF, ready=False), consumers=1),
    "its container does not run": snapshot(pod("a"), pod("b", None, running=False), consumers=1),
    "its queue does not exist": snapshot(pod("a", DEAF), queue=Missing()),
    "its queue may be without its leader": snapshot(pod("a"), queue=LEADERLESS),
    "its queue is not seen": snapshot(pod("a", DEAF), queue=SILENT),
    "no worker can be asked": snapshot(pod("a", None), pod("b"), mute=SILENT),
    "it was not asked for its queues": snapshot(pod("a", replace(IDLE, consuming=None))),
}


@pytest.mark.parametrize("look", WELL.values(), ids=WELL)
def test_a_worker_that_may_be_well_is_never_called_stuck(look: FleetSnapshot) -> None:
    assert after(2 * PATIENCE.mute, look) == ()


ALONE = fleet({"name": "work", "queues": ["q"]})
SECRET = {"secretKeyRef": {"name": "broker", "key": "url"}}
SHOP = fleet({"name": "work", "queues": ["q"]}, broker={"urlFrom": SECRET, "controlExchange": "shop"})
SOLO = {"execution": "solo", "concurrency": 1}
ALONE_SOLO = fleet({"name": "work", "queues": ["q"], "worker": SOLO, "drainTimeout": "30m"})
MUTE_POOL = snapshot(pod("a", None), pod("b", None), pod("c", None))


def of_one_pool(look: FleetSnapshot, **more: object) -> FleetSnapshot:
    return replace(look, pools={"work": look.pools["work"]}, **more)  # type: ignore[arg-type]


def ails(asked: Fleet, look: FleetSnapshot, span: timedelta, first: FleetSnapshot | None = None) -> tuple[Finding, ...]:
    """What is wrong in the pool `work` of a fleet after a while of the same snapshot."""
    _, histories = examine(asked, first or look, {})
    found, _ = examine(asked, replace(look, at=NOW + span), histories)
    return found["work"]


THREE_CAUSES = (
    "json in accept_content",
    "the control_exchange that spec.broker.controlExchange names (celery)",
    "worker_enable_remote_control on",
)


def test_a_busy_worker_of_one_thread_is_not_stuck_while_another_one_waits_for_its_turn() -> None:
    look = of_one_pool(snapshot(pod("a", None), pod("b"), queue=ONE_AT_A_TIME))
    assert ails(ALONE_SOLO, look, 2 * PATIENCE.mute) == ()


def test_where_no_worker_ever_answers_the_causes_are_named_and_none_is_stuck() -> None:
    look = of_one_pool(MUTE_POOL)
    assert ails(ALONE, look, PATIENCE.mute - SECOND) == ()
    (found,) = ails(ALONE, look, PATIENCE.mute)
    assert (found.reason, found.pods) == (MUTE, ())
    assert found.message.startswith("no worker has answered since 12:00:00Z, so none is taken away: ")
    assert [cause for cause in THREE_CAUSES if cause not in found.message] == []


IN_YAML, IN_PICKLE = (
    BrokerSettings(unreadable=frozenset({f"application/x-{kind}"})) for kind in ("yaml", "python-serialize")
)


ONE_SAYS_TOO_MUCH = BrokerSettings(unreadable=frozenset({TOO_LARGE}))


def test_none_is_stuck_by_its_silence_where_an_answer_was_too_large() -> None:
    heard, silent = snapshot(pod("a"), pod("b")), snapshot(pod("a"), pod("b", None), consumers=2)
    assert [it.reason for it in after(2 * PATIENCE.mute, heard, silent)] == [STUCK]
    assert after(2 * PATIENCE.mute, heard, replace(silent, about=ONE_SAYS_TOO_MUCH)) == ()
    deaf = snapshot(pod("a"), pod("b", DEAF), consumers=1)
    assert [it.reason for it in after(2 * PATIENCE.mute, replace(deaf, about=ONE_SAYS_TOO_MUCH))] == [STUCK]


@pytest.mark.parametrize(
    "partly, stuck", [({"celery@b"}, ()), ({"celery@a"}, ("b",))], ids=["it says its queues", "another does"]
)
def test_none_is_stuck_that_says_its_queues_and_can_not_tell_of_its_tasks(
    partly: set[str], stuck: tuple[str, ...]
) -> None:
    """It was replaced at work for as long as pickled tasks waited in it, and what it ran too long was cut off."""
    heard, silent = snapshot(pod("a"), pod("b")), snapshot(pod("a"), pod("b", None), consumers=2)
    silent = replace(silent, about=BrokerSettings(partly=frozenset(partly)))
    found = after(2 * PATIENCE.mute, heard, silent)
    assert [(it.reason, it.pods) for it in found] == ([(STUCK, stuck)] if stuck else [])


@pytest.mark.parametrize(
    "asked, look, said",
    [
        pytest.param(SHOP, of_one_pool(MUTE_POOL), "controlExchange names (shop)", id="another control exchange"),
        pytest.param(
            ALONE,
            of_one_pool(MUTE_POOL, about=IN_PICKLE),
            "answers come in pickle, which is never decoded",
            id="pickle",
        ),
        pytest.param(ALONE, of_one_pool(MUTE_POOL, about=IN_YAML), "set task_serializer to json", id="yaml"),
        pytest.param(
            ALONE,
            of_one_pool(MUTE_POOL, about=BrokerSettings(unreadable=frozenset({TOO_LARGE, "application/x-yaml"}))),
            "an answer was too large to be read",
            id="too large",
        ),
        # The pool beside it answers, so that remote control as a whole works.
        pytest.param(FLEET, MUTE_POOL, THREE_CAUSES[0], id="one pool of two"),
    ],
)
def test_a_mute_pool_is_told_what_keeps_it_from_answering(asked: Fleet, look: FleetSnapshot, said: str) -> None:
    (found,) = ails(asked, look, 2 * PATIENCE.mute)
    assert found.reason == MUTE
    assert said in found.message


@pytest.mark.parametrize(
    "asked, look, first",
    [
        pytest.param(ALONE, of_one_pool(snapshot(pod("a"), pod("b", None))), None, id="one of two answers"),
        pytest.param(ALONE, of_one_pool(MUTE_POOL, mute=SILENT), None, id="no worker can be asked"),
        pytest.param(ALONE, of_one_pool(snapshot(pod("a", None, running=False))), None, id="none runs"),
        pytest.param(ALONE, of_one_pool(snapshot(pod("a", None))), of_one_pool(snapshot(pod("a"))), id="it answered"),
        pytest.param(ALONE_SOLO, of_one_pool(MUTE_POOL), None, id="a solo worker's first task may be as long"),
    ],
)
def test_a_pool_that_can_answer_is_not_mute(asked: Fleet, look: FleetSnapshot, first: FleetSnapshot | None) -> None:
    assert [it for it in ails(asked, look, 2 * PATIENCE.mute, first) if it.reason == MUTE] == []


def test_a_solo_worker_that_runs_a_task_is_silent_and_not_stuck() -> None:
    solo = fleet(
        {"name": "work", "queues": ["q"], "worker": {"execution": "solo", "concurrency": 1}},
        {"name": "other", "queues": ["r"]},
    )
    assert after(2 * PATIENCE.mute, *HEARD_THEN_SILENT, asked=solo) == ()


def test_a_worker_that_consumes_again_is_well_and_begins_anew() -> None:
    bad, good = snapshot(pod("b", DEAF), consumers=0), snapshot(pod("b"))
    assert after(PATIENCE.not_consuming, bad, good) == ()
    assert after(PATIENCE.not_consuming - SECOND, bad, good, bad) == ()


WAITS = {"ready": 5}
BEHIND_ETA = replace(IDLE, scheduled=2)
HOLDING = replace(IDLE, reserved=4)
LIMITED = replace(IDLE, limited=True)


@pytest.mark.parametrize(
    "word, cause",
    [
        pytest.param(BEHIND_ETA, "2 tasks with a later time fill what they may hold", id="a full window"),
        pytest.param(HOLDING, "they hold 4 messages and start none", id="nothing is started"),
        pytest.param(LIMITED, "they wait for a task's rate_limit", id="a rate limit"),
        pytest.param(IDLE, "the broker hands them none", id="nothing is handed out"),
    ],
)
def test_work_that_waits_while_no_worker_begins_any_is_starved(word: WorkerLoad, cause: str) -> None:
    look = snapshot(pod("a", word), **WAITS)
    assert after(PATIENCE.no_progress - SECOND, look) == ()
    (found,) = after(PATIENCE.no_progress, look)
    assert found.reason == STARVED
    assert cause in found.message
    assert "5 tasks wait and 1 worker" in found.message


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param((snapshot(pod("a", replace(IDLE, active=1)), **WAITS),), id="a task runs"),
        pytest.param((snapshot(pod("a")),), id="nothing waits"),
        pytest.param((snapshot(pod("a"), pod("b", None), **WAITS),), id="one does not answer"),
        pytest.param((snapshot(**WAITS),), id="no worker is there"),
        pytest.param((snapshot(pod("a"), queue=SILENT),), id="what waits is not seen"),
        pytest.param(
            (snapshot(pod("a"), **WAITS), snapshot(pod("a", replace(IDLE, begun=8)), **WAITS)), id="tasks were begun"
        ),
    ],
)
def test_work_that_goes_on_is_not_starved(looks: tuple[FleetSnapshot, ...]) -> None:
    assert after(PATIENCE.no_progress - SECOND, *looks) == ()


@pytest.mark.parametrize(
    "run_workers, replicas, rule",
    [pytest.param(0, 2, "starved", id="no run"), pytest.param(3, 3, "starved", id="a run that asked for three")],
)
def test_starved_work_gets_no_more_workers_than_were_asked_for_in_advance(
    run_workers: int, replicas: int, rule: str
) -> None:
    schedule = [{"name": "run", "start": "0 12 * * *", "workers": run_workers}] if run_workers else None
    asked = pool(concurrency=1, schedule=schedule, drainWithin="1s", taskDuration="10s")
    waiting = facts(8, current=2)
    context = FleetContext(NOW)
    assert decide_pool(asked, waiting, Memory(), context)[0].replicas == 8
    starved = replace(waiting, starved="they begin none")
    decision, memory = decide_pool(asked, starved, Memory(), context)
    assert (decision.replicas, decision.rule) == (replicas, rule)
    assert "they begin none" in decision.message
    assert max(value for _, value in memory.highs) == replicas


OLD = {"celery@old-1": ("q", "x"), "celery@old-2": ("q",), "celery@elsewhere": ("x",), "celery@a": ("q",)}


def seen_with(look: FleetSnapshot, consuming: Mapping[str, tuple[str, ...]] = OLD) -> FleetSnapshot:
    return replace(look, pools=with_foreign(FLEET, look.pools, consuming))


def test_consumers_that_are_not_ours_are_counted_and_named_after_a_while() -> None:
    look = seen_with(snapshot(pod("a"), consumers=4))
    assert look.pools["work"].foreign == {"q": 3}
    assert look.pools["work"].strangers == ("celery@old-1", "celery@old-2")
    assert after(PATIENCE.foreign - SECOND, look) == ()
    (found,) = after(PATIENCE.foreign, look)
    assert found.reason == FOREIGN_CONSUMERS
    assert found.message == "queue q has 3 consumers that are not this fleet's: celery@old-1, celery@old-2; left alone"


def test_without_workers_of_ours_and_without_an_answer_they_are_still_counted() -> None:
    (found,) = after(PATIENCE.foreign, seen_with(snapshot(consumers=1), {}))
    assert found.message == "queue q has 1 consumer that is not this fleet's; none of them answers; left alone"


def test_consumers_that_are_expected_are_no_finding() -> None:
    shared = fleet(
        {"name": "work", "queues": ["q"], "foreignConsumers": "Expected"}, {"name": "other", "queues": ["r"]}
    )
    look = seen_with(snapshot(pod("a"), consumers=4))
    assert after(PATIENCE.foreign, look, asked=shared) == ()
