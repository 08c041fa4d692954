"""What happens to a broker under a fleet at work: no worker goes that runs a task, and afterwards all goes on."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.installation import DEFAULT, POOLS, QUICK, Installation
from tests.support.operator import Operator
from tests.support.rabbitmq import RabbitMQ
from utilitarian import routing

LOOKS = 10
"""A look a second: five times as long as an idle worker is kept here."""


@pytest.fixture
def broker(installation: Installation, tmp_path: Path) -> Iterator[RabbitMQ]:
    """A broker that is the fleet's own."""
    with RabbitMQ(tmp_path / "broker") as started:
        installation.rabbitmq, installation.vhost, installation.broker_url = started, "/", started.amqp_url()
        yield started


def freeze(installation: Installation) -> None:
    installation.rabbitmq.pause()
    installation.wait(lambda: installation.fleet.condition("BrokerReachable")[0] == "False")
    installation.rabbitmq.resume()


def restart_empty(installation: Installation) -> None:
    broker = installation.rabbitmq
    broker.kill()
    shutil.rmtree(broker.directory / "mnesia")
    broker.start()


def delete_queue(installation: Installation) -> None:
    installation.rabbitmq.api("DELETE", f"/api/queues/%2F/{quote(DEFAULT, safe='')}")


@pytest.mark.soak
@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(freeze, id="frozen"),
        pytest.param(restart_empty, id="restarted empty"),
        pytest.param(delete_queue, id="queue deleted"),
    ],
)
@pytest.mark.usefixtures("broker", "operator")
def test_no_worker_goes_while_it_runs_a_task(installation: Installation, harm: Callable[[Installation], None]) -> None:
    fleet = installation.fleet
    installation.create()
    installation.settle()
    sent = installation.send(DEFAULT, 2, 20)
    installation.wait(lambda: len(installation.ledger.read().ids("start")) == 2)
    before = len(fleet.scalings("work"))
    harm(installation)
    installation.wait(lambda: len(installation.ledger.read().ids("end")) == 2)
    ended_at = installation.ledger.read().records[-1].at
    assert [to for at, to in fleet.scalings("work")[before:] if at < ended_at] == []
    installation.settle()
    sent += installation.send(DEFAULT, 3, 0.2)
    installation.wait(lambda: len(installation.ledger.read().ids("end")) == len(sent))
    summary = installation.ledger.read().summary(sent)
    assert summary.each_finished_once, summary


def looks(operator: Operator) -> float:
    return sum(value for name, value in operator.metrics().items() if "tick_duration_seconds_count" in name)


@pytest.mark.soak
def test_a_queue_without_its_leader_takes_no_worker_away(
    installation: Installation, broker: RabbitMQ, operator: Operator, tmp_path: Path
) -> None:
    """Its node dead, a quorum queue says that it is empty: the worker that would go would only be needed again."""
    fleet = installation.fleet
    env = [
        {"name": "UTILITARIAN_LEDGER", "value": str(installation.ledger.directory)},
        {"name": "UTILITARIAN_QUEUE_TYPE", "value": "quorum"},
    ]
    with RabbitMQ(tmp_path / "leader", joins=broker) as leader:
        with leader.channel() as channel:
            for queue in routing.declarations("quorum"):
                queue(channel).declare()
        scaling = {**QUICK, "max": 1}
        installation.create(pools=POOLS[:1], defaults={"worker": {"concurrency": 1}, "scaling": scaling}, env=env)
        installation.wait(lambda: fleet.replicas("work") == 0)
        sent = installation.send(DEFAULT, 20, 1, queue_type="quorum")
        installation.wait(lambda: len(installation.ledger.read().ids("end")) >= 2)
        leader.kill()
        installation.wait(lambda: "is its leader away?" in fleet.pool("work").get("message", ""))
        seen = looks(operator)
        installation.wait(lambda: looks(operator) > seen + LOOKS)
        assert fleet.replicas("work") == 1, fleet.describe()
        assert len(installation.ledger.read().ids("end")) < len(sent)
        leader.start()
        installation.wait(lambda: len(installation.ledger.read().ids("end")) == len(sent))
        assert [to for _, to in fleet.scalings("work")] == [1]
        summary = installation.ledger.read().summary(sent)
        assert summary.each_finished_once, summary
