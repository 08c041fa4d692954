"""A queue of one worker alone is no work of its pool, and no other worker is called stuck for not consuming it."""

from typing import Any

import pytest
from celery.utils.nodenames import worker_direct
from kombu import Exchange, Queue
from kombu.common import Broadcast

from tests.support.pools import NOW
from tests.support.worker_queues import CACHE, NOTHING, mute, pod, queues
from utilitarian_operator.core.observation.model.pod import PodSnapshot
from utilitarian_operator.core.observation.own_queues import learned, own, single


@pytest.mark.parametrize(
    "queue, is_own",
    [
        pytest.param(Broadcast(CACHE), True, id="Broadcast"),
        pytest.param(Broadcast(CACHE, queue="cache", unique=True), True, id="Broadcast of a unique name"),
        pytest.param(Broadcast(CACHE, auto_delete=False), True, id="Broadcast that stays"),
        pytest.param(worker_direct("celery@shop-1"), True, id="worker_direct"),
        pytest.param(Queue("reload.shop-1", Exchange("reload"), "reload"), True, id="named after its host"),
        pytest.param(Queue("replies", Exchange("replies"), exclusive=True), True, id="exclusive"),
        pytest.param(worker_direct("celery@shop-2"), False, id="another worker's direct queue"),
        pytest.param(Queue("orders", Exchange("orders"), "orders"), False, id="a queue of work"),
        pytest.param(Queue("orders", Exchange("orders"), auto_delete=True), False, id="work that goes with the last"),
        pytest.param(Queue("all", Exchange("all", type="fanout")), False, id="work that a fanout brings"),
    ],
)
def test_a_queue_that_is_surely_one_workers_own(queue: Queue, is_own: bool) -> None:
    assert own("celery@shop-1", [queue.as_dict(recurse=True)]) == (frozenset({queue.name}) if is_own else frozenset())


@pytest.mark.parametrize(
    "arguments, is_single",
    [
        pytest.param({"x-single-active-consumer": True}, True, id="one at a time"),
        pytest.param({"x-single-active-consumer": True, "x-queue-type": "quorum"}, True, id="of a quorum queue"),
        pytest.param({"x-single-active-consumer": False}, False, id="not so"),
        pytest.param({"x-max-priority": 3}, False, id="another argument"),
        pytest.param(None, False, id="none"),
        pytest.param(["x-single-active-consumer"], False, id="something else"),
    ],
)
def test_a_queue_that_serves_one_consumer_at_a_time(arguments: Any, is_single: bool) -> None:
    said = Queue("orders", Exchange("orders"), "orders").as_dict(recurse=True) | {"queue_arguments": arguments}
    assert single([said]) == (frozenset({"orders"}) if is_single else frozenset())


AT_RANDOM = tuple(Queue(f"w-{number}", Exchange("w"), f"{number}", auto_delete=True) for number in range(3))


@pytest.mark.parametrize(
    "workers, found",
    [
        pytest.param([pod("a", "x", "y", Broadcast(CACHE))], ("x", "y"), id="one worker, and its own by the name"),
        pytest.param([pod("a", "x", AT_RANDOM[0])], ("w-0", "x"), id="one worker, no other says more"),
        pytest.param(
            [pod("a", "x", AT_RANDOM[0]), pod("b", "x", AT_RANDOM[1])], ("x",), id="what only one of two consumes"
        ),
        pytest.param(
            [pod("a", "x"), pod("b", "x"), pod("c", "x", "new", revision="2")], ("new", "x"), id="a new template's"
        ),
        pytest.param([pod("a", "x", "named")], ("x",), id="another pool names it"),
        pytest.param([pod("a", "x"), pod("b", "x", "y", marked=NOW)], ("x",), id="of those that stay"),
        pytest.param([mute("a")], (), id="no worker says anything"),
    ],
)
def test_a_catch_all_scales_on_what_its_workers_share(workers: list[PodSnapshot], found: tuple[str, ...]) -> None:
    assert queues(*workers, named=("named",)) == found


def test_what_was_learned_lasts_while_no_worker_answers_and_a_queue_once_shared_stays_the_pools() -> None:
    both = learned(NOTHING, [pod("a", "x", "y", AT_RANDOM[0]), pod("b", "x", "y", AT_RANDOM[1])], ())
    assert both.queues == ("x", "y")
    assert learned(both, [mute("a")], ()) == both
    # One of two has lost a consumer of the pool's work: the queue is not the other one's own for that.
    assert queues(pod("a", "x", "y"), pod("b", "x"), before=both) == ("x", "y")
    # Of what was one worker's own nothing is learned anew when it is the only one left.
    assert queues(pod("a", "x", "y", AT_RANDOM[0]), before=both) == ("x", "y")


def test_a_queue_that_two_workers_consumed_one_after_the_other_is_the_pools() -> None:
    first = learned(NOTHING, [pod("a", "x")], ())
    second = learned(first, [pod("b", "x")], ())
    assert queues(pod("b", "x"), pod("c", "y"), before=second) == ("x",)
