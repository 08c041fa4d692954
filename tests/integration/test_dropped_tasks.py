"""Tasks that expire in a real queue, as Celery sends them, before any worker is there."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.controlplane import REPOSITORY
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
    counted = [value for name, value in operator.metrics().items() if "dropped_tasks_total" in name and "work" in name]
    assert counted == [1]
    assert operator.healthy()


HASTY = f"""
from utilitarian.celery import app

entry = {{"task": "{WORK_TASKS[DEFAULT]}", "schedule": 3600.0, "options": {{"expires": 10}}}}
app.conf.beat_schedule = {{"tick": entry}}
"""
"""An application whose hourly task expires after ten seconds; its queue is that of its route."""


def test_a_task_that_would_expire_in_a_sleeping_pool_is_told_before_when_a_worker_has_run(
    installation: Installation, operator: Operator, tmp_path: Path
) -> None:
    fleet = installation.fleet
    (tmp_path / "hasty.py").write_text(HASTY)
    path = {"name": "PYTHONPATH", "value": f"{tmp_path}:{REPOSITORY / 'worker'}:{REPOSITORY}"}
    scaling = {"idleAfter": "2s", "stabilization": "2s", "drainWithin": "10m", "wake": "WhenDue"}
    pool = {"name": "work", "queues": [DEFAULT], "worker": {"concurrency": 1}, "scaling": scaling}
    installation.create(app="hasty", env=[path], pools=[pool])
    installation.wait(lambda: fleet.status().get("advice"))
    installation.wait(lambda: not fleet.pods("work"))
    (advice,) = fleet.status()["advice"]
    assert advice.startswith(f"pool work, queue {DEFAULT}: task {WORK_TASKS[DEFAULT]} (tick of beat_schedule) expires")
    assert "after 10s, and a pool without a worker lets its first task wait as long as drainWithin allows" in advice
    assert operator.healthy()
