from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.explained import MEASURED, OUTLOOKS, left_by_operator, one
from tests.support.pools import NOW, facts
from utilitarian_operator.core.explain.from_status import decisions_now, facts_from_status
from utilitarian_operator.core.observation.model.figures import Unknown


@pytest.mark.parametrize(
    "pool,at_least,work",
    [
        pytest.param({}, None, None, id="never-seen"),
        pytest.param({"backlog": 5}, 5, None, id="unacked-unknown"),
        pytest.param({"backlog": 5, "unacked": 3, "busy": 2, "replicas": 1}, 8, 8, id="late-acknowledgement"),
        pytest.param({"backlog": 5, "unacked": 0, "busy": 2, "replicas": 1}, 7, 7, id="early-acknowledgement"),
        pytest.param({"backlog": 0, "unacked": 3, "busy": 0, "deferred": 3, "replicas": 1}, 0, 0, id="later-ones"),
    ],
)
def test_the_facts_that_a_status_tells(pool: Mapping[str, Any], at_least: int | None, work: int | None) -> None:
    said = facts_from_status(pool, NOW)
    assert said.at_least == at_least
    assert isinstance(said.work, Unknown) if work is None else said.work == work


# What a status doesn't have: decided anew, the operator has run for long and every queue is there.
NOT_TOLD = {"an operator that has just started", "a missing queue"}


@pytest.mark.parametrize("name", sorted(OUTLOOKS.keys() - NOT_TOLD))
def test_deciding_again_from_the_status_comes_to_the_same(name: str) -> None:
    decided, look, _ = OUTLOOKS[name]
    resource = left_by_operator(decided, **look)
    assert decisions_now(decided, resource, NOW)["pool"].replicas == _pool(resource)["desired"]


@pytest.mark.parametrize("current,needed", [(1, 20_000), (3, 40)])
def test_what_keeps_more_workers_from_starting_counts_whatever_the_last_decision_said_of_it(
    current: int, needed: int
) -> None:
    seen = facts(needed, current=current, held_up="its pods are refused: quota, used: 3 of 3")
    resource = left_by_operator(one(worker={"concurrency": 20}), seen, MEASURED)
    edited = one(worker={"concurrency": 1})
    again = decisions_now(edited, {**resource, "status": {"pools": [_pool(resource) | {"backlog": 20_000}]}}, NOW)
    assert again["pool"].rule == "held-up"
    assert again["pool"].message.endswith(f": {seen.held_up}")


def test_an_edit_is_decided_by_what_was_seen_last() -> None:
    seen = left_by_operator(one(worker={"concurrency": 20}), facts(20_000, current=9), MEASURED)
    edited = one(worker={"concurrency": 20}, scaling={"max": 4})
    assert decisions_now(edited, seen, NOW)["pool"].rule == "bounds"


def _pool(resource: Mapping[str, Any]) -> dict[str, Any]:
    pool: dict[str, Any] = resource["status"]["pools"][0]
    return pool
