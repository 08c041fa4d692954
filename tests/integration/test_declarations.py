"""How a real broker says its queues were declared, at each version of it."""

from datetime import timedelta

from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until_async
from utilitarian_operator.adapters.broker.declarations import declarations
from utilitarian_operator.adapters.broker.session import BrokerSession, Credentials
from utilitarian_operator.adapters.broker.tls import SYSTEM
from utilitarian_operator.core.observation.broker_settings import QueueSettings

EVERY_RABBITMQ = True
SOON = timedelta(seconds=20)
QUORUM = {"x-queue-type": "quorum", "x-single-active-consumer": True}


def declare(rabbitmq: RabbitMQ, vhost: str, version: str) -> dict[str, QueueSettings]:
    """Two queues; returns what should be told of them. RabbitMQ 4 adds the type that it chose to the arguments."""
    rabbitmq.declare(vhost, "q")
    rabbitmq.declare(vhost, "r", arguments=QUORUM)
    policy = {"pattern": "^r$", "definition": {"delivery-limit": 5}, "apply-to": "queues"}
    rabbitmq.api("PUT", f"/api/policies/{vhost}/limit", policy)
    chosen = {} if version.startswith("3.") else {"queue-type": "classic"}
    quorum = {"queue-type": "quorum", "single-active-consumer": True, "delivery-limit": 5}
    return {"q": QueueSettings("classic", chosen), "r": QueueSettings("quorum", quorum)}


async def test_arguments_and_policies_are_told_by_the_first_endpoint_that_knows_them(
    rabbitmq: RabbitMQ, vhost: str
) -> None:
    version = rabbitmq.api("GET", "/api/overview")["rabbitmq_version"]
    declared = declare(rabbitmq, vhost, version)
    session = BrokerSession(Credentials(rabbitmq.amqp_url(vhost), (rabbitmq.prometheus_url, rabbitmq.management_url)))
    session.start()
    try:
        await session.look(["q"])
        await wait_until_async(
            lambda: session.known.settings.queues == declared,
            within=SOON,
            describe=lambda: session.known.settings.queues,
        )
        assert session.known.settings.version == version
    finally:
        await session.close()


async def test_who_may_not_or_cannot_tell_tells_nothing(rabbitmq: RabbitMQ, vhost: str) -> None:
    stranger = rabbitmq.management_url.replace(rabbitmq.user, "stranger")
    assert await declarations((rabbitmq.prometheus_url, stranger, "http://127.0.0.1:1"), vhost, SYSTEM) == {}
