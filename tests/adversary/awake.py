"""Pools that keep workers although nothing has been to do for long: what nobody asked for is paid for all the same."""

from typing import Any

from tests.adversary.api_server import Object
from tests.adversary.controllers import controller
from tests.adversary.fleet import SCHEDULED_EACH_S, asked_for, idle_after_s, queues_of

LEAVES_IN_S = 45.0
"""From the end of `idleAfter` until the last worker is asked for no more: a few looks, and a worker that starts.

By the management API it is counted each 15 s what came, and a rise counts when it has lasted for one reading more: only
then it is known that a task came which ran between two looks."""
BEFORE_A_RUN_S, AFTER_ITS_BEGIN_S = 60.0, 120.0
"""Around each of its runs a pool has workers."""


class Awake:
    """Watches a world.

    Args:
        world: looked at each second.
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        self._idle: dict[str, float] = {}
        """Since when nothing has been to do in a pool, as the operator could see."""
        self._sent, self._open = 0, list[Any]()
        """How many tasks were looked at, and those of them that are not done."""

    def look(self) -> None:
        """Say which pools have workers that nothing has been to do for, for long."""
        world, now, before = self._world, self._world.loop.now, self._idle
        tasks = world.rabbit.tasks
        self._open = [it for it in (*self._open, *tasks[self._sent :]) if not it.ended and not it.lost_by]
        self._sent = len(tasks)
        self._idle = {pool: before.get(pool, now) for pool in world.made_of if self._is_idle(pool)}
        for pool, idle in self._idle.items():
            since = max(idle, world.disturbed_at, world.machine.set_at)  # then it is waited for idleAfter anew
            asked = asked_for(world.spec, pool) or {}
            live = world.server.get("deployments", f"{world.name}-{pool}")
            there = 0 if live is None else live["spec"].get("replicas", 1)
            longest = world.invariants.late(idle_after_s(asked) + LEAVES_IN_S)
            if there > asked["scaling"].get("min", 0) and now - since > longest:
                detail = f"{pool} has had {there} workers and nothing to do for {now - since:.0f} s"
                world.invariants.breach("stays-awake", detail, pool)

    def _is_idle(self, pool: str) -> bool:
        asked = asked_for(self._world.spec, pool)
        if asked is None or not self._world.sees_all or self._has_a_run(asked):
            return False
        if not isinstance(asked["scaling"]["idleAfter"], str):
            return False  # another version's
        if any(it.queue in queues_of(asked) for it in self._open):
            return False
        queues = [it for name in queues_of(asked) if (it := self._world.rabbit.queues.get(name)) is not None]
        if not all(it.hears for queue in queues for it in queue.consumers):
            return False  # one on a node that was lost: it may have taken tasks, as far as the operator can see
        # What was delivered again when its connection broke runs twice, and was done by the first.
        return all(it.hears and not it.holds for it in self._workers(pool))

    def _has_a_run(self, asked: Object) -> bool:
        at = self._world.loop.at % SCHEDULED_EACH_S
        begins_soon = at > SCHEDULED_EACH_S - BEFORE_A_RUN_S
        return bool(asked.get("schedule")) and (begins_soon or at < AFTER_ITS_BEGIN_S)

    def _workers(self, pool: str) -> list[Any]:
        """All that are there, those that end included."""
        pods = self._world.server.objects["pods"].values()
        names = [it["metadata"]["name"] for it in pods if controller(it)[1] == f"{self._world.name}-{pool}"]
        return [it for it in map(self._world.kubelet.workers.get, names) if it is not None and it.alive]
