from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.pools import NOW, fleet
from tests.support.worker_pods import SILENT, pod, released, said, snapshot
from utilitarian_operator.core.draining.plan import drain_plans, may_go
from utilitarian_operator.core.draining.steps import Resize
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot
from utilitarian_operator.core.observation.reported import Reported
from utilitarian_operator.core.sizing.decision import Step, start

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


def test_a_look_over_the_fleet_asks_each_deployment() -> None:
    seen = snapshot(pod("a"), released("b"), reported=said(2, 2))
    fleet_sight = FleetSnapshot(NOW, {"pool": seen})
    decisions = {"pool": start(Step("demand", 2, 1, "one is enough"))}
    assert drain_plans(FLEET, fleet_sight, decisions, {})["pool"].resize is None
    fresh = replace(fleet_sight, pools={"pool": replace(seen, reported=said(2, 1))})
    drain = drain_plans(FLEET, fresh, decisions, {})["pool"]
    assert drain.resize == Resize(1, ("b",))
    assert drain.others == {"a"}


def test_of_pods_that_do_not_run_none_is_a_wrong_victim() -> None:
    asleep = {"running": False, "ready": False}
    gone = replace(released("b", **asleep), held=SILENT)
    seen = snapshot(pod("a"), gone, pod("c", SILENT, gate=None, **asleep), reported=said(3, 1))
    drain = drain_plans(FLEET, FleetSnapshot(NOW, {"pool": seen}), {"pool": start(Step("demand", 3, 2, "two"))}, {})[
        "pool"
    ]
    assert drain.resize == Resize(2, ("b",))
    assert drain.others == {"a"}
