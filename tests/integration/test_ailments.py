"""What goes wrong with real workers and real queues is seen, named with its evidence, and not made worse."""

import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.celery_workers import Application, running
from tests.support.installation import DEFAULT, Installation
from tests.support.operator import Operator
from utilitarian import routing
from utilitarian.celery import build
from utilitarian.settings import Settings
from utilitarian_operator import observer
from utilitarian_operator.adapters.remote_control import RemoteControl
from utilitarian_operator.core import ailments

pytestmark = pytest.mark.usefixtures("quick_signs")

POOL = [{"name": "work", "queues": [DEFAULT]}]
SHORT = {"duration": {"distribution": "fixed", "seconds": 0.1}}


def one_worker(installation: Installation, **spec: Any) -> str:
    """The fleet with one worker that stays, asked for by hand; returns its pod's name when it consumes."""
    scaling = {"min": 1, "max": 5, "taskDuration": "1s", "drainWithin": "1m"}
    defaults = {"worker": {"concurrency": 2, "prefetchMultiplier": 1}, "scaling": scaling}
    installation.create(**{"pools": POOL, "defaults": defaults, **spec})
    installation.wait(lambda: installation.fleet.pool("work").get("ready") == 1)
    installation.wait(lambda: DEFAULT in installation.rabbitmq.queues(installation.vhost))
    installation.wait(lambda: installation.rabbitmq.depth(installation.vhost, DEFAULT).consumers == 1)
    (pod,) = installation.fleet.pods("work")
    return pod


def ailing(operator: Operator, installation: Installation, reason: str) -> float:
    where = f'namespace="{installation.fleet.namespace}",pool="work",reason="{reason}"'
    (value,) = [
        it for name, it in operator.metrics().items() if name.startswith("utilitarian_pool_ailing") and where in name
    ]
    return value


def test_a_worker_that_answers_and_does_not_consume_is_stuck_and_replaced(
    installation: Installation, operator: Operator
) -> None:
    fleet, pod = installation.fleet, one_worker(installation)
    with closing(RemoteControl(installation.broker_url)) as control:
        control.cancel_consumers(f"celery@{pod}", [DEFAULT])
    sent = installation.send(DEFAULT, 3, 0.1)
    installation.wait(lambda: fleet.pods("work") and pod not in fleet.pods("work"))
    installation.wait(lambda: len(installation.ledger.read().ids("end")) == 3)
    assert installation.ledger.read().summary(sent).each_finished_once
    installation.wait(lambda: "WorkerReplaced" in dict(fleet.events()))
    told = [(reason, note) for reason, note in fleet.events() if reason in {"Stuck", "WorkerReplaced"}]
    assert [reason for reason, _ in told] == ["Stuck", "WorkerReplaced"]
    assert f"pod {pod} is ready and answers and does not consume {DEFAULT}" in told[0][1]
    assert told[1][1] == f"pool work: pod {pod} is replaced: it was stuck"
    installation.wait(lambda: ailing(operator, installation, "Stuck") == 0)


@pytest.mark.soak
def test_a_worker_that_hangs_is_stuck_and_replaced_when_its_tasks_had_their_time(
    installation: Installation, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observer, "SAMPLE_HOLDS_S", 4.0)
    monkeypatch.setattr(ailments, "MUTE_FOR", timedelta(seconds=3))
    fleet, pod = installation.fleet, one_worker(installation, pools=[{**POOL[0], "drainTimeout": "5s"}])
    installation.node.pod(pod).process.pause()
    installation.wait(lambda: fleet.pods("work") and pod not in fleet.pods("work"))
    told = [(reason, note) for reason, note in fleet.events() if reason in {"Stuck", "WorkerReplaced"}]
    assert [reason for reason, _ in told] == ["Stuck", "WorkerReplaced"]
    assert f"pod {pod} is ready and has not answered" in told[0][1]
    sent = installation.send(DEFAULT, 3, 0.1)
    installation.wait(lambda: len(installation.ledger.read().ids("end")) == len(sent))
    assert operator.healthy()


def test_work_behind_tasks_for_later_is_starved_and_gets_no_more_workers(
    installation: Installation, operator: Operator
) -> None:
    """Where prefetch is static, as with quorum queues, tasks for later keep their places in the window."""
    fleet = installation.fleet
    one_worker(installation, env=[{"name": "UTILITARIAN_QUEUE_TYPE", "value": "quorum"}])
    send(installation, 2, eta=datetime.now(UTC) + timedelta(hours=1))
    installation.wait(lambda: installation.rabbitmq.totals(installation.vhost).get(DEFAULT) == (0, 2))
    send(installation, 8)
    installation.wait(lambda: fleet.pool("work").get("reason") == "Starved")
    assert "2 tasks with a later time fill what they may hold (2 a worker)" in fleet.pool("work")["message"]
    assert ailing(operator, installation, "Starved") == 1
    send(installation, 400)
    held_back = f'utilitarian_decisions_total{{fleet="fleet",namespace="{fleet.namespace}",pool="work",rule="starved"}}'
    installation.wait(lambda: operator.metrics().get(held_back))
    assert fleet.scalings("work") == []


def send(installation: Installation, number: int, *, eta: datetime | None = None) -> None:
    """Tasks of an application with quorum queues."""
    app = build(Settings(queue_type="quorum"))
    with app.connection_for_write(installation.broker_url) as connection, app.amqp.Producer(connection) as producer:
        for _ in range(number):
            task_id = str(uuid.uuid4())
            app.send_task(routing.WORK_TASKS[DEFAULT], kwargs=SHORT, eta=eta, task_id=task_id, producer=producer)


def test_workers_of_somebody_else_are_counted_named_and_left_alone(
    installation: Installation, operator: Operator
) -> None:
    fleet = installation.fleet
    application = Application(installation.broker_url, installation.ledger.directory.parent / "old")
    one_worker(installation)
    with running(application.worker("by-hand", queues=[DEFAULT], execution="solo")) as (old,):
        installation.wait(lambda: fleet.pool("work").get("reason") == "ForeignConsumers")
        installation.wait(
            lambda: "1 consumer that is not this fleet's: celery@by-hand" in fleet.pool("work")["message"]
        )
        assert ailing(operator, installation, "ForeignConsumers") == 1
        assert old.running
    installation.wait(lambda: fleet.pool("work").get("reason") != "ForeignConsumers")
