"""What a real broker and real workers tell of themselves, from which advice is given."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import celery

from tests.support.celery_workers import Application, running
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until_async
from utilitarian import routing
from utilitarian_operator.adapters.broker import BrokerSession, Credentials
from utilitarian_operator.adapters.declarations import declarations
from utilitarian_operator.adapters.remote_control import RemoteControl
from utilitarian_operator.adapters.tls import SYSTEM
from utilitarian_operator.core.broker_settings import QueueSettings

EVERY_RABBITMQ = True
SOON = timedelta(seconds=20)
QUORUM = {"x-queue-type": "quorum", "x-single-active-consumer": True}
DECLARED = {
    "q": QueueSettings("classic", {}),
    "r": QueueSettings("quorum", {"queue-type": "quorum", "single-active-consumer": True, "delivery-limit": 5}),
}


def declare(rabbitmq: RabbitMQ, vhost: str) -> None:
    rabbitmq.declare(vhost, "q")
    rabbitmq.declare(vhost, "r", arguments=QUORUM)
    policy = {"pattern": "^r$", "definition": {"delivery-limit": 5}, "apply-to": "queues"}
    rabbitmq.api("PUT", f"/api/policies/{vhost}/limit", policy)


async def test_arguments_and_policies_are_told_by_the_first_endpoint_that_knows_them(
    rabbitmq: RabbitMQ, vhost: str
) -> None:
    declare(rabbitmq, vhost)
    session = BrokerSession(Credentials(rabbitmq.amqp_url(vhost), (rabbitmq.prometheus_url, rabbitmq.management_url)))
    session.start()
    try:
        await session.depths(["q"])
        await wait_until_async(
            lambda: session.about().queues == DECLARED, within=SOON, describe=lambda: session.about().queues
        )
        version = rabbitmq.api("GET", "/api/overview")["rabbitmq_version"]
        assert session.about().version == version
    finally:
        await session.close()


async def test_who_may_not_or_cannot_tell_tells_nothing(rabbitmq: RabbitMQ, vhost: str) -> None:
    nobody = rabbitmq.management_url.replace(rabbitmq.user, "nobody")
    assert await declarations((rabbitmq.prometheus_url, nobody, "http://127.0.0.1:1"), vhost, SYSTEM) == {}


def test_a_worker_tells_its_version_of_celery(rabbitmq: RabbitMQ, vhost: str, tmp_path: Path) -> None:
    application = Application(rabbitmq.amqp_url(vhost), tmp_path)
    worker = application.worker("one", queues=[routing.DEFAULT_QUEUE], execution="solo")
    with running(worker) as (one,), closing(RemoteControl(application.broker_url)) as control:
        assert control.celery("celery@one") == celery.__version__
        one.kill()
        assert control.celery("celery@one") is None
