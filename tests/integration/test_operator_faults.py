"""What breaks while work runs: operator, broker, API server, a worker's image; no task is lost or run twice."""

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.controlplane import REPOSITORY, ControlPlane
from tests.support.fleet import Fleet
from tests.support.installation import CLEANUP, DEFAULT, DEFAULTS, NO_BEAT, POOLS, WITHIN, Installation
from tests.support.operator import Operator, as_process, in_process
from tests.support.process_node import ProcessNode
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian_operator.core.containers import is_ready

LATE = {"name": "UTILITARIAN_ACKS_LATE", "value": "true"}


def all_ended(installation: Installation, number: int) -> bool:
    return len(installation.ledger.read().ids("end")) >= number


def ledger_env(installation: Installation) -> dict[str, str]:
    return {"name": "UTILITARIAN_LEDGER", "value": str(installation.ledger.directory)}


@pytest.mark.soak
def test_an_operator_that_is_killed_while_work_runs_is_followed_by_one_that_loses_nothing(
    installation: Installation, controlplane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    fleet = installation.fleet
    with as_process(controlplane, namespace, directory=tmp_path) as (process, operator):
        installation.create()
        installation.settle()
        sent = installation.send(DEFAULT, 40, 1)
        installation.wait(lambda: len(installation.ledger.read().ids("start")) > 4)
        process.kill()
        replicas, scalings = fleet.replicas("work"), len(fleet.scalings("work"))
        process.start()
        installation.wait(operator.healthy)
        installation.wait(lambda: all_ended(installation, 40))
        assert fleet.replicas("work") == replicas == 5
        installation.wait(lambda: fleet.replicas("work") == 0)
        assert fleet.scalings("work")[scalings][0] > installation.ledger.read().records[-1].at
        summary = installation.ledger.read().summary(sent)
        assert summary.each_finished_once, summary
        process.signal(signal.SIGTERM)
        installation.wait(lambda: process.exit_code == 0)


@pytest.mark.soak
def test_a_broker_that_restarts_under_long_tasks_makes_no_worker_go(
    installation: Installation, controlplane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    fleet = installation.fleet
    with RabbitMQ(tmp_path / "broker") as broker:
        installation.rabbitmq, installation.vhost = broker, "/"
        installation.broker_url = broker.amqp_url()
        with in_process(controlplane, namespace):
            installation.create()
            installation.settle()
            sent = installation.send(DEFAULT, 2, 20)
            installation.wait(lambda: len(installation.ledger.read().ids("start")) == 2)
            before = len(fleet.scalings("work"))
            broker.restart()
            installation.wait(lambda: all_ended(installation, 2))
            steps = fleet.scalings("work")[before:]
            assert not [at for at, _ in steps if at < installation.ledger.read().records[-1].at]
            installation.wait(lambda: fleet.replicas("work") == 0)
            summary = installation.ledger.read().summary(sent)
            assert summary.each_finished_once, summary


def test_a_broker_that_falls_silent_or_hangs_up_is_said_and_nothing_scales(
    controlplane: ControlPlane, namespace: str, fragile: RabbitMQ
) -> None:
    fleet = Fleet(controlplane, namespace)

    def reachable(status: str) -> None:
        wait_until(lambda: fleet.condition("BrokerReachable")[0] == status, within=WITHIN, describe=fleet.describe)

    with fragile.vhost() as vhost, in_process(controlplane, namespace) as operator:
        fragile.declare(vhost, DEFAULT, CLEANUP)
        fragile.publish(vhost, DEFAULT)
        fleet.create(fragile.amqp_url(vhost), pools=POOLS, defaults=DEFAULTS, beat=NO_BEAT)
        wait_until(lambda: fleet.replicas("work") == 1, within=WITHIN, describe=fleet.describe)
        settled = fleet.scalings("work"), fleet.scalings("cleanup")
        fragile.pause()
        try:
            reachable("False")
            assert "no answer from" in fleet.condition("BrokerReachable")[2]
            assert {(pool["replicas"], "backlog" in pool) for pool in fleet.status()["pools"]} == {
                (1, False),
                (0, False),
            }
            assert "BrokerUnreachable" in dict(fleet.events())
        finally:
            fragile.resume()
        reachable("True")
        for _ in ("closed by an administrator", "and opened again"):
            wait_until(lambda: fragile.close_connections(vhost), within=WITHIN, describe=fleet.describe)
        reachable("True")
        assert "BrokerReachable" in dict(fleet.events())
        assert (fleet.scalings("work"), fleet.scalings("cleanup")) == settled
        assert operator.healthy()


@pytest.mark.parametrize(
    "late", [pytest.param(False, id="early acks"), pytest.param(True, id="late acks", marks=pytest.mark.soak)]
)
def test_with_statistics_of_the_broker_the_fleet_works_alike(
    installation: Installation, operator: Operator, late: bool
) -> None:
    fleet, broker = installation.fleet, installation.rabbitmq
    refer = installation.with_statistics(broker.management_url)
    installation.create(broker=refer, env=[ledger_env(installation), *([LATE] if late else [])])
    installation.settle()
    assert fleet.condition("BrokerReachable")[:2] == ("True", "Reachable")
    sent = [*installation.send(DEFAULT, 5, 0.2), *installation.send(DEFAULT, 1, 7)]
    installation.wait(lambda: all_ended(installation, 6))
    ended_at = installation.ledger.read().records[-1].at
    installation.wait(lambda: fleet.replicas("work") == 0)
    assert not [to for at, to in fleet.scalings("work") if to == 0 and ended_at - 7 < at < ended_at]
    summary = installation.ledger.read().summary(sent)
    assert summary.each_finished_once, summary
    assert operator.healthy()


@pytest.mark.soak
def test_a_new_image_rolls_out_under_running_tasks_without_losing_one(
    installation: Installation, operator: Operator
) -> None:
    fleet = installation.fleet
    installation.create()
    installation.settle()
    sent = installation.send(DEFAULT, 6, 5)
    installation.wait(lambda: len(installation.ledger.read().ids("start")) >= 5)
    fleet.edit(image="utilitarian:next")
    installation.wait(lambda: fleet.condition("Reconciling")[0] == "True")
    installation.wait(lambda: all_ended(installation, 6))
    installation.wait(lambda: fleet.replicas("work") == 0 and fleet.condition("Reconciling")[0] == "False")
    summary = installation.ledger.read().summary(sent)
    assert summary.each_finished_once, summary
    assert operator.healthy()


@pytest.mark.soak
@pytest.mark.parametrize("rollout", [{"maxSurge": 0, "maxUnavailable": 1}, {"type": "Recreate"}], ids=str)
def test_a_new_template_is_on_its_way_while_the_last_old_worker_ends_its_task(
    installation: Installation, operator: Operator, rollout: dict[str, Any]
) -> None:
    """As with the last GPU of a cluster: the old worker has left, as the Deployment counts, and no new one works."""
    fleet = installation.fleet
    installation.create(pools=[{**POOLS[0], "rollout": rollout, "scaling": {"min": 1, "max": 1}}])
    installation.wait(lambda: fleet.pool("work").get("ready") == 1)
    old = set(fleet.pods("work"))
    sent = installation.send(DEFAULT, 1, 15)
    installation.wait(lambda: installation.ledger.read().ids("start"))
    generation = fleet.edit(image="utilitarian:next")["metadata"]["generation"]
    early = []

    def replaced() -> bool:
        status = fleet.status()
        reconciling = next(it["status"] for it in status["conditions"] if it["type"] == "Reconciling")
        pods = fleet.controlplane.pods(fleet.namespace)
        works = [it for it in pods if it["metadata"]["name"] not in old and is_ready(it)]
        if not works and (status["observedGeneration"], reconciling) == (generation, "False"):
            early.append(status["conditions"])
        return bool(works)

    installation.wait(replaced)
    assert not early
    installation.wait(lambda: fleet.condition("Reconciling")[0] == "False" and all_ended(installation, 1))
    summary = installation.ledger.read().summary(sent)
    assert summary.each_finished_once, summary
    assert operator.healthy()


@pytest.mark.parametrize(
    "edit, reason",
    [
        pytest.param({"image": "missing:1"}, "ImagePullBackOff", id="no such image", marks=pytest.mark.soak),
        pytest.param(
            {"app": "no_such_application"},
            "CrashLoopBackOff",
            id="an application that isn't there",
            marks=pytest.mark.soak,
        ),
    ],
)
def test_workers_that_cannot_start_are_said_and_the_cure_is_taken(
    installation: Installation, operator: Operator, edit: dict[str, str], reason: str
) -> None:
    fleet = installation.fleet
    installation.create()
    installation.settle()
    fleet.edit(**edit)
    sent = installation.send(DEFAULT, 3, 0.2)
    installation.wait(lambda: fleet.condition("Ready")[:2] == ("False", "WorkersFailing"))
    assert reason in fleet.condition("Ready")[2]
    fleet.edit(image="utilitarian:dev", app="utilitarian")
    installation.wait(lambda: all_ended(installation, 3))
    installation.wait(lambda: fleet.condition("Ready")[0] == "True")
    installation.wait(lambda: fleet.replicas("work") == 0)
    assert installation.ledger.read().summary(sent).each_finished_once
    assert operator.healthy()


NOWHERE = {"name": "CELERY_BROKER_URL", "value": "amqp://user:password@127.0.0.1:1/"}


@pytest.mark.soak
@pytest.mark.parametrize(
    "edit, sign",
    [
        pytest.param({"image": "missing:1"}, "ImagePullBackOff", id="no such image"),
        pytest.param({"app": "no_such_application"}, "CrashLoopBackOff", id="an application that isn't there"),
        pytest.param({"env": [NOWHERE]}, "", id="a broker that is not there"),
    ],
)
def test_a_template_that_does_not_work_leaves_the_old_workers_at_work(
    installation: Installation, operator: Operator, edit: dict[str, Any], sign: str
) -> None:
    fleet = installation.fleet
    installation.create(pools=[{**POOLS[0], "scaling": {"min": 1, "max": 1}}])
    installation.wait(lambda: fleet.pool("work").get("ready") == 1)
    (old,) = fleet.pods("work")
    sent = installation.send(DEFAULT, 8, 2)
    installation.wait(lambda: installation.ledger.read().ids("start"))
    fleet.edit(**edit)
    installation.wait(lambda: len(fleet.pods("work")) == 2)
    if sign:
        installation.wait(lambda: fleet.condition("Ready")[:2] == ("False", "RolloutFailing"))
        assert sign in fleet.condition("Ready")[2]
    installation.wait(lambda: all_ended(installation, 8))
    assert {it.hostname for it in installation.ledger.read().records} == {f"celery@{old}"}
    assert fleet.pool("work")["ready"] == 1
    assert fleet.condition("Reconciling")[0] == "True"
    # Repaired, and not as it was before: back there the old worker would simply stay.
    fleet.edit(image="utilitarian:next", app="utilitarian", env=[ledger_env(installation)])
    installation.wait(lambda: fleet.condition("Reconciling")[0] == "False" and old not in fleet.pods("work"))
    installation.wait(lambda: fleet.condition("Ready")[0] == "True" and fleet.pool("work").get("ready") == 1)
    summary = installation.ledger.read().summary(sent)
    assert summary.each_finished_once, summary
    assert operator.healthy()


@pytest.mark.soak
def test_an_api_server_that_restarts_is_followed_again(rabbitmq: RabbitMQ, vhost: str, tmp_path: Path) -> None:
    """With a control plane of its own, that no other test misses."""
    with (
        ControlPlane(tmp_path / "plane", crds=sorted((REPOSITORY / "crds").glob("*.yaml"))) as plane,
        plane.namespace() as namespace,
        ProcessNode(plane, namespace, tmp_path / "node") as node,
        as_process(plane, namespace, directory=tmp_path) as (process, operator),
    ):
        fleet = Fleet(plane, namespace)
        installation = Installation(fleet, rabbitmq, vhost, node, tmp_path / "ledger")
        installation.create()
        installation.settle()
        plane.apiserver.kill()
        sent = installation.send(DEFAULT, 10, 0.2)
        plane.start_apiserver()
        installation.wait(lambda: all_ended(installation, 10))
        installation.wait(lambda: fleet.replicas("work") == 0)
        fleet.edit(pools=[POOLS[0]])
        installation.wait(lambda: fleet.deployment("cleanup") is None)
        assert installation.ledger.read().summary(sent).each_finished_once
        assert process.running, process.tail()
        assert operator.healthy()


@pytest.mark.soak
def test_the_ceiling_of_the_fleet_gives_every_pool_its_first_worker(
    installation: Installation, operator: Operator
) -> None:
    fleet = installation.fleet
    pools = [{**POOLS[0], "priority": 90}, {**POOLS[1], "priority": 10}]
    installation.create(pools=pools, maxWorkers=3, defaults={**DEFAULTS, "worker": {"concurrency": 1}})
    installation.settle()
    sent = [*installation.send(DEFAULT, 30, 0.3), *installation.send(CLEANUP, 10, 0.3)]
    seen = set()

    def ended() -> bool:
        seen.add((fleet.replicas("work") or 0) + (fleet.replicas("cleanup") or 0))
        return all_ended(installation, 40)

    installation.wait(ended)
    assert max(seen) <= 3
    first_of_cleanup = installation.ledger.read().of_queue(CLEANUP).records[0].at
    assert first_of_cleanup < installation.ledger.read().of_queue(DEFAULT).records[-1].at
    installation.wait(lambda: [fleet.replicas(pool["name"]) for pool in POOLS] == [0, 0])
    summary = installation.ledger.read().summary(sent)
    assert summary.each_finished_once, summary
    assert operator.healthy()
