"""Tasks that expire in a real queue, as Celery sends them, before any worker is there."""

from datetime import timedelta

import pytest

from tests.support.installation import DEFAULT, Installation
from tests.support.operator import Operator
from utilitarian.celery import build
from utilitarian.routing import WORK_TASKS
from utilitarian.settings import Settings
from utilitarian_operator.api.patience import Patience

EXPIRES_S = 2.0


@pytest.fixture
def patience() -> Patience:
    """What has gone is not waited for long."""
    return Patience(dropped=timedelta(seconds=3))


def test_a_task_that_expires_while_its_pool_sleeps_is_told(installation: Installation, operator: Operator) -> None:
    fleet = installation.fleet
    installation.declare()
    installation.create(mode="Paused")
    installation.wait(lambda: fleet.condition("BrokerReachable")[0] == "True")
    app = build(Settings())
    with app.connection_for_write(installation.broker_url) as connection, app.amqp.Producer(connection) as producer:
        for expires in (EXPIRES_S, None):
            app.send_task(WORK_TASKS[DEFAULT], queue=DEFAULT, expires=expires, producer=producer)
    installation.wait(lambda: fleet.status().get("backlog") == 2)
    installation.wait(lambda: "TasksDropped" in dict(fleet.events()))
    (note,) = [note for reason, note in fleet.events() if reason == "TasksDropped"]
    assert note.startswith(f"pool work: tasks left queue {DEFAULT} while nothing consumed it")
    installation.wait(lambda: fleet.status().get("advice"))
    (advice,) = fleet.status()["advice"]
    assert advice.startswith(f"pool work, queue {DEFAULT}: 1 task of the pool left while nothing consumed them")
    assert fleet.status()["backlog"] == 1
    assert operator.healthy()
