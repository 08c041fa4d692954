"""What each mode leaves of a plan."""

from dataclasses import replace

import pytest

from utilitarian_operator.api.resource import Mode
from utilitarian_operator.core.draining.plan import DrainPlan
from utilitarian_operator.core.draining.steps import MarkDraining, Resize, Unmark
from utilitarian_operator.core.draining.workers import OpenGate
from utilitarian_operator.core.mode import allowed, makes_objects
from utilitarian_operator.core.objects.actions import ScaleTo
from utilitarian_operator.core.observation.broker import Questions
from utilitarian_operator.core.plan import Event, KeepSpec, Plan, Scale, WriteStatus
from utilitarian_operator.core.reasons import Reason

BACK, AWAY = Unmark("a", ("q",)), MarkDraining("b")
DRAIN = DrainPlan(Resize(1, ("b",)), (AWAY,), gates=(OpenGate("c"),), returns=(BACK,))
REMOVED = DrainPlan(Resize(0, ("d",)), (MarkDraining("d"),), farewell=True)
SCALES = (
    Scale("pool", ScaleTo("fleet-pool", 2, 3, "1"), "three"),
    Scale("removed", ScaleTo("fleet-removed", 1, 0, "1"), "gone", farewell=True),
)
PLAN = Plan(
    questions=Questions(frozenset({"celery@a"}), beats=True),
    scales=SCALES,
    drains={"pool": DRAIN, "removed": REMOVED},
    because={"pool": "nothing to do", "removed": "no longer asked for"},
    events=(Event(Reason.SPEC_WARNING, "beware"),),
    keep=KeepSpec(2, {}, makes_objects=True),
    status=WriteStatus({}, {}),
)


def test_auto_leaves_all_of_it() -> None:
    assert allowed(PLAN, "Auto") is PLAN


def test_paused_brings_workers_back_and_lets_removed_pools_go() -> None:
    paused = allowed(PLAN, "Paused")
    assert [it.pool for it in paused.scales] == ["removed"]
    assert paused.drains == {
        "pool": replace(DRAIN, resize=None, steps=(BACK,)),
        "removed": REMOVED,
    }
    assert (paused.keep, paused.status) == (PLAN.keep, PLAN.status)
    assert paused.because == {"pool": "while the fleet is paused, none is led out", "removed": "no longer asked for"}


def test_a_pool_whose_number_another_client_sets_is_left_alone_and_the_others_are_not() -> None:
    left = allowed(PLAN, "Auto", {"pool", "removed"})
    assert [it.pool for it in left.scales] == ["removed"]
    assert left.because == {"pool": "its number of workers is left to another client", "removed": "no longer asked for"}
    assert left.drains == {"pool": replace(DRAIN, resize=None, steps=(BACK,)), "removed": REMOVED}
    assert allowed(PLAN, "Auto", {"other"}) == PLAN


def test_preview_makes_and_changes_nothing() -> None:
    preview = allowed(PLAN, "Preview")
    assert (preview.scales, preview.objects, preview.deletions) == ((), (), ())
    assert preview.drains == {"pool": replace(DRAIN, resize=None, steps=(BACK,), gates=())}
    assert preview.because["pool"] == "while the fleet is only previewed, none is led out"
    assert preview.keep is not None
    assert not preview.keep.makes_objects


@pytest.mark.parametrize("mode,beats", [("Auto", True), ("Paused", True), ("Preview", False)])
def test_workers_are_asked_in_each_mode_and_other_beats_where_ours_may_run(mode: Mode, beats: bool) -> None:
    assert allowed(PLAN, mode).questions == Questions(frozenset({"celery@a"}), beats=beats)
    assert makes_objects(mode) is beats


@pytest.mark.parametrize("mode", ["Auto", "Paused", "Preview"])
def test_what_is_seen_is_said_in_each_mode(mode: str) -> None:
    plan = allowed(PLAN, mode)  # type: ignore[arg-type]
    assert (plan.events, plan.status) == (PLAN.events, PLAN.status)
