"""The promise: whatever changes, no task is lost, killed or run twice because of the operator; the ledger decides."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.drain import OURS, Case, bench
from bench.drain import TASKS as FORTY
from tests.support.drain_run import DrainResult, DrainRun
from tests.support.drain_scenario import (
    CHANGES,
    SCENARIO_POOLS,
    WAITING_POOLS,
    Kind,
    Lot,
    Phase,
    ScenarioPool,
    draw,
    paced,
    times,
)
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
@pytest.mark.timeout(1200)
def test_tasks_that_wait_until_they_are_due_outlive_a_restart_of_the_operator(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first task of each pool wakes it at once, so that its start is known; then a pool waits."""
    first, other = WAITING_POOLS
    few = tuple(Lot(it, (0.2,)) for it in WAITING_POOLS)
    phases = [
        Phase("lull", first, 0, few, 1.0),
        Phase("kill the operator while it waits", first, 0, (Lot(first, (0.5,) * 5), Lot(other, (0.5,))), 1.0),
    ]
    verdict = play(installation, tmp_path, WAITING_POOLS, phases)
    with capsys.disabled():
        sys.stdout.write(f"\n{verdict}\n")
    assert not verdict.faults, f"{verdict}\n{installation.fleet.describe()}"
    assert verdict.waited == 1, installation.fleet.pool(first.name)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_pools_that_wait_go_through_changes_and_restarts(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a broker of its own, that no other test misses."""
    changes: dict[Kind, int] = {"kill the operator while it waits": 4, "restart the broker": 1, "kill the operator": 1}
    kinds = [*times(dict.fromkeys(CHANGES, 1)), *times(changes)]
    few = tuple(Lot(it, (0.2,)) for it in WAITING_POOLS)
    drawn = draw(SEED, tasks=300, pools=WAITING_POOLS, kinds=kinds)
    with RabbitMQ(tmp_path / "broker") as broker:
        installation.rabbitmq, installation.vhost = broker, "/"
        installation.broker_url = broker.amqp_url()
        verdict = play(installation, tmp_path, WAITING_POOLS, [Phase("lull", WAITING_POOLS[0], 0, few, 1.0), *drawn])
    with capsys.disabled():
        sys.stdout.write(f"\n{verdict}\n")
    assert not verdict.faults, f"{verdict}\n{installation.fleet.describe()}"
    assert verdict.waited > 0


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
