"""What a real broker and real workers tell of themselves, from which advice is given."""

from contextlib import closing
from pathlib import Path

import celery

from tests.support.celery_workers import Application, running
from tests.support.rabbitmq import RabbitMQ
from utilitarian import routing
from utilitarian_operator.adapters.broker.workers.remote_control import RemoteControl

EVERY_RABBITMQ = True


def test_a_worker_tells_its_version_of_celery(rabbitmq: RabbitMQ, vhost: str, tmp_path: Path) -> None:
    application = Application(rabbitmq.amqp_url(vhost), tmp_path)
    worker = application.worker("one", queues=[routing.DEFAULT_QUEUE], execution="solo")
    with running(worker) as (one,), closing(RemoteControl(application.broker_url)) as control:
        assert control.celery("celery@one") == celery.__version__
        one.kill()
        assert control.celery("celery@one") is None
