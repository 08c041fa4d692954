"""Which workers ask node autoscalers to leave them alone: the busy ones of pools that want it, while they are."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.pools import NOW, fleet
from utilitarian_operator.api.patience import PATIENCE
from utilitarian_operator.core.draining.eviction_guard import GUARD, guards, idle_since
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot

Annotations = dict[str, Any]
NOTHING = WorkerLoad(active=0, acked_early=0, reserved=0, scheduled=0)
BUSY = WorkerLoad(active=1, acked_early=1, reserved=0, scheduled=0)
SILENT = Unknown("worker p does not answer", NOW)
OTHERS = {"example.com/a": "b"}
TAKEN_AWAY = dict.fromkeys(GUARD)


def pod(held: WorkerLoad | Unknown, *, running: bool = True) -> PodSnapshot:
    return PodSnapshot("p", ready=True, running=running, leaving=False, held=held)


def changes(
    idle: dict[str, datetime], seen: PodSnapshot, there: Annotations, after: timedelta = timedelta(), **pool: Any
) -> Mapping[str, str | None] | None:
    """What is written; `idle` is what is kept from look to look."""
    wanted = fleet({"name": "a", "disruption": "Avoid", **pool})
    snapshot = FleetSnapshot(NOW + after, {"a": PoolSnapshot({}, 0, (seen,), 1)})
    body = {"metadata": {"name": "p", "annotations": there}}
    now = idle_since(snapshot, idle)
    idle.clear()
    idle.update(now)
    return next((it.annotations for it in guards(wanted, snapshot, {"p": body}, idle)), None)


@pytest.mark.parametrize(
    "seen,there,pool,expected",
    [
        pytest.param(pod(BUSY), OTHERS, {}, GUARD, id="busy"),
        pytest.param(pod(SILENT), OTHERS, {}, GUARD, id="silent counts as busy"),
        pytest.param(pod(BUSY), {**OTHERS, **GUARD}, {}, None, id="busy and shielded already"),
        pytest.param(pod(BUSY), {}, {"disruption": "Allow"}, None, id="a pool that allows it"),
        pytest.param(pod(BUSY), GUARD, {"disruption": "Allow"}, TAKEN_AWAY, id="a pool that allows it by now"),
        pytest.param(pod(SILENT, running=False), GUARD, {}, TAKEN_AWAY, id="its container has ended"),
        pytest.param(pod(NOTHING), {}, {}, None, id="idle"),
        pytest.param(pod(NOTHING), GUARD, {}, None, id="idle for a moment"),
        pytest.param(
            pod(BUSY),
            {"karpenter.sh/do-not-disrupt": "false"},
            {"pod": {"annotations": {"karpenter.sh/do-not-disrupt": "false"}}},
            {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
            id="what the resource itself says stays",
        ),
        *(
            pytest.param(
                pod(seen),
                GUARD,
                {"disruption": disruption, "pod": {"template": {"metadata": {"annotations": dict(GUARD)}}}},
                None,
                id=f"what a template says stays: {disruption}, {'busy' if seen is BUSY else 'idle'}",
            )
            for disruption, seen in (("Allow", BUSY), ("Allow", NOTHING), ("Avoid", NOTHING))
        ),
        pytest.param(
            pod(BUSY),
            {"karpenter.sh/do-not-disrupt": "false"},
            {"pod": {"template": {"metadata": {"annotations": {"karpenter.sh/do-not-disrupt": "false"}}}}},
            {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
            id="nor is it written over",
        ),
        pytest.param(
            pod(BUSY),
            {},
            {"pod": {"template": {"metadata": {"annotations": {"karpenter.sh/do-not-disrupt": None}}}}},
            GUARD,
            id="a template that takes none away",
        ),
    ],
)
def test_which_workers_are_guarded(
    seen: PodSnapshot, there: Annotations, pool: Annotations, expected: Annotations | None
) -> None:
    assert changes({}, seen, there, **pool) == expected


def test_an_idle_worker_is_let_go_after_a_while_and_not_between_two_tasks() -> None:
    since: dict[str, datetime] = {}
    idle = pod(NOTHING)
    just_before = PATIENCE.idle - timedelta(seconds=1)
    assert changes(since, idle, GUARD) is None
    assert changes(since, idle, GUARD, just_before) is None
    assert changes(since, replace(idle, held=BUSY), GUARD, just_before) is None
    assert changes(since, idle, GUARD, PATIENCE.idle) is None
    assert changes(since, idle, GUARD, 2 * PATIENCE.idle) == TAKEN_AWAY


def test_an_unseen_pod_is_left_alone() -> None:
    snapshot = FleetSnapshot(NOW, {"a": PoolSnapshot({}, 0, (pod(BUSY),), 1)})
    assert guards(fleet({"name": "a", "disruption": "Avoid"}), snapshot, {}, {}) == ()
