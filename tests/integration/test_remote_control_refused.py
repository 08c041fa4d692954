"""RabbitMQ 4.3 refuses the mailbox of Celery up to 5.6: no worker can be asked, and what stands in for its word."""

from pathlib import Path

import pytest

from hack import debian_rabbitmq
from tests.support import containers
from tests.support.celery_versions import interpreter
from tests.support.installation import DEFAULT, POOLS, Installation
from tests.support.operator import Operator
from tests.support.rabbitmq import RabbitMQ

CELERY = "5.6"


@pytest.mark.soak
def test_workers_that_the_broker_lets_answer_nothing_count_as_busy_and_end_by_their_own_hook(
    installation: Installation, operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are ready by their consumers, no idle one goes, and a deleted resource ends them without losing a task."""
    fleet, python = installation.fleet, str(interpreter(CELERY))
    monkeypatch.setitem(containers.PROGRAMS, "celery", [python, "-m", "celery"])
    monkeypatch.setitem(containers.PROGRAMS, "python3", [python])
    with RabbitMQ(tmp_path / "broker", root=debian_rabbitmq.root("sid")) as broker:
        installation.rabbitmq, installation.vhost, installation.broker_url = broker, "/", broker.amqp_url()
        installation.declare()
        installation.create(pools=[{**POOLS[0], "drainTimeout": "20s"}])
        sent = installation.send(DEFAULT, 3, 0.2)
        installation.wait(lambda: len(installation.ledger.read().ids("end")) == len(sent))
        installation.wait(lambda: fleet.pool("work").get("ready") == fleet.replicas("work"))
        workers = fleet.replicas("work")
        installation.wait(lambda: any("none answers" in it for it in fleet.status().get("advice", [])))
        installation.wait_looks(operator)
        assert fleet.replicas("work") == workers
        assert "does not answer" in fleet.pool("work")["message"]
        sent += installation.send(DEFAULT, 1, 8)
        installation.wait(lambda: len(installation.ledger.read().ids("start")) == len(sent))
        fleet.delete()
        installation.wait(lambda: not installation.node.running("fleet-work"))
        summary = installation.ledger.read().summary(sent)
        assert summary.each_finished_once, summary
