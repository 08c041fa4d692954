"""What comes between the steps of a drain: an operator that dies, load that returns, a mode that changes."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.drain_run import WRONG_VICTIMS
from tests.support.installation import DEFAULT, QUICK, Installation
from tests.support.operator import Operator, as_process
from tests.support.pod_lives import PodLives
from tests.support.relay import Moment, Relay
from utilitarian_operator.adapters.broker.workers.remote_control import RemoteControl
from utilitarian_operator.core.labels import DRAINING

pytestmark = pytest.mark.soak  # a slice of all this is in test_drain_proof.py and test_operator_drain.py
SECONDS = 2.0


def pool(most: int) -> dict[str, Any]:
    worker = {"concurrency": 1, "prefetchMultiplier": 1}
    return {"name": "work", "queues": [DEFAULT], "worker": worker, "scaling": {**QUICK, "max": most}}


@dataclass
class Busy:
    """Three workers with two tasks each."""

    installation: Installation
    sent: list[str]

    @classmethod
    def make(cls, installation: Installation) -> "Busy":
        installation.declare()
        installation.create(pools=[pool(3)])
        sent = installation.send(DEFAULT, 6, SECONDS)
        busy = cls(installation, sent)
        installation.wait(lambda: len(busy.at_work()) == 3)
        return busy

    def at_work(self) -> set[str]:
        ledger = self.installation.ledger.read()
        running = ledger.running()
        return {record.hostname for record in ledger.records if record.task_id in running}

    def begun(self, node: str) -> int:
        return sum(it.event == "start" and it.hostname == node for it in self.installation.ledger.read().records)

    def marked(self) -> set[str]:
        fleet = self.installation.fleet
        pods = fleet.controlplane.pods(fleet.namespace, "utilitarian.io/pool=work")
        return {pod["metadata"]["name"] for pod in pods if DRAINING in (pod["metadata"].get("annotations") or {})}

    def lower(self) -> None:
        self.installation.fleet.edit(pools=[pool(1)])

    def more(self, number: int) -> None:
        self.sent += self.installation.send(DEFAULT, number, SECONDS)

    def finish(self) -> None:
        """Waits until the pool is empty, and looks whether each task was done once."""
        self.installation.wait(lambda: not self.installation.fleet.pods("work"))
        summary = self.installation.ledger.read().summary(self.sent)
        assert summary.each_finished_once, summary


@pytest.fixture
def lives(installation: Installation) -> Iterator[PodLives]:
    with PodLives.of(installation.fleet) as watching:
        yield watching


POD, SCALE = "PATCH /api/v1/[^ ]*/pods/fleet-work-", "PATCH [^ ]*/deployments/fleet-work/scale"


@pytest.mark.parametrize(
    "moment, request_that_matters",
    [
        pytest.param("after", f'{POD}.*{DRAINING}": ?"', id="marked"),
        pytest.param("before", f'{POD}[^ ]*/status.*"Drained"', id="empty"),
        pytest.param("after", f'{POD}[^ ]*/status.*"Drained"', id="not ready"),
        pytest.param("after", f"{POD}.*pod-deletion-cost", id="released"),
        pytest.param("before", SCALE, id="before it is scaled"),
        pytest.param("after", SCALE, id="scaled"),
    ],
)
def test_an_operator_that_dies_between_two_steps_is_followed_by_one_that_goes_on(
    installation: Installation, tmp_path: Path, lives: PodLives, moment: Moment, request_that_matters: str
) -> None:
    fleet = installation.fleet
    with (
        Relay(fleet.controlplane, tmp_path / "kubeconfig") as relay,
        as_process(fleet.controlplane, fleet.namespace, directory=tmp_path, kubeconfig=relay.kubeconfig) as (
            process,
            operator,
        ),
    ):
        busy = Busy.make(installation)
        died = relay.at(moment, request_that_matters, process.kill)
        busy.lower()
        installation.wait(died.is_set)
        marked = busy.marked()
        process.start()
        busy.finish()
        assert wrong_victims(operator) == 0
    gone = {life.name: life for life in lives.lives() if life.asked_to_end is not None}
    records = installation.ledger.read().records
    assert len(gone) == 3
    assert {name for name, life in gone.items() if life.led} == gone.keys() >= marked
    assert [life.name for life in gone.values() if life.worked_after(records)] == []
    order = sorted(gone, key=lambda name: gone[name].asked_to_end or 0.0)
    assert set(order[: len(marked)]) == marked


def wrong_victims(operator: Operator) -> float:
    return sum(value for name, value in operator.metrics().items() if name.startswith(WRONG_VICTIMS))


def test_load_that_returns_takes_busy_workers_back_and_starts_new_ones_at_once(
    installation: Installation, operator: Operator, lives: PodLives
) -> None:
    busy = Busy.make(installation)
    before = set(installation.fleet.pods("work"))
    busy.lower()
    installation.wait(busy.marked)
    installation.fleet.edit(pools=[pool(5)])
    busy.more(12)
    installation.wait(lambda: len(installation.fleet.pods("work")) == 5 and not busy.marked())
    assert before <= set(installation.fleet.pods("work"))
    installation.wait(lambda: any(reason == "TakenBack" for reason, _ in installation.fleet.events()))
    installation.wait(lambda: len(busy.at_work()) == 5)
    busy.finish()
    assert wrong_victims(operator) == 0
    assert all(life.led for life in lives.lives())


def test_a_worker_that_was_told_to_take_nothing_more_and_stays_consumes_again(
    installation: Installation, operator: Operator, lives: PodLives
) -> None:
    """As one that hung, and then obeyed at once and in any order what it had been told."""
    busy = Busy.make(installation)
    node = min(busy.at_work())
    with closing(RemoteControl(installation.broker_url)) as control:
        control.cancel_consumers(node, [DEFAULT])
    begun = busy.begun(node)
    busy.more(30)
    # One may be on its way to it when it cancels, and one waits in it for the task that it runs.
    installation.wait(lambda: busy.begun(node) >= begun + 4)
    busy.finish()
    assert wrong_victims(operator) == 0
    assert all(life.led for life in lives.lives())


@pytest.mark.parametrize("mode", ["Paused", "Preview"])
def test_leaving_auto_lifts_the_marks_and_no_worker_goes(
    installation: Installation, operator: Operator, mode: str
) -> None:
    busy = Busy.make(installation)
    busy.lower()
    installation.wait(busy.marked)
    installation.fleet.edit(mode=mode)
    installation.wait(lambda: not busy.marked())
    ended = set(busy.sent)
    installation.wait(lambda: installation.ledger.read().ids("end") == ended)
    busy.more(6)
    installation.wait(lambda: len(busy.at_work()) == 3)  # those that were on their way out work, too
    assert installation.fleet.replicas("work") == len(installation.fleet.pods("work")) == 3
    installation.fleet.edit(mode="Auto")
    busy.finish()
    assert operator.healthy()
