from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.pools import NOW, fleet
from tests.support.worker_pods import NOTHING, SILENT, WORKS, pod, released, said, snapshot
from utilitarian_operator.core.diagnosis.findings import SLOW_DRAIN, examine
from utilitarian_operator.core.draining.plan import (
    SHOWN_WITHIN,
    PendingScaleDown,
    Progress,
    drain_plans,
    may_go,
    reviewed,
    works_still,
)
from utilitarian_operator.core.draining.steps import CancelConsumers, Release, Resize, ResumeConsumers
from utilitarian_operator.core.observation.broker_settings import BrokerSettings, QueueSettings
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.reported import Reported
from utilitarian_operator.core.sizing.decision import Step, start

ONE = {"pool": start(Step("demand", 0, 0, "none"))}
FLEET = fleet({"name": "pool", "queues": ["q"]})


@pytest.mark.parametrize(
    "pods, word, expected",
    [
        pytest.param([], said(0, 0), True, id="no worker is there, and the Deployment says so"),
        pytest.param([], said(2, 2), False, id="no watch has told of its two pods"),
        pytest.param([pod("a")], said(1, 1), False, id="one works"),
        pytest.param([pod("a", SILENT, running=False, ready=False)], said(1, 0), True, id="one that does not run"),
    ],
)
def test_the_deployment_of_a_removed_pool_goes_when_it_says_itself_that_it_has_no_pods(
    pods: list[PodSnapshot], word: Reported, expected: bool
) -> None:
    assert may_go(snapshot(*pods, reported=word), timedelta(hours=1), NOW) is expected


@pytest.mark.parametrize("grace", [30, 10**12, 2**63 - 1])
def test_a_removed_pool_may_have_any_grace_that_the_api_server_takes(grace: int) -> None:
    """Each look at the fleet ended with an error where another client had set one of a million years."""
    pods = {"terminationGracePeriodSeconds": grace}
    labels = {"utilitarian.io/pool": "old"}
    live = {"kind": "Deployment", "metadata": {"labels": labels}, "spec": {"template": {"spec": pods}}}
    assert works_still(live, FleetSnapshot(NOW, {}, leftover={"old": snapshot(pod("a"), reported=said(1, 1))}))


@pytest.mark.parametrize(
    "held, marked_before, slow",
    [
        pytest.param(WORKS, timedelta(hours=1), ("a",), id="it works for longer than its pods have grace"),
        pytest.param(SILENT, timedelta(hours=1), ("a",), id="it says nothing"),
        pytest.param(WORKS, timedelta(minutes=59), (), id="not yet"),
        pytest.param(NOTHING, timedelta(hours=1), (), id="it holds nothing any more"),
    ],
)
def test_a_worker_of_a_removed_pool_that_takes_long_to_leave_is_named_and_counted(
    held: WorkerLoad | Unknown, marked_before: timedelta, slow: tuple[str, ...]
) -> None:
    left = replace(said(1, 1), grace=timedelta(hours=1))
    old = snapshot(pod("a", held, marked=NOW - marked_before), reported=left)
    look = FleetSnapshot(NOW, {"pool": snapshot(reported=said(0, 0))}, leftover={"old": old})
    assert drain_plans(FLEET, look, ONE)["old"].slow == slow
    found = examine(FLEET, look, {})[0].get("old", ())
    assert [(it.reason, it.pods) for it in found] == ([(SLOW_DRAIN, slow)] if slow else [])
    assert all("after a drain of 1h" in it.message and "no longer asked for" in it.message for it in found)


def test_a_look_over_the_fleet_asks_each_deployment() -> None:
    seen = snapshot(pod("a"), released("b"), reported=said(2, 2))
    fleet_sight = FleetSnapshot(NOW, {"pool": seen})
    decisions = {"pool": start(Step("demand", 2, 1, "one is enough"))}
    assert drain_plans(FLEET, fleet_sight, decisions)["pool"].resize is None
    fresh = replace(fleet_sight, pools={"pool": replace(seen, reported=said(2, 1))})
    drain = drain_plans(FLEET, fresh, decisions)["pool"]
    assert drain.resize == Resize(1, ("b",))
    assert drain.others == {"a"}


def test_who_was_stepped_down_by_holds_no_place_while_it_is_not_shown_that_it_goes() -> None:
    """A pool at its maximum grew by one more: the watch had yet to show that the controller deletes `b`."""
    seen = snapshot(pod("a"), released("b"), replicas=2, reported=said(2, 1))
    decisions = {"pool": start(Step("demand", 1, 2, "two"))}
    for ago, wanted in ((1, None), (4.9, None), (5, Resize(3))):
        stepped_down = PendingScaleDown(frozenset({"b"}), frozenset({"a"}), NOW - timedelta(seconds=ago))
        before = Progress(departures={"pool": stepped_down})
        assert drain_plans(FLEET, FleetSnapshot(NOW, {"pool": seen}), decisions, before)["pool"].resize == wanted
    fewer = replace(seen, replicas=1)
    assert drain_plans(FLEET, FleetSnapshot(NOW, {"pool": fewer}), decisions, before)["pool"].resize == Resize(2)


@pytest.mark.parametrize(
    "seen, done",
    [
        pytest.param(snapshot(pod("a"), released("b"), reported=said(1, 1)), True, id="one is left, by the Deployment"),
        pytest.param(snapshot(pod("a"), released("b"), reported=said(2, 1)), False, id="two are left"),
        pytest.param(snapshot(pod("a"), released("b"), reported=None), False, id="it says nothing"),
        pytest.param(
            snapshot(pod("a"), released("b"), reported=said(1, 1, observed=False)), False, id="of a spec before"
        ),
        pytest.param(
            snapshot(pod("a"), released("b"), pod("c"), reported=said(2, 1)), False, id="it has yet to count a new one"
        ),
    ],
)
def test_by_the_deployments_word_a_pod_has_gone_that_no_watch_shows_to_go(seen: PoolSnapshot, done: bool) -> None:
    """Five seconds later it held a place, and the pool grew beyond its maximum."""
    asked = PendingScaleDown(frozenset({"b"}), frozenset({"a"}), NOW)
    (kept, wrong) = reviewed({"pool": asked}, FleetSnapshot(NOW, {"pool": seen}))
    assert (kept["pool"].done, wrong) == (done, {})
    later = NOW + 2 * SHOWN_WITHIN
    assert Progress(departures=kept).departing("pool", later) == (frozenset("b") if done else frozenset())
    gone = FleetSnapshot(later, {"pool": snapshot(pod("a"), reported=said(1, 1))})
    assert reviewed(kept, gone) == ({}, {})


def test_a_silent_worker_of_a_pool_that_was_removed_is_told_to_take_nothing_more_of_the_queues_in_its_command() -> None:
    marked = replace(pod("a", SILENT, marked=NOW), queues=("q", "r"))
    seen = replace(snapshot(marked, reported=said(1, 1)), queues={})
    drain = drain_plans(FLEET, FleetSnapshot(NOW, {"pool": snapshot(reported=said(0, 0))}, leftover={"old": seen}), ONE)
    assert drain["old"].steps == (CancelConsumers("a", ("q", "r")),)


NEXT_WEEK = WorkerLoad(0, 0, 0, 2, consuming=(), first_due=NOW + timedelta(days=7))
QUORUM = QueueSettings("quorum")
DRAINS = {
    "on a classic queue it goes": (BrokerSettings("4.1.0", queues={"q": QueueSettings("classic")}), 1, True),
    "on a queue of which nothing is known it goes": (BrokerSettings("4.1.0"), 1, True),
    "a quorum queue counts each return": (BrokerSettings("4.1.0", queues={"q": QUORUM}), 1, False),
    "before 4.0 it counts to no limit": (BrokerSettings("3.13.7", queues={"q": QUORUM}), 1, True),
    "before 4.0 it may have one": (
        BrokerSettings("3.13.7", queues={"q": QueueSettings("quorum", {"delivery-limit": 5})}),
        1,
        False,
    ),
    "its limit may be taken away": (
        BrokerSettings("4.1.0", queues={"q": QueueSettings("quorum", {"delivery-limit": -1})}),
        1,
        True,
    ),
    "a pool that may sleep has counted its returns": (BrokerSettings("4.1.0", queues={"q": QUORUM}), 0, True),
}


@pytest.mark.parametrize("about, wanted, goes", DRAINS.values(), ids=DRAINS)
def test_a_worker_gives_no_task_back_that_waits_for_its_eta_where_the_queue_drops_it_in_the_end(
    about: BrokerSettings, wanted: int, goes: bool
) -> None:
    others = () if wanted == 0 else (pod("b"),)
    seen = snapshot(pod("a", NEXT_WEEK, marked=NOW), *others, reported=said(1 + wanted, 1 + wanted))
    decisions = {"pool": start(Step("demand", 1 + wanted, wanted, "fewer"))}
    plan = drain_plans(FLEET, FleetSnapshot(NOW, {"pool": seen}, about=about), decisions)["pool"]
    assert (Release("a") in plan.steps) is goes


def test_of_pods_that_do_not_run_none_is_a_wrong_victim() -> None:
    asleep = {"running": False, "ready": False}
    gone = replace(released("b", **asleep), held=SILENT)
    seen = snapshot(pod("a"), gone, pod("c", SILENT, gate=None, **asleep), reported=said(3, 1))
    drain = drain_plans(FLEET, FleetSnapshot(NOW, {"pool": seen}), {"pool": start(Step("demand", 3, 2, "two"))})["pool"]
    assert drain.resize == Resize(2, ("b",))
    assert drain.others == {"a"}


@pytest.mark.parametrize("later", [False, True], ids=["with the step down", "while it goes on"])
def test_a_worker_that_is_released_meanwhile_is_no_wrong_victim(*, later: bool) -> None:
    """A slow controller that chooses between two released workers may take the one that was released last."""
    empty = pod("c", NOTHING, marked=NOW)
    ready = {"pool": start(Step("demand", 3, 1, "one"))}
    at_once = snapshot(pod("a"), released("b"), empty, reported=said(3, 2))
    plan = drain_plans(FLEET, FleetSnapshot(NOW, {"pool": at_once}), ready)["pool"]
    assert (plan.resize, plan.steps) == (Resize(2, ("b",)), (Release("c"),))
    asked = PendingScaleDown(frozenset({"b"}), frozenset({"a", "c"}), NOW) if later else plan.pending(NOW)
    assert asked is not None
    look = FleetSnapshot(NOW, {"pool": at_once})
    kept = Progress().after({"pool": plan}, look, {"pool": asked}, ()).departures
    went = FleetSnapshot(NOW, {"pool": snapshot(pod("a"), released("b"), reported=said(2, 1))})
    assert reviewed(kept, went)[1] == {}
    busy = FleetSnapshot(NOW, {"pool": snapshot(released("b"), released("c"), reported=said(2, 0))})
    assert reviewed(kept, busy)[1] == {"pool": ("a",)}


TWO = {"pool": start(Step("demand", 2, 2, "two"))}


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(pod("b", NOTHING), id="by its own word"),
        pytest.param(pod("b", SILENT, sample=NOTHING), id="by the last that it said"),
        pytest.param(pod("b", NOTHING, gate=None, ready=False), id="that was never ready"),
    ],
)
def test_a_pool_of_as_many_workers_as_are_wanted_is_not_left_alone_while_one_consumes_nothing(one: PodSnapshot) -> None:
    seen = snapshot(pod("a"), one, reported=said(2, 1 + one.ready))
    drain = drain_plans(FLEET, FleetSnapshot(NOW, {"pool": seen}), TWO)["pool"]
    assert (drain.resize, drain.steps) == (None, (ResumeConsumers("b", ("q",)),))


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(pod("b", WORKS, sample=NOTHING), id="it consumes again"),
        pytest.param(pod("b", SILENT), id="it says nothing"),
        pytest.param(pod("b", NOTHING, blank=True, gate=None, ready=False), id="what is deduced of one that hangs"),
    ],
)
def test_nothing_is_told_to_a_worker_that_did_not_say_last_that_it_consumes_nothing(one: PodSnapshot) -> None:
    seen = snapshot(pod("a"), one, reported=said(2, 1 + one.ready))
    assert drain_plans(FLEET, FleetSnapshot(NOW, {"pool": seen}), TWO)["pool"].steps == ()


def test_a_worker_that_consumes_nothing_whatever_it_is_told_is_told_each_ten_seconds() -> None:
    seen, progress, told = snapshot(pod("a"), pod("b", NOTHING), reported=said(2, 2)), Progress(), []
    for second in range(35):
        look = FleetSnapshot(NOW + timedelta(seconds=second), {"pool": seen})
        plans = drain_plans(FLEET, look, TWO, progress)
        progress = progress.after(plans, look, {}, ())
        told += [second for _ in plans["pool"].steps]
    assert told == [0, 10, 20, 30]


def test_a_worker_that_is_taken_back_is_told_at_each_look() -> None:
    back, progress = snapshot(pod("a"), pod("b", SILENT, marked=NOW), reported=said(2, 2)), Progress()
    for second in range(3):
        look = FleetSnapshot(NOW + timedelta(seconds=second), {"pool": back})
        plans = drain_plans(FLEET, look, TWO, progress)
        assert plans["pool"].steps == (ResumeConsumers("b", ("q",)),)
        progress = progress.after(plans, look, {}, ())
    assert progress.told == {}
