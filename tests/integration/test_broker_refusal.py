"""What a broker refuses a real worker, so that it ends, is found in its log: nothing else tells it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.celery_workers import Application, send
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
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


HASTY = "application:set_env(rabbit, channel_tick_interval, 1000), application:set_env(rabbit, consumer_timeout, 2000)."
USUAL = (
    "application:set_env(rabbit, channel_tick_interval, 60000), application:set_env(rabbit, consumer_timeout, 1800000)."
)


@pytest.fixture
def hasty(fragile: RabbitMQ) -> Iterator[RabbitMQ]:
    """A broker that waits two seconds for an acknowledgement, and looks each second."""
    fragile.control("eval", HASTY)
    yield fragile
    fragile.control("eval", USUAL)


def test_a_message_that_is_held_for_too_long_comes_back_and_ends_its_worker(hasty: RabbitMQ, tmp_path: Path) -> None:
    """Here one that was fetched ahead, and waits behind a task that was acknowledged at its start."""
    with hasty.vhost() as vhost:
        application = Application(hasty.amqp_url(vhost), tmp_path)
        send(application.broker_url, CLEANUP_QUEUE, [8.0, 8.0])
        flags = ("--prefetch-multiplier=1",)
        with application.worker("one", *flags, queues=[CLEANUP_QUEUE], concurrency=1) as worker:
            assert worker.wait(within=SOON) == 1, worker.tail()
            said = broker_refusal(worker.log_text(), [CLEANUP_QUEUE])
        assert "make it longer than tasks run or wait" in said
        wait_until(lambda: hasty.depth(vhost, CLEANUP_QUEUE).ready == 1, within=SOON, describe=worker.tail)
