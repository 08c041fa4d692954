"""One installation with real parts: its fleet, its broker, a node for its pods and its ledger; it runs no operator."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.support.celery_workers import send
from tests.support.fleet import SECRET, URL_KEY, Fleet
from tests.support.ledger import FileLedgerReader
from tests.support.operator import Operator
from tests.support.process_node import ProcessNode
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian import routing

WITHIN = timedelta(seconds=60)
DEFAULT, CLEANUP = routing.DEFAULT_QUEUE, routing.CLEANUP_QUEUE
POOLS: list[dict[str, Any]] = [{"name": "work", "queues": [DEFAULT]}, {"name": "cleanup", "queues": [CLEANUP]}]
# Fast enough for a test: a worker goes when it had nothing to do for two seconds.
QUICK = {"idleAfter": "2s", "stabilization": "2s", "taskDuration": "300ms", "drainWithin": "1s", "max": 5}
DEFAULTS = {"worker": {"concurrency": 4}, "scaling": QUICK}
NO_BEAT = {"enabled": False}
LOOKS = 10
"""A look a second: five times as long as a quick pool keeps an idle worker."""


class Installation:
    """A fleet of two pools, `work` and `cleanup`, with everything around it but the operator.

    Args:
        fleet: not created yet.
        rabbitmq, vhost: of its broker.
        node: that runs its pods.
        ledger: the folder of its ledger.
    """

    def __init__(self, fleet: Fleet, rabbitmq: RabbitMQ, vhost: str, node: ProcessNode, ledger: Path) -> None:
        self.fleet, self.node = fleet, node
        self.rabbitmq, self.vhost = rabbitmq, vhost
        self.ledger = FileLedgerReader(ledger)
        self.broker_url = rabbitmq.amqp_url(vhost)

    def create(self, **spec: Any) -> None:
        """Makes the Secret and the resource; `spec` is over quick pools without beat, their records in the ledger."""
        env = [{"name": "UTILITARIAN_LEDGER", "value": str(self.ledger.directory)}]
        self.fleet.create(
            self.broker_url, **{"pools": POOLS, "defaults": DEFAULTS, "beat": NO_BEAT, "env": env, **spec}
        )

    def with_statistics(self, endpoint: str) -> dict[str, Any]:
        """Makes the Secret of a statistics endpoint; returns what `spec.broker` is then, for `create`."""
        path = f"/api/v1/namespaces/{self.fleet.namespace}/secrets"
        secret = {"metadata": {"name": "stats"}, "stringData": {"URL": endpoint}}
        self.fleet.controlplane.request("POST", path, secret)
        url, stats = (
            {"secretKeyRef": {"name": name, "key": key}} for name, key in ((SECRET, URL_KEY), ("stats", "URL"))
        )
        return {"urlFrom": url, "stats": {"urlFrom": stats}}

    def declare(self) -> None:
        """Declares the application's queues, so that no pool needs a first worker for that."""
        with self.rabbitmq.channel(self.vhost) as channel:
            for queue in routing.declarations("classic"):
                queue(channel).declare()

    def send(self, queue: str, number: int, seconds: float, *, queue_type: str = "classic") -> list[str]:
        """Puts tasks into a queue, all at once: a look sees none of them or (nearly) all."""
        return send(self.broker_url, queue, [seconds] * number, queue_type=queue_type)

    def wait(self, condition: Callable[[], object], within: timedelta = WITHIN) -> None:
        """Waits for a condition.

        Raises:
            NotInTimeError: the message tells the fleet's state and ends with the workers' logs.
        """
        wait_until(condition, within=within, describe=lambda: f"{self.fleet.describe()}\n{self.node.describe()}")

    def wait_looks(self, operator: Operator, number: int = LOOKS) -> None:
        """Waits for so many looks; unless told otherwise, until an idle worker of a quick pool would be gone."""

        def looks() -> float:
            return sum(value for name, value in operator.metrics().items() if "tick_duration_seconds_count" in name)

        seen = looks()
        self.wait(lambda: looks() > seen + number)

    def settle(self) -> None:
        """Waits until the queues have been declared and the fleet is at zero."""
        queues = {DEFAULT, CLEANUP}
        self.wait(lambda: queues <= self.rabbitmq.queues(self.vhost))
        self.wait(lambda: [self.fleet.replicas(pool["name"]) for pool in POOLS] == [0, 0])
        self.wait(lambda: not any(self.fleet.pods(pool["name"]) for pool in POOLS))
