"""Others who use the same broker and the same namespace: workers of their own on our queues, a second resource."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from tests.adversary.crd import PLURAL
from tests.adversary.fleet import LATE, NAME
from tests.adversary.rabbitmq import WORLD
from tests.adversary.workers import Kind, Worker
from tests.support.strangers_contract import (
    ANOTHER,
    LARGE,
    LATE_S,
    NO_NAMES,
    NONE,
    SOON_S,
    STRANGER,
    YAML,
    Reply,
    Speaker,
    answer,
)

OURS = "tenant-"
HOARDS = 40
"""Messages that a tenant takes at once who never comes to an end with them."""
RESOURCES = ("before", "rival")
Replies: TypeAlias = Callable[[str, str], Sequence[Reply]]
ODD: tuple[Replies, ...] = (
    lambda question, _: [Reply({STRANGER: answer(question)}), Reply([]), Reply(None)],
    lambda question, node: [Reply({node: {"error": question}}, SOON_S)],
    lambda question, node: [Reply({node: answer(question)}, SOON_S), Reply({node: answer(question, "x")}, SOON_S)],
    lambda question, node: [Reply({node: answer(question)}, ticket=NONE), Reply({node: []}, ticket=ANOTHER)],
    lambda question, _: [Reply({name: answer(question)}) for name in NO_NAMES],
    lambda question, node: [Reply({node: answer(question)}, 2 * LATE_S), Reply(b"x", content_type=YAML)],
    lambda _question, _node: [Reply(b"x" * LARGE, content_type=YAML)],
)
"""To a question, in the name of one of the fleet's workers or in none; a round has room for one of the last."""


class Tenants:
    """All of them.

    Args:
        world: they are in.
    """

    def __init__(self, world: Any) -> None:
        self._world, self._numbered = world, 0

    def work(self, a: float, b: float, lasts: float) -> None:
        """A worker that is not the fleet's consumes a queue for a while; each third one hangs with all that it got."""
        rabbit, queue = self._world.rabbit, self._world.one_queue(self._world.queues, a)
        late, hangs = LATE[queue.partition(".")[0]], b < 1 / 3
        self._numbered += 1
        kind = Kind((queue,), HOARDS if hangs else 2, 1, "prefork", late)
        worker = Worker(rabbit, f"{OURS}{self._numbered}", kind)
        rabbit.workers[worker.node] = worker
        if hangs:
            worker.hung_until = rabbit.loop.now + lasts
        worker.connect()
        rabbit.loop.call_later(lasts, worker.kill, f"{WORLD}: a tenant's end")

    def reply(self, a: float, b: float, lasts: float) -> None:
        """Something replies for a while to all that workers are asked."""
        rabbit, which = self._world.rabbit, int(a * len(ODD))
        there = sorted(rabbit.workers) or [STRANGER]
        node = there[int(b * len(there))]
        speaker = Speaker(lambda question: ODD[which](question, node))
        rabbit.speakers = (*rabbit.speakers, speaker)
        self._world.log(f"replies of kind {which} by {node}")
        rabbit.loop.call_later(lasts, self._silent, speaker)

    def _silent(self, speaker: Speaker) -> None:
        rabbit = self._world.rabbit
        rabbit.speakers = tuple(it for it in rabbit.speakers if it is not speaker)

    @property
    def works(self) -> bool:
        """Whether a worker that is not the fleet's is there, or something replies for one that is."""
        rabbit = self._world.rabbit
        return bool(rabbit.speakers) or any(it.alive and it.pod.startswith(OURS) for it in rabbit.workers.values())

    @property
    def claims(self) -> bool:
        """Whether a second resource is there."""
        return any(self._world.server.get(PLURAL, it) for it in RESOURCES)

    def claim(self, a: float, lasts: float) -> None:
        """A second resource in the namespace wants the same queues, and more workers; it goes again."""
        name = RESOURCES[int(a * len(RESOURCES))]
        if self._world.server.get(PLURAL, name) is not None:
            return
        spec = copy.deepcopy(self._world.spec)
        for pool in spec["pools"]:
            pool["scaling"]["min"] = 1
            pool["priority"] = 100
        spec["beat"] = {"enabled": False}
        made = {"metadata": {"name": name, "annotations": {}}, "spec": spec}
        self._world.server.add(PLURAL, made)
        self._world.loop.call_later(lasts, self._world.remove, PLURAL, name)
        self._world.log(f"resource {name} wants the queues of {NAME}")
