from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.support.looks import FLEET, IDLE, SILENT, pod, snapshot
from tests.support.pools import NOW, fleet
from utilitarian_operator.core.observation.foreign_consumers import with_foreign
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Missing, Present

OLD = {"celery@old-1": ("q", "x"), "celery@old-2": ("q",), "celery@elsewhere": ("x",), "celery@a": ("q",)}


def seen_with(look: FleetSnapshot, consuming: Mapping[str, tuple[str, ...]] = OLD) -> FleetSnapshot:
    return replace(look, pools=with_foreign(FLEET, look.pools, consuming))


def test_the_workers_of_another_resource_are_named_as_such() -> None:
    look = snapshot(pod("a"), consumers=3)
    named = with_foreign(FLEET, look.pools, OLD, {"celery@old-2": "shop/old", "celery@x": "shop/x"})
    assert named["work"].strangers == ("celery@old-1", "celery@old-2 (of UtilitarianWorkerPool shop/old)")


LEFT = replace(IDLE, active=1, consuming=())


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(snapshot(pod("a"), pod("b")), id="as many as workers"),
        pytest.param(snapshot(pod("a"), pod("b", None)), id="one says nothing"),
        pytest.param(snapshot(pod("a"), pod("b", leaving=True)), id="one leaves and still consumes"),
        pytest.param(
            snapshot(pod("a"), pod("b", LEFT, marked=NOW)), id="one has left its quorum queue and holds a task"
        ),
        pytest.param(snapshot(pod("a"), queue=Missing()), id="no queue"),
        pytest.param(snapshot(pod("a"), queue=SILENT), id="not seen"),
    ],
)
def test_our_own_are_not_foreign(look: FleetSnapshot) -> None:
    assert seen_with(look).pools["work"].foreign == {}


def test_a_consumer_may_be_one_that_is_not_seen_yet_and_not_the_worker_that_left() -> None:
    """A classic queue doesn't count one that left it."""
    looks = (snapshot(pod("a"), pod("b", LEFT, marked=NOW), consumers=count) for count in (1, 2, 3))
    found = [seen_with(look).pools["work"] for look in looks]
    assert [(it.unexplained, it.foreign) for it in found] == [(False, {}), (True, {}), (True, {"q": 1})]


def test_a_catch_all_that_consumes_the_queue_of_another_pool_is_ours() -> None:
    asked = fleet({"name": "work", "queues": ["q"]}, {"name": "rest", "queues": None})
    everything = pod("c", replace(IDLE, consuming=("q", "z")))
    pools = {
        "work": PoolSnapshot({"q": Present(0, 2)}, 0, (pod("a"),), 1),
        "rest": PoolSnapshot({}, 0, (everything,), 1),
    }
    assert with_foreign(asked, pools, {})["work"].foreign == {}


def test_a_silent_worker_consumes_what_its_command_names_also_where_that_is_another_pools_by_now() -> None:
    """A queue was moved from one pool to another, and a worker with a single thread still runs a task."""
    asked = fleet({"name": "from", "queues": ["q"]}, {"name": "to", "queues": ["moved"]})
    busy = pod("a", None, queues=("q", "moved"))
    pools = {
        "from": PoolSnapshot({"q": Present(0, 1)}, 0, (busy,), 1),
        "to": PoolSnapshot({"moved": Present(0, 1)}, 0, (), 0),
    }
    assert [it.foreign for it in with_foreign(asked, pools, {}).values()] == [{}, {}]


def test_the_worker_of_a_removed_pool_is_not_named_as_anothers() -> None:
    look, old = snapshot(pod("a"), consumers=3), PoolSnapshot({}, 0, (pod("old-2"),), 1)
    found = with_foreign(FLEET, look.pools, OLD, removed={"old": old})["work"]
    assert (found.foreign, found.strangers) == ({"q": 1}, ("celery@old-1",))
