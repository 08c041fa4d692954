"""The promise: whatever changes, no task is lost, killed or run twice because of the operator; the ledger decides."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.drain import OURS, Case, bench
from bench.drain import TASKS as FORTY
from tests.support.drain_run import DrainResult, DrainRun
from tests.support.drain_scenario import CHANGES, SCENARIO_POOLS, Kind, Phase, ScenarioPool, draw, paced, times
from tests.support.installation import Installation
from tests.support.operator import as_process
from tests.support.pod_lives import PodLives
from tests.support.rabbitmq import RabbitMQ

TASKS = 2000
SEED = 20261123
SLICE = 78
"""Lowers a pool at work to one worker, wakes the other one, rolls the first one out, and kills the operator."""


def play(
    installation: Installation, directory: Path, pools: Sequence[ScenarioPool], phases: Sequence[Phase]
) -> DrainResult:
    fleet = installation.fleet
    with (
        PodLives.of(fleet) as lives,
        as_process(fleet.controlplane, fleet.namespace, directory=directory) as (process, operator),
    ):
        return DrainRun(installation, process, operator, pools, lives).play(phases)


def test_a_busy_minute_costs_no_task(installation: Installation, tmp_path: Path) -> None:
    pools = (SCENARIO_POOLS[0], SCENARIO_POOLS[3])
    kinds: list[Kind] = ["burst", "lower max", "kill the operator", "roll out"]
    phases = paced(draw(SLICE, tasks=60, pools=pools, kinds=kinds), 0.4)
    verdict = play(installation, tmp_path, pools, phases)
    assert not verdict.faults, f"{verdict}\n{installation.fleet.describe()}"
    assert max(verdict.largest.values()) > 1


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [SEED])
def test_two_thousand_tasks_go_through_twenty_changes(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    """With a broker of its own, that no other test misses."""
    kinds = [*times(CHANGES), *times({"kill the operator": 3, "restart the broker": 1})]
    with RabbitMQ(tmp_path / "broker") as broker:
        installation.rabbitmq, installation.vhost = broker, "/"
        installation.broker_url = broker.amqp_url()
        verdict = play(
            installation, tmp_path, SCENARIO_POOLS, draw(seed, tasks=TASKS, pools=SCENARIO_POOLS, kinds=kinds)
        )
    with capsys.disabled():
        sys.stdout.write(f"\n{verdict}\n")
    assert not verdict.faults, f"{verdict}\n{installation.fleet.describe()}"


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_tasks_of_minutes_finish_once_at_their_full_length(capsys: pytest.CaptureFixture[str]) -> None:
    """The first case of `make bench BENCH=drain` without a time factor."""
    with bench() as parts:
        row = parts.measure(OURS, Case(late=False, scale=1))
    with capsys.disabled():
        sys.stdout.write(f"\n{row}\n")
    assert (row["finished"], row["lost"], row["twice"]) == (FORTY, 0, 0)
