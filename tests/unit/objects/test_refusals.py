from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.resources import resource
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.blocker import NAME_TAKEN, REFUSED, Blocker
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.actions import ScaleTo
from utilitarian_operator.core.objects.refusals import (
    LONGEST_PAUSE,
    SHORTEST_PAUSE,
    Refusal,
    Refusals,
    not_scaled,
    scaling,
    taken,
)
from utilitarian_operator.core.objects.wanted import Wanted, wanted_objects

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OWNER = Owner("ns", "fleet", "mine")
NOTHING: dict[str, Any] = {"Deployment": {}, "StatefulSet": {}, "PodDisruptionBudget": {}}
SUMS: dict[str | None, str | None] = {"a": "1", "b": None, None: "3"}


def wanted(seen: dict[str, Any] | None = None, *, built_in: bool = False) -> list[Wanted]:
    fleet = effective_fleet(parse(resource("pools: [{name: a, queues: [q]}, {name: b, queues: [r]}]")).spec)
    return list(wanted_objects(OWNER, fleet, seen or NOTHING, SUMS, built_in=built_in))


def test_a_refused_object_is_tried_again_ever_later_and_at_once_in_another_shape() -> None:
    refusals, it = Refusals(), wanted()[0]
    blocker = Blocker(REFUSED, "words")
    now = NOW
    pauses = []
    for _ in range(6):
        assert refusals.due(it, now)
        refusals = refusals.noted([it], [Refusal(it, blocker)], now)
        tried = now
        while not refusals.due(it, now):
            now += timedelta(seconds=1)
        pauses.append(now - tried)
    assert pauses[0] == SHORTEST_PAUSE
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    assert refusals.blockers == [blocker]
    assert refusals.only([it]).blockers == [blocker]
    other = Wanted({**it.manifest, "metadata": {**it.manifest["metadata"], "annotations": {}}}, it.path)
    assert refusals.due(other, now), "another shape is tried at once"
    assert refusals.only([other]).blockers == [blocker], "and holds until then"
    assert refusals.noted([other], [], now).blockers == []
    assert refusals.only([]).blockers == []


def test_a_refusal_is_over_when_a_try_went_well() -> None:
    refusals, it = Refusals(), wanted()[0]
    refusals = refusals.noted([it], [taken(it)], NOW)
    assert [o.reason for o in refusals.blockers] == [NAME_TAKEN]
    refusals = refusals.noted([it], [], NOW)
    assert refusals.blockers == []


def test_a_refused_number_of_workers_waits_and_another_one_is_asked_for_at_once() -> None:
    step = ScaleTo("fleet-a", 2, 5, "7")
    refusals = Refusals().noted([scaling(step)], [not_scaled("a", step, "at most 4")], NOW)
    asked = [ScaleTo("fleet-a", 2, 5, "8"), ScaleTo("fleet-a", 2, 4, "8"), ScaleTo("fleet-b", 2, 5, "8")]
    assert [refusals.due(scaling(it), NOW) for it in asked] == [False, True, True]
    assert refusals.noted([scaling(asked[1])], [], NOW).blockers == []


def test_what_may_be_by_chance_is_tried_again_at_once_and_counts_after_some_seconds() -> None:
    """Else one answer that is lost would call the fleet stalled, which ends a GitOps tool's wave."""
    it = wanted()[0]
    refusal, refusals, now = Refusal(it, Blocker(REFUSED, "words"), doubtful=True), Refusals(), NOW
    for _ in range(5):
        refusals = refusals.noted([it], [refusal], now)
        assert refusals.due(it, now)
        assert (refusals.blockers, refusals.of("Deployment"), refusals.refused(it)) == ([], {}, False)
        now += timedelta(seconds=1)
    refusals = refusals.noted([it], [refusal], now)
    assert not refusals.due(it, now)
    assert (refusals.blockers, refusals.refused(it)) == ([refusal.blocker], True)
    assert refusals.of("Deployment") == {it.name: refusal.blocker}
