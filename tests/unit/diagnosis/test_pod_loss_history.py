from datetime import UTC, datetime

import pytest

from tests.support.lost_pods import LOW, containers, ended, pod
from tests.support.pod_states import HOUR_AGO, STATES, pods_of
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.diagnosis.pod_loss_history import PodLosses
from utilitarian_operator.core.diagnosis.pod_losses import Cause
from utilitarian_operator.core.reasons import MOST_EVENTS_AT_ONCE

BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def crashed(times: int, name: str = "fleet-amr-1") -> Object:
    return pod(name, containerStatuses=containers(last=ended(at=f"2026-11-23T12:00:{times:02}Z")))


def test_each_loss_is_counted_and_told_once_a_pod_and_cause() -> None:
    found, losses = PodLosses(BEGAN).new([])
    assert found == []
    said = []
    for times in (1, 1, 2, 3):
        found, losses = losses.new([crashed(times)])
        said.append([worth for _, worth in found])
    assert said == [[True], [], [False], [False]]
    killed = pod(containerStatuses=containers(last=ended("OOMKilled", 137, "2026-11-23T12:00:09Z")))
    assert [(it.cause, worth) for it, worth in losses.new([killed])[0]] == [(Cause.OOM_KILLED, True)]


def test_what_was_lost_before_the_operator_began_is_told_already() -> None:
    before = pod(containerStatuses=containers(last=ended(at="2026-11-23T11:59:59Z")))
    assert PodLosses(BEGAN).new([before, pod(phase="Failed", reason="Evicted", message=LOW)])[0] == []
    assert len(PodLosses(BEGAN).new([crashed(1)])[0]) == 1


def test_of_many_losses_at_once_only_some_are_told() -> None:
    _, losses = PodLosses(BEGAN).new([])
    found, _ = losses.new([crashed(1, f"fleet-amr-{number}") for number in range(20)])
    assert [worth for _, worth in found] == [True] * MOST_EVENTS_AT_ONCE + [False] * (20 - MOST_EVENTS_AT_ONCE)


@pytest.mark.parametrize("state", [pytest.param(it, id=it["id"]) for it in STATES if "lost" in it])
def test_what_was_lost(state: Object) -> None:
    """As an operator tells it that began an hour ago."""
    _, losses = PodLosses(HOUR_AGO).new([])
    found = [it for it, _ in losses.new(pods_of(state))[0]]
    assert [it.cause for it in found] == [cause for cause, _ in state["lost"]]
    for loss, (_, words) in zip(found, state["lost"], strict=True):
        assert words in loss.note()
        assert "(queue 1)" not in loss.note()


def test_an_old_end_is_not_told_when_its_pod_is_seen_anew() -> None:
    """A pod's status shows the last end of its container for weeks, and a watch may lose a pod and find it again."""
    killed = next(it for it in STATES if it["id"].startswith("a node falls silent"))
    losses = PodLosses(HOUR_AGO)
    for pods in ([], pods_of(killed), [], pods_of(killed)):
        found, losses = losses.new(pods)
        assert found == []
