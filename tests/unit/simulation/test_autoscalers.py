"""The models of the others, held against what was measured on a real cluster with KEDA 2.21 and Kubernetes 1.34."""

from dataclasses import replace
from itertools import repeat
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import pytest
import yaml

from tests.support.pools import pool
from tests.support.simulated import stage
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.simulation.autoscalers import Autoscaler, Hpa, Settings, default_target
from utilitarian_operator.simulation.load.workload import read_load
from utilitarian_operator.simulation.play import kind, play, scene
from utilitarian_operator.simulation.pool_model import Workers
from utilitarian_operator.simulation.report.measure import PolicyResult, measured

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"

BURST_AT = 3600


def climbs(**how: Any) -> tuple[list[float], list[float]]:
    """Seconds from 200 messages to the first worker asked for and to the twentieth, on 40 pools."""
    scene = stage(
        {"work": {"arrivals": [{"cron": "0 1 * * *", "tasks": 200}], "seconds": {"median": 600, "p95": 600}}},
        {"worker": {"concurrency": 1}, "scaling": {"max": 20}},
        days=0.1,
    )
    asked, first, twentieth = scene.fleet.pools[0], [], []
    for seed in range(40):
        workers = Workers(scene.tasks["pool"], kind(asked, scene), repeat(1e6))
        chance = Random(seed)  # noqa: S311 - no secret
        Autoscaler(asked, workers, chance, Settings(**how), target=10.0).advance(BURST_AT + 300)
        began = sorted(worker.began - BURST_AT for worker in workers.workers)
        first.append(began[0])
        twentieth.append(began[19])
    return first, twentieth


@pytest.mark.parametrize(
    "how, to_one, to_twenty",
    [
        # Measured: median and maximum of 14 deployments.
        pytest.param({"counting": "amqp"}, (19.1, 29.2), (78.6, 89.3), id="defaults, amqp"),
        pytest.param({"counting": "http"}, (23.5, 36.2), (81.4, 93.6), id="defaults, http"),
        pytest.param({"counting": "amqp", "poll": 1.0}, (0.6, 1.0), (53.4, 60.3), id="poll 1 s, amqp"),
        pytest.param({"counting": "http", "poll": 1.0}, (5.5, 7.2), (59.6, 67.1), id="poll 1 s, http"),
        pytest.param(
            {"counting": "amqp", "poll": 1.0, "unlimited": True}, (0.5, 0.9), (8.6, 15.2), id="steps up unlimited"
        ),
    ],
)
def test_times_are_those_that_were_measured(
    how: dict[str, Any], to_one: tuple[float, float], to_twenty: tuple[float, float]
) -> None:
    first, twentieth = climbs(**how)
    assert median(first) == pytest.approx(to_one[0], abs=3.5)
    assert max(first) <= to_one[1] + 5
    assert median(twentieth) == pytest.approx(to_twenty[0], abs=12)
    assert max(twentieth) <= to_twenty[1] + 25


def hpa(**more: Any) -> Hpa:
    return Hpa(**{"target": 10.0, "least": 1, "most": 20, "random": Random(1), **more})  # noqa: S311 - no secret


def test_within_the_tolerance_nothing_changes() -> None:
    assert hpa().sync(0, 10, 109) == 10
    assert hpa().sync(0, 10, 91) == 10


def test_steps_up_double_or_add_four() -> None:
    assert hpa().sync(0, 1, 200) == 5
    assert hpa().sync(0, 8, 200) == 16
    assert hpa().sync(0, 16, 2000) == 20


def test_it_comes_down_to_the_largest_of_five_minutes() -> None:
    one = hpa()
    assert one.sync(0, 8, 80) == 8
    assert one.sync(15, 8, 30) == 8
    assert one.sync(301, 8, 30) == 3


def played(policy: str, queue: dict[str, Any], settings: dict[str, Any], **more: Any) -> PolicyResult:
    scene = stage({"work": queue}, settings, **more)
    return measured(policy, play(policy, scene), scene)


LONG = {"arrivals": [{"cron": "0 * * * *", "tasks": 40}], "seconds": {"median": 600, "p95": 900}}
SMALL = {"worker": {"concurrency": 2}, "scaling": {"drainWithin": "2m", "taskDuration": "100s"}}


@pytest.mark.thorough
def test_an_expert_s_keda_interrupts_nothing_and_keeps_every_deadline() -> None:
    """Four days of the typical month's runs: the same grace as ours makes the difference."""
    fleet = effective_fleet(accept(yaml.safe_load((EXAMPLES / "production.yaml").read_text())).spec)
    runs = replace(fleet, pools=tuple(pool for pool in fleet.pools if pool.schedule))
    month = scene(runs, read_load(EXAMPLES / "load-typical.yaml", fleet), days=4, seed=1, folder=EXAMPLES)
    tuned = measured("keda-tuned", play("keda-tuned", month), month)
    assert (tuned.deadlines, tuned.deadlines_met, tuned.interrupted) == (107, 107, 0)
    defaults = measured("keda", play("keda", month), month)
    assert defaults.interrupted > 0


@pytest.mark.parametrize("policy", ["keda", "keda-tuned", "keda-amqp", "hpa"])
def test_an_idle_pool_at_its_minimum_changes_nothing(policy: str) -> None:
    result = played(policy, {"arrivals": [{"cron": "0 1 1 1 *", "tasks": 1}]}, {"scaling": {"min": 2}}, days=1)
    assert (result.pools["pool"].changes, result.pools["pool"].starts) == (0, 2)


def test_an_expert_s_pool_is_awake_and_asleep_sooner() -> None:
    queue = {"arrivals": [{"poisson": "2/h"}]}
    defaults, tuned = (played(policy, queue, {}, days=5).pools["pool"] for policy in ("keda", "keda-tuned"))
    assert tuned.waits.p50 < defaults.waits.p50
    assert tuned.hours < 0.6 * defaults.hours


@pytest.mark.parametrize("acks, lost", [("early", True), ("late", False)])
def test_it_kills_what_it_does_not_see(acks: str, *, lost: bool) -> None:
    result = played("keda-amqp", LONG, SMALL, acks=acks).pools["pool"]
    assert result.interrupted > 0
    assert (result.lost > 0) is lost


def test_ours_interrupts_nothing_on_the_same_load() -> None:
    result = played("utilitarian", LONG, SMALL, days=0.12).pools["pool"]
    assert (result.interrupted, result.lost, result.unfinished) == (0, 0, 0)


def test_the_hpa_alone_never_sleeps() -> None:
    result = played("hpa", {"arrivals": [{"cron": "0 1 * * *", "tasks": 1}]}, {}, days=1)
    assert result.hours == pytest.approx(24)


def test_the_target_is_what_a_worker_starts_within_the_promise() -> None:
    one = pool(concurrency=10, drainWithin="10m", taskDuration="5s")
    assert default_target(one) == 1200
