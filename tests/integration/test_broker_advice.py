"""What a real broker and real workers tell of themselves, from which advice is given."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import celery
import pytest

from tests.support.celery_versions import VERSIONS, interpreter
from tests.support.celery_workers import Application, running
from tests.support.controlplane import REPOSITORY
from tests.support.rabbitmq import RabbitMQ
from utilitarian import routing
from utilitarian_operator.adapters.broker.bounded.calls import bounded
from utilitarian_operator.adapters.broker.workers.remote_control import RemoteControl
from utilitarian_operator.core.observation.expiring import Expiring

EVERY_RABBITMQ = True


def test_a_worker_tells_its_version_of_celery(rabbitmq: RabbitMQ, vhost: str, tmp_path: Path) -> None:
    application = Application(rabbitmq.amqp_url(vhost), tmp_path)
    worker = application.worker("one", queues=[routing.DEFAULT_QUEUE], execution="solo")
    with running(worker) as (one,), closing(RemoteControl(application.broker_url)) as control:
        assert control.celery("celery@one") == celery.__version__
        one.kill()
        assert control.celery("celery@one") is None


HASTY = """
from utilitarian.celery import app

app.conf.beat_schedule = {
    "tick": {"task": "hasty.tick", "schedule": 60.0, "options": {"expires": 20, "queue": "ticks"}},
    "sweep": {"task": "hasty.sweep", "schedule": 3600.0},
}
app.conf.task_routes = {"hasty.s*": {"queue": "sweeps"}}


@app.task(name="hasty.tick")
def tick():
    pass


@app.task(name="hasty.sweep", expires=45.5)
def sweep():
    pass


@app.task(name="hasty.one", expires=7, queue="one by one")
def one():
    pass
"""
"""An application on the reference's: an entry, a task by its route, and a task of its own word that expire."""


@pytest.mark.parametrize("version", [None, *(pytest.param(it, marks=pytest.mark.soak) for it in VERSIONS)])
def test_a_worker_tells_which_tasks_expire_and_in_which_queue_and_it_is_known_when_it_has_gone(
    rabbitmq: RabbitMQ, vhost: str, tmp_path: Path, version: str | None
) -> None:
    (tmp_path / "hasty.py").write_text(HASTY)
    path = {"PYTHONPATH": f"{tmp_path}:{REPOSITORY / 'worker'}:{REPOSITORY}"}
    application = Application(rabbitmq.amqp_url(vhost), tmp_path, env=path, module="hasty")
    if version is not None:
        application.python = interpreter(version)
    worker = application.worker("one", queues=[routing.DEFAULT_QUEUE], execution="solo")
    with running(worker), closing(RemoteControl(application.broker_url)) as control:
        assert control.holdings(["celery@one"], queues=True, learning=True)
        control.learn_settings()
        known = control.expiring
        assert control.holdings([], queues=True, learning=True) == {}
        assert control.expiring == known
    assert known == (
        Expiring("one by one", "task hasty.one", timedelta(seconds=7)),
        Expiring("sweeps", "task hasty.sweep (sweep of beat_schedule)", timedelta(seconds=45.5)),
        Expiring("ticks", "task hasty.tick (tick of beat_schedule)", timedelta(seconds=20)),
    )


def test_a_worker_whose_settings_are_too_large_is_still_asked_what_it_holds(
    rabbitmq: RabbitMQ, vhost: str, tmp_path: Path
) -> None:
    """No more than 16 MiB are kept of one call: what is larger is read past. RabbitMQ 4 itself lets none through."""
    (tmp_path / "large.py").write_text("from utilitarian.celery import app\n\napp.conf.large = 'x' * 20_000_000\n")
    path = {"PYTHONPATH": f"{tmp_path}:{REPOSITORY / 'worker'}:{REPOSITORY}"}
    application = Application(rabbitmq.amqp_url(vhost), tmp_path, env=path, module="large")
    worker = application.worker("one", queues=[routing.DEFAULT_QUEUE], execution="solo")
    with running(worker), closing(RemoteControl(application.broker_url)) as control:
        assert control.holdings(["celery@one"], queues=True, learning=True)
        with bounded(10.0):
            control.learn_settings()
        assert control.holdings(["celery@one"], queues=True, learning=True)
        control.learn_settings()  # it is not asked again
        assert control.expiring == ()
