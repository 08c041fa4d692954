"""What has lasted for a while goes on lasting when the clock is set back: nothing has to be waited for twice."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.looks import DEAF, FLEET, IDLE, pod, snapshot
from tests.support.pools import NOW
from utilitarian_operator.api.patience import PATIENCE
from utilitarian_operator.core.blocker import Blocker
from utilitarian_operator.core.diagnosis.findings import (
    SymptomHistory,
    examine,
)
from utilitarian_operator.core.draining.plan import shrinking
from utilitarian_operator.core.moments import apart, since, timestamp
from utilitarian_operator.core.objects.drift import AGAIN_AFTER, Applied, drifted
from utilitarian_operator.core.objects.refusals import LONGEST_PAUSE, Refusal, Refusals
from utilitarian_operator.core.objects.wanted import Wanted
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.sizing.decision import Decision, Step
from utilitarian_operator.core.sizing.pools import first_seen_work

SECOND, BACK = timedelta(seconds=1), timedelta(days=10)


@pytest.mark.parametrize(
    "before, began", [(None, NOW), (NOW - SECOND, NOW - SECOND), (NOW + BACK, NOW)], ids=["new", "lasts", "set back"]
)
def test_when_something_began(before: datetime | None, began: datetime) -> None:
    assert since(before, NOW) == began


def test_two_moments_are_never_less_than_nothing_apart() -> None:
    assert apart(NOW, NOW + BACK) == apart(NOW + BACK, NOW) == BACK


@pytest.mark.parametrize(
    "look, patience, finding",
    [
        pytest.param(snapshot(pod("deaf", DEAF)), PATIENCE.not_consuming, "Stuck", id="stuck"),
        pytest.param(snapshot(pod("idle", IDLE), ready=3), PATIENCE.no_progress, "Starved", id="starved"),
        pytest.param(
            replace(
                snapshot(pod("idle", IDLE)),
                pools={
                    **snapshot(pod("idle", IDLE)).pools,
                    "work": replace(snapshot(pod("idle", IDLE)).pools["work"], foreign={"q": 1}),
                },
            ),
            PATIENCE.foreign,
            "ForeignConsumers",
            id="foreign",
        ),
    ],
)
def test_a_finding_is_named_in_time_after_the_clock_was_set_back(
    look: FleetSnapshot, patience: timedelta, finding: str
) -> None:
    histories: dict[str, SymptomHistory] = {}
    for moment in (NOW + BACK, NOW, NOW + patience):
        found, histories = examine(FLEET, replace(look, at=moment), histories)
    assert [it.reason for it in found["work"]] == [finding]


def decided(replicas: int, current: int) -> dict[str, Decision]:
    return {"work": Decision(replicas, (Step("demand", current, replicas, "because"),))}


def test_work_that_waits_and_a_pool_that_shrinks_began_no_later_than_now() -> None:
    waits = FleetSnapshot(NOW, {"work": PoolSnapshot({"q": Present(3, 0)}, 0)})
    assert first_seen_work({"work": NOW + BACK}, waits, decided(1, 0)) == {"work": NOW}
    many = FleetSnapshot(NOW, {"work": PoolSnapshot({"q": Present(0, 2)}, 0, replicas=2)})
    assert shrinking(many, decided(1, 2), {"work": NOW + BACK}) == {"work": NOW}


def test_what_was_tried_in_the_future_is_tried_again() -> None:
    live = {"metadata": {"managedFields": []}}
    assert drifted(live, Applied([{"manager": "other"}], NOW + BACK), NOW)
    assert not drifted(live, Applied([{"manager": "other"}], NOW - AGAIN_AFTER + SECOND), NOW)
    wanted = Wanted({"kind": "Deployment", "metadata": {"name": "a", "namespace": "b"}}, "spec")
    refusals = Refusals().noted([wanted], [Refusal(wanted, Blocker("Refused", "no"))], NOW + BACK)
    assert refusals.due(wanted, NOW)
    assert not refusals.due(wanted, NOW + BACK + SECOND / 10)
    assert LONGEST_PAUSE < BACK


@pytest.mark.parametrize(
    "moment,to,written",
    [
        pytest.param("2026-03-02T12:00:59.999999+00:00", "seconds", "2026-03-02T12:00:59Z", id="whole-seconds"),
        pytest.param("2026-03-02T12:00:59+00:00", "minutes", "2026-03-02T12:00Z", id="whole-minutes"),
        pytest.param("2026-03-02T12:00:59+00:00", "microseconds", "2026-03-02T12:00:59.000000Z", id="MicroTime"),
        pytest.param("2026-03-02T14:00:00+02:00", "seconds", "2026-03-02T12:00:00Z", id="in-UTC"),
    ],
)
def test_a_moment_is_written_as_kubernetes_does(moment: str, to: Any, written: str) -> None:
    assert timestamp(datetime.fromisoformat(moment), to) == written
