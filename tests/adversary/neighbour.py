"""A second fleet, with a broker of its own: what is done to the first one must not slow it."""

import base64
import random
from typing import Any

from tests.adversary.api_server import Object
from tests.adversary.crd import PLURAL
from tests.adversary.fleet import ENDS_BEFORE_S
from tests.adversary.rabbitmq import RabbitMQ

NAME, POOL, QUEUE, HOST = "neighbour", "calm", "calm", "calm-rabbit"
WAKES_IN_S = 2.0
"""On top of the tick, once in which the broker is asked: a reading, a decision and a write are over within them."""
FIRST_AT_S, EACH_S = 70.0, 60.0
SECONDS = 2.0


def is_of_neighbour(name: str) -> bool:
    """Whether an object is the second fleet's, by its name."""
    return name == NAME or name.startswith(f"{NAME}-")


def fleet_of(name: str) -> str:
    """The resource that an object is of, by its name: none of them has a hyphen in its own."""
    return name.partition("-")[0]


class Neighbour:
    """The fleet, its broker, and the tasks that wake its pool each minute.

    Args:
        world: it is in.
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        self.rabbit = RabbitMQ(world.loop, random.Random(world.seed + 2), "rabbit@calm")

    def begin(self) -> None:
        """Make the resource, plan its tasks, and look at it each second."""
        server, loop = self._world.server, self._world.loop
        url = base64.b64encode(f"amqp://u:p@{HOST}:5672/".encode()).decode()
        server.add("secrets", {"metadata": {"name": NAME, "labels": {}}, "data": {"url": url}})
        server.add(PLURAL, {"metadata": {"name": NAME, "annotations": {}}, "spec": _spec(), "status": {}})
        at = FIRST_AT_S
        while at < self._world.length - ENDS_BEFORE_S:
            loop.call_later(at, self.rabbit.send, QUEUE, SECONDS)
            at += EACH_S * self.rabbit.rng.uniform(0.7, 1.3)
        self.rabbit.every(1.0, self._look)

    def _look(self) -> None:
        world = self._world
        live, queue = world.server.get("deployments", f"{NAME}-{POOL}"), self.rabbit.queues.get(QUEUE)
        if live is None or queue is None or live["spec"].get("replicas", 1) or not world.serves:
            return
        waits = max((world.loop.now - it.ready_at for it in queue.ready), default=0.0)
        if waits > world.tick_s + WAKES_IN_S:
            world.invariants.breach("slowed", f"{NAME}: a task has waited for {waits:.1f} s beside {world.name}", NAME)

    def end(self) -> None:
        """All that was sent to it is done."""
        self._world.invariants.tasks_ended(self.rabbit.tasks)


def _spec() -> Object:
    scaling = {"max": 2, "idleAfter": "15s", "stabilization": "15s", "drainWithin": "10s", "taskDuration": "2s"}
    pool = {"name": POOL, "queues": [QUEUE], "worker": {"concurrency": 2}, "scaling": scaling, "drainTimeout": "4m"}
    broker = {"urlFrom": {"secretKeyRef": {"name": NAME, "key": "url"}}}
    return {"image": f"{NAME}:1", "broker": broker, "maxWorkers": 2, "beat": {"enabled": False}, "pools": [pool]}
