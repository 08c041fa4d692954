"""RabbitMQ 4.3 may refuse the mailbox of Celery up to 5.6; its workers then run without one, and can't be asked."""

import os
from pathlib import Path

import pytest

from hack import debian_rabbitmq
from tests.support import containers
from tests.support.celery_versions import interpreter
from tests.support.controlplane import REPOSITORY
from tests.support.installation import DEFAULT, POOLS, Installation
from tests.support.operator import Operator
from tests.support.rabbitmq import RabbitMQ

CELERY = "5.6"
REFUSED = "deprecated_features.permit.transient_nonexcl_queues = false"
NO_MAILBOX = "from utilitarian.celery import app\n\napp.conf.worker_enable_remote_control = False\n"


@pytest.mark.soak
def test_workers_that_have_no_mailbox_count_as_busy_and_end_by_their_own_hook(
    installation: Installation, operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are ready by their consumers, no idle one goes, and a deleted resource ends them without losing a task."""
    fleet, python = installation.fleet, str(interpreter(CELERY))
    monkeypatch.setitem(containers.PROGRAMS, "celery", [python, "-m", "celery"])
    monkeypatch.setitem(containers.PROGRAMS, "python3", [python])
    with RabbitMQ(tmp_path / "broker", root=debian_rabbitmq.root("sid"), settings=[REFUSED]) as broker:
        installation.rabbitmq, installation.vhost, installation.broker_url = broker, "/", broker.amqp_url()
        installation.declare()
        (tmp_path / "changed.py").write_text(NO_MAILBOX)
        places = os.pathsep.join(map(str, (tmp_path, REPOSITORY / "worker")))
        env = {"PYTHONPATH": places, "UTILITARIAN_LEDGER": str(installation.ledger.directory)}
        variables = [{"name": name, "value": value} for name, value in env.items()]
        installation.create(pools=[{**POOLS[0], "drainTimeout": "60s"}], app="changed", env=variables)
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
