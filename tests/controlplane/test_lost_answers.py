"""Of each kind of write one is carried out, and its answer never comes: the operator reads what is there, and goes on.

The adversary found two faults of this kind in its world (docs/adversary.md), and this test a third.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import as_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.relay import Relay
from tests.support.waiting import wait_until
from utilitarian_operator.reconcile.act.accepted_specs import KEPT

SOON = timedelta(seconds=30)
QUEUE = "utilitarian.tasks.default"
POOL = {"name": "work", "queues": [QUEUE]}
A_RECORD = "POST [^ ]*/controllerrevisions"


@dataclass(frozen=True)
class Unheard:
    """A fleet whose operator does not hear the answer to one of its requests.

    Args:
        fleet: not made yet; its queue is there, and empty.
        relay: between the operator and the API server.
        log: of the operator.
    """

    fleet: Fleet
    relay: Relay
    log: Path

    @contextmanager
    def operator(self) -> Iterator[None]:
        """Works meanwhile, by a Lease; nothing that it doesn't expect may have happened to it."""
        lease = ("--lease", "operator", "--lease-namespace", self.fleet.namespace)
        plane, watched, through = self.fleet.controlplane, self.fleet.namespace, self.relay.kubeconfig
        with as_process(plane, watched, directory=self.log.parent, options=lease, kubeconfig=through):
            yield
        assert "Traceback" not in self.log.read_text()

    def records(self) -> list[int]:
        """The generations whose specs are kept."""
        path = f"/apis/apps/v1/namespaces/{self.fleet.namespace}/controllerrevisions"
        found = self.fleet.controlplane.request("GET", path)["items"]
        owned = [it for it in found if it["metadata"]["ownerReferences"][0]["kind"] == "UtilitarianWorkerPool"]
        return sorted(it["revision"] for it in owned)

    def edit(self, number: int) -> None:
        """Another spec, once the operator has kept it."""
        generation = self.fleet.edit(env=[{"name": "ROUND", "value": str(number)}])["metadata"]["generation"]
        wait_until(lambda: generation in self.records(), within=SOON, describe=self.describe)

    def describe(self) -> str:
        """What became of it."""
        return f"records {self.records()}\n{self.fleet.describe()}\n{self.log.read_text()[-4000:]}"


@pytest.fixture
def unheard(
    controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str, tmp_path: Path
) -> Iterator[Unheard]:
    rabbitmq.declare(vhost, QUEUE)
    fleet = Fleet(controlplane, namespace)
    fleet.create_secret(rabbitmq.amqp_url(vhost))
    with Relay(controlplane, tmp_path / "kubeconfig") as relay:
        yield Unheard(fleet, relay, tmp_path / "operator.log")


@pytest.mark.parametrize(
    "request_unheard",
    [
        pytest.param("POST [^ ]*/leases", id="Lease made"),
        pytest.param("(PATCH|PUT) [^ ]*/leases/", id="Lease renewed"),
        pytest.param(A_RECORD, id="accepted spec recorded"),
        pytest.param("POST [^ ]*/deployments", id="Deployment made"),
        pytest.param("PATCH [^ ]*/deployments/fleet-work[? ]", id="Deployment handed over or applied"),
        pytest.param("POST [^ ]*/poddisruptionbudgets", id="budget made"),
        pytest.param("PATCH [^ ]*/utilitarianworkerpools/fleet/status", id="status written"),
        pytest.param("PATCH [^ ]*/deployments/fleet-work/scale", id="scaled"),
    ],
)
def test_a_write_whose_answer_is_lost_is_not_lost(
    unheard: Unheard, rabbitmq: RabbitMQ, vhost: str, request_unheard: str
) -> None:
    fleet = unheard.fleet
    lost = unheard.relay.at("after", request_unheard, lambda: None)
    with unheard.operator():
        fleet.create(None, pools=[POOL], beat={"enabled": False})
        wait_until(lambda: fleet.replicas("work") == 0, within=SOON, describe=unheard.describe)
        rabbitmq.publish(vhost, QUEUE)
        wait_until(lambda: fleet.replicas("work") == 1, within=SOON, describe=unheard.describe)
        wait_until(lost.is_set, within=SOON, describe=unheard.describe)
        unheard.edit(1)
        wait_until(lambda: _told(fleet), within=SOON, describe=unheard.describe)


def test_a_record_whose_answer_was_lost_goes_when_it_is_the_oldest(unheard: Unheard) -> None:
    fleet = unheard.fleet
    with unheard.operator():
        fleet.create(None, pools=[POOL], beat={"enabled": False})
        wait_until(unheard.records, within=SOON, describe=unheard.describe)
        lost = unheard.relay.at("after", A_RECORD, lambda: None)
        for number in range(KEPT + 1):
            unheard.edit(number)
        assert lost.is_set()
        newest = fleet.read()["metadata"]["generation"]
        kept = list(range(newest - KEPT + 1, newest + 1))
        wait_until(lambda: unheard.records() == kept, within=SOON, describe=unheard.describe)


def _told(fleet: Fleet) -> bool:
    """Whether the status is of the newest spec."""
    return bool(fleet.status().get("observedGeneration") == fleet.read()["metadata"]["generation"])
