from typing import Any

import pytest

from tests.support.simulated import stage
from utilitarian_operator.simulation.oracle import play_oracle
from utilitarian_operator.simulation.play import play
from utilitarian_operator.simulation.report.measure import PolicyResult, measured


def played(policy: str, queue: dict[str, Any], settings: dict[str, Any], **more: Any) -> PolicyResult:
    scene = stage({"work": queue}, settings, **more)
    return measured(policy, play(policy, scene), scene)


@pytest.mark.parametrize("policy", ["keda", "keda-tuned", "keda-amqp", "hpa", "utilitarian", "fixed:2", "oracle"])
def test_waiting_is_what_ready_workers_stood_without_a_task_under_every_policy(policy: str) -> None:
    """Two workers that stay, one slot each, tasks that share them: whatever the policy, the same hours are idle."""
    queue = {"arrivals": [{"rate": "20/h"}], "seconds": {"median": 60, "p95": 60}}
    two = {"worker": {"concurrency": 1}, "scaling": {"min": 2, "max": 2, "idleAfter": "10s", "stabilization": "10s"}}
    scene = stage({"work": queue}, two, days=0.1)
    if policy == "oracle":
        known, bounds = play_oracle(scene)
        result = measured(policy, known, scene, bounds)
    else:
        result = measured(policy, play(policy, scene), scene)
    assert result.hours == pytest.approx(4.8)
    assert result.idle == pytest.approx(4.8 - 0.8, abs=0.02)


def test_a_fixed_number_is_paid_all_day() -> None:
    result = played("fixed:3", {"arrivals": [{"rate": "1/m"}]}, {}, days=1)
    assert (result.hours, result.starts, result.interrupted) == (pytest.approx(72), 3, 0)


def test_a_pool_that_nothing_comes_to_costs_nothing() -> None:
    assert played("keda", {"arrivals": [{"cron": "0 1 1 1 *", "tasks": 1}]}, {}).hours == 0
