"""What a broker refuses a real worker, so that it ends, is found in its log: nothing else tells it."""

from datetime import timedelta
from pathlib import Path

from tests.support.celery_workers import Application
from tests.support.rabbitmq import RabbitMQ
from utilitarian.routing import CLEANUP_QUEUE
from utilitarian_operator.core.observation.causes.worker_log import broker_refusal

SOON = timedelta(seconds=60)


def ended(application: Application) -> str:
    """The log of a worker that ends with an error by itself."""
    with application.worker("one", queues=[CLEANUP_QUEUE]) as worker:
        assert worker.wait(within=SOON) == 1, worker.tail()
        return worker.log_text()


def test_a_queue_that_was_declared_with_other_arguments_is_named(
    rabbitmq: RabbitMQ, vhost: str, tmp_path: Path
) -> None:
    rabbitmq.declare(vhost, CLEANUP_QUEUE, arguments={"x-max-priority": 10})
    said = broker_refusal(ended(Application(rabbitmq.amqp_url(vhost), tmp_path)), [CLEANUP_QUEUE])
    assert f"406 PRECONDITION_FAILED (argument x-max-priority, queue {CLEANUP_QUEUE})" in said
    assert "make them alike" in said
