"""What happens to a broker under a fleet at work: no worker goes that runs a task, and afterwards all goes on."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.controlplane import ControlPlane
from tests.support.installation import CLEANUP, DEFAULT, POOLS, QUICK, Installation
from tests.support.operator import Operator, as_process
from tests.support.ports import LOOPBACK
from tests.support.rabbitmq import RabbitMQ
from utilitarian import routing
from utilitarian_operator.adapters.broker.statistics import Statistics

USER = "fleet"
WORD = "geheim"
"""Stands in the passwords of this user, and in nothing else."""


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


def login(installation: Installation, password: str) -> str:
    """The broker's URL for `USER`, who has this password from now on."""
    broker, vhost = installation.rabbitmq, installation.vhost
    broker.make_user(USER, password)
    broker.grant(USER, vhost)
    return f"amqp://{USER}:{password}@{LOOPBACK}:{broker.amqp_port}/{vhost}"


@pytest.mark.soak
def test_a_password_that_is_changed_under_a_fleet_takes_no_worker_away_and_is_followed(
    installation: Installation, controlplane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    fleet, broker, vhost = installation.fleet, installation.rabbitmq, installation.vhost
    installation.declare()
    senders_url, installation.broker_url = installation.broker_url, login(installation, f"{WORD}-old")
    with as_process(controlplane, namespace, directory=tmp_path, options=("--log-level=DEBUG",)) as (process, operator):
        installation.create()
        installation.broker_url = senders_url
        sent = installation.send(DEFAULT, 2, 12)
        installation.wait(lambda: len(installation.ledger.read().ids("start")) == 2)
        before = fleet.scalings("work"), fleet.scalings("cleanup")
        new_url = login(installation, f"{WORD}-new")
        installation.wait(lambda: broker.close_connections(vhost))
        installation.wait(lambda: "refuses user, password or virtual host" in fleet.condition("BrokerReachable")[2])
        assert fleet.condition("BrokerReachable")[0] == "False"
        assert "backlog" not in fleet.pool("work")
        installation.wait_looks(operator)
        assert (fleet.scalings("work"), fleet.scalings("cleanup")) == before
        fleet.edit_secret(new_url)
        installation.wait(lambda: fleet.condition("BrokerReachable")[0] == "True")
        installation.wait(lambda: len(installation.ledger.read().ids("end")) == 2)
        sent += installation.send(DEFAULT, 3, 0.2)
        installation.wait(lambda: len(installation.ledger.read().ids("end")) == len(sent))
        installation.wait(lambda: fleet.replicas("work") == 0)
        summary = installation.ledger.read().summary(sent)
        assert summary.each_finished_once, summary
        assert [reason for reason, _ in fleet.events() if reason.startswith("Broker")] == [
            "BrokerUnreachable",
            "BrokerReachable",
        ]
        said = [fleet.read(), fleet.events(), list(operator.metrics()), process.log_text()]
        assert WORD not in json.dumps(said)


@pytest.mark.soak
@pytest.mark.parametrize(
    "plugin, endpoint", [("rabbitmq_prometheus", "prometheus_url"), ("rabbitmq_management", "management_url")]
)
def test_statistics_that_are_switched_off_under_a_fleet_take_no_worker_away(
    installation: Installation, broker: RabbitMQ, operator: Operator, plugin: str, endpoint: str
) -> None:
    fleet = installation.fleet
    installation.create(broker=installation.with_statistics(getattr(broker, endpoint)))
    installation.settle()
    installation.wait(lambda: fleet.condition("BrokerReachable")[:2] == ("True", "Reachable"))
    sent = installation.send(DEFAULT, 1, 15)
    installation.wait(lambda: fleet.replicas("work") == 1)
    with broker.without_plugin(plugin):
        installation.wait(lambda: fleet.condition("BrokerReachable")[:2] == ("True", "DepthOnly"))
        assert "no statistics from" in fleet.condition("BrokerReachable")[2]
        assert fleet.condition("BrokerReachable")[2].endswith("; no worker is taken away")
        installation.wait(lambda: len(installation.ledger.read().ids("end")) == 1)
        installation.wait_looks(operator)
        assert fleet.replicas("work") == 1, fleet.describe()
        sent += installation.send(CLEANUP, 1, 0.2)
        installation.wait(lambda: len(installation.ledger.read().ids("end")) == 2)
    installation.wait(lambda: fleet.condition("BrokerReachable")[:2] == ("True", "Reachable"))
    installation.wait(lambda: [fleet.replicas(pool["name"]) for pool in POOLS] == [0, 0])
    summary = installation.ledger.read().summary(sent)
    assert summary.each_finished_once, summary


@pytest.mark.soak
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(("management_agent.disable_metrics_collector = true",), id="no metrics collector"),
        pytest.param(
            ("management.disable_stats = true", "management.enable_queue_totals = true"), id="totals of queues alone"
        ),
    ],
)
def test_a_broker_that_keeps_no_counters_tells_what_is_unacknowledged_and_the_fleet_works_alike(
    installation: Installation, operator: Operator, settings: Sequence[str], tmp_path: Path
) -> None:
    fleet = installation.fleet
    with RabbitMQ(tmp_path / "broker", settings=settings) as broker:
        installation.rabbitmq, installation.vhost, installation.broker_url = broker, "/", broker.amqp_url()
        late = {"name": "UTILITARIAN_ACKS_LATE", "value": "true"}
        ledger = {"name": "UTILITARIAN_LEDGER", "value": str(installation.ledger.directory)}
        installation.create(broker=installation.with_statistics(broker.management_url), env=[ledger, late])
        installation.settle()
        assert fleet.condition("BrokerReachable")[:2] == ("True", "Reachable")
        sent = installation.send(DEFAULT, 2, 8)
        installation.wait(lambda: fleet.pool("work").get("unacked") == 2)
        installation.wait(lambda: len(installation.ledger.read().ids("end")) == 2)
        installation.wait(lambda: [to for _, to in fleet.scalings("work")][-2:] == [1, 0])
        summary = installation.ledger.read().summary(sent)
        assert summary.each_finished_once, summary
        uncounted = asyncio.run(Statistics([broker.management_url], "/").read())
        assert {(it.arrived, it.left) for it in uncounted.values()} == {(None, None)}
        assert operator.healthy()


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
        installation.wait_looks(operator)
        assert fleet.replicas("work") == 1, fleet.describe()
        assert len(installation.ledger.read().ids("end")) < len(sent)
        leader.start()
        installation.wait(lambda: len(installation.ledger.read().ids("end")) == len(sent))
        assert [to for _, to in fleet.scalings("work")] == [1]
        summary = installation.ledger.read().summary(sent)
        assert summary.each_finished_once, summary
