"""Drains while a view is late or a rollout goes wrong, with real controllers, a real broker and real workers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.drain_run import WRONG_VICTIMS
from tests.support.installation import DEFAULT, QUICK, Installation
from tests.support.operator import Operator, as_process
from tests.support.pod_lives import PodLives
from tests.support.relay import Relay

ONE_SLOT = {"concurrency": 1, "prefetchMultiplier": 1}
LATE = [{"name": "UTILITARIAN_ACKS_LATE", "value": "true"}]
PODS_WATCHED = "GET /api/v1/[^ ]*pods[^ ]*watch="


def pool(least: int, most: int) -> dict[str, Any]:
    scaling = {**QUICK, "min": least, "max": most}
    return {"name": "work", "queues": [DEFAULT], "worker": ONE_SLOT, "env": LATE, "scaling": scaling}


@pytest.fixture
def relayed(installation: Installation, tmp_path: Path) -> Iterator[tuple[Relay, Operator]]:
    fleet = installation.fleet
    with (
        Relay(fleet.controlplane, tmp_path / "kubeconfig") as relay,
        as_process(fleet.controlplane, fleet.namespace, directory=tmp_path, kubeconfig=relay.kubeconfig) as (
            _,
            operator,
        ),
    ):
        yield relay, operator


def at_work(installation: Installation) -> set[str]:
    ledger = installation.ledger.read()
    running = ledger.running()
    return {record.hostname for record in ledger.records if record.task_id in running}


def test_workers_that_a_standing_watch_does_not_tell_of_are_not_taken(
    installation: Installation, relayed: tuple[Relay, Operator]
) -> None:
    """Pods that were not seen counted as never made, and the Deployment was scaled down by as many that were busy."""
    relay, operator = relayed
    fleet = installation.fleet
    installation.declare()
    installation.create(pools=[pool(1, 3)])
    installation.wait(lambda: fleet.pool("work").get("ready") == 1)
    with PodLives.of(fleet) as lives:
        with relay.holding(PODS_WATCHED):
            fleet.edit(pools=[pool(3, 3)])
            sent = installation.send(DEFAULT, 3, 20)
            installation.wait(lambda: len(at_work(installation)) == 3)
            fleet.edit(pools=[pool(1, 1)])
            installation.wait_looks(operator)
            assert fleet.replicas("work") == 3
        installation.wait(lambda: fleet.replicas("work") == 1 and len(fleet.pods("work")) == 1)
        summary = installation.ledger.read().summary(sent)
        assert summary.each_finished_once, summary
        said = [life for life in lives.lives() if life.asked_to_end is not None]
    assert [life.name for life in said if not life.led or life.worked_after(installation.ledger.read().records)] == []
    assert sum(value for name, value in operator.metrics().items() if name.startswith(WRONG_VICTIMS)) == 0


def test_a_bad_image_that_came_while_workers_left_and_was_corrected_leaves_no_pod_behind(
    installation: Installation, operator: Operator
) -> None:
    """The marked worker was released, so that the corrected rollout never ended, and the pool never shrank."""
    fleet = installation.fleet
    installation.declare()
    installation.create(pools=[pool(4, 4)])
    installation.wait(lambda: fleet.pool("work").get("ready") == 4)
    sent = installation.send(DEFAULT, 4, 8)
    installation.wait(lambda: len(at_work(installation)) == 4)
    fleet.edit(pools=[pool(1, 1)])
    installation.wait(lambda: fleet.pool("work").get("draining"))
    good = fleet.read()["spec"]["image"]
    fleet.edit(image="missing:1")
    installation.wait(lambda: len(fleet.pods("work")) == 5)
    installation.wait(lambda: installation.ledger.read().ids("end") == set(sent))
    installation.wait_looks(operator)
    fleet.edit(image=good)
    installation.wait(lambda: fleet.replicas("work") == 1 and len(fleet.pods("work")) == 1)
    installation.wait(lambda: fleet.pool("work").get("ready") == 1)
    assert installation.ledger.read().summary(sent).each_finished_once
