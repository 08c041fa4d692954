"""What `worker.events` costs: the messages that one worker publishes, counted by a listener as Flower is one."""

import re
from collections import Counter
from datetime import timedelta
from pathlib import Path

import kombu

from tests.support.celery_workers import Application, running, send
from tests.support.pools import fleet
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian.routing import DEFAULT_QUEUE
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.manifests import deployment

TASKS = 10
SOON = timedelta(seconds=60)


def flags(*, events: bool) -> list[str]:
    """The flags about other workers that the operator gives."""
    asked = fleet({"name": "a", "worker": {"events": events}})
    command = deployment(Owner("ns", "fleet", "uid"), asked, asked.pools[0])["spec"]["template"]["spec"]["containers"][
        0
    ]
    return [word for word in command["command"] if re.fullmatch(r"-E|--without-\w+", word)]


def test_a_worker_with_events_sends_a_heartbeat_in_two_seconds_and_three_messages_a_task(
    rabbitmq: RabbitMQ, vhost: str, tmp_path: Path
) -> None:
    heard: Counter[str] = Counter()
    application = Application(rabbitmq.amqp_url(vhost), tmp_path)
    watched = application.worker("watched", *flags(events=True), queues=[DEFAULT_QUEUE], quiet=False)
    plain = application.worker("plain", *flags(events=False), queues=["utilitarian.tasks.cleanup"], quiet=False)
    exchange = kombu.Exchange("celeryev", type="topic")
    with rabbitmq.connection(vhost) as connection, connection.channel() as channel:
        queue = kombu.Queue("listener", exchange, routing_key="#", auto_delete=True)

        def count(body: object, message: kombu.Message) -> None:
            for event in body if isinstance(body, list) else [body]:
                heard[f"{event['hostname'].removeprefix('celery@')} {event['type']}"] += 1
            message.ack()

        def listen() -> bool:
            while True:
                try:
                    connection.drain_events(timeout=0.1)
                except TimeoutError:
                    return heard["watched task-succeeded"] >= TASKS and heard["watched worker-heartbeat"] >= 3

        with kombu.Consumer(channel, [queue], callbacks=[count], accept=["json"]), running(watched, plain):
            send(rabbitmq.amqp_url(vhost), DEFAULT_QUEUE, [0.01] * TASKS)
            wait_until(listen, within=SOON, describe=lambda: heard)
    tasks = {name: number for name, number in heard.items() if " task-" in name}
    assert tasks == {f"watched task-{what}": TASKS for what in ("received", "started", "succeeded")}
    assert not heard["plain worker-heartbeat"]
