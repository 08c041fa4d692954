"""Tasks that wait for much longer than `drainWithin`, although their pool may have more workers and could get them."""

from statistics import fmean
from typing import Any

from tests.adversary.controllers import controller
from tests.adversary.fleet import asked_for, consumes_again, promise_s, queues_of, takes_s
from tests.adversary.invariants import DRAINING
from tests.adversary.neighbour import fleet_of

STARTS_IN_S = 30.0
"""A worker has yet to start."""

MIDDLE = 50
"""The priority of a pool that says none."""


class Late:
    """Watches a world.

    Args:
        world: looked at each second.
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        self._free: dict[str, float] = {}
        """Since when a pool could have had more workers, as the operator could see."""

    def look(self) -> None:
        """Say in which pools a task waits for too long."""
        world, now, before = self._world, self._world.loop.now, self._free
        self._free = {pool: before.get(pool, now) for pool in world.made_of if self._is_free(pool)}
        for pool, free in self._free.items():
            asked = asked_for(world.spec, pool) or {}
            queues = [world.rabbit.queues[it] for it in queues_of(asked) if it in world.rabbit.queues]
            waiting = [since for queue in queues for it in queue.ready if (since := it.waits_since(now)) is not None]
            waits = now - max(min(waiting, default=now), free, world.disturbed_at)
            if not waiting or waits <= world.invariants.late(promise_s(asked) + STARTS_IN_S):
                continue
            if waits > world.invariants.late(self._longer(asked) * promise_s(asked) + STARTS_IN_S):
                world.invariants.breach("late", f"{pool}: a task has waited for {waits:.0f} s, and it has room", pool)

    def _is_free(self, pool: str) -> bool:
        world = self._world
        asked, live = asked_for(world.spec, pool), world.server.get("deployments", f"{world.name}-{pool}")
        if asked is None or live is None or not world.sees_all or not isinstance(asked["scaling"]["max"], int):
            return False
        if world.full or world.quota is not None or world.rabbit.refused_until > world.loop.now:
            return False
        pods = [it for it in world.server.objects["pods"].values() if controller(it)[1] == f"{world.name}-{pool}"]
        workers = [world.kubelet.workers.get(it["metadata"]["name"]) for it in pods]
        back = [one for one, it in zip(workers, pods, strict=True) if one and one.holds and DRAINING in _marks(it)]
        if live["spec"].get("replicas", 1) - len(back) >= asked["scaling"]["max"]:
            return False
        there = {it: body["spec"].get("replicas", 1) for it, body in world.server.objects["deployments"].items()}
        ours = sum(number for name, number in there.items() if fleet_of(name) == world.name)
        if ours >= world.spec["maxWorkers"] and not (back and self._takes_back(asked)):
            return False
        # What it takes to replace a child process is no part of what a task takes, as far as workers tell.
        return all(it is not None and it.hears and it.slow_until < world.loop.now for it in workers)

    def _longer(self, asked: Any) -> float:
        """How many times longer its tasks take than a pool can know: they are started later by as much.

        It knows what it was asked to take them for, and those that have ended.
        """
        names = set(queues_of(asked))
        tasks = [it for it in self._world.rabbit.tasks if it.queue in names]
        ended, to_do = ([it.seconds for it in tasks if bool(it.ended) is whether] for whether in (True, False))
        known = min([takes_s(asked), *([fmean(ended)] if ended else [])])
        return max(1.0, fmean(to_do) / known)

    def _takes_back(self, asked: Any) -> bool:
        """Whether a pool has its own back, where no other can have a place: none is as urgent as it is."""
        others = [it.get("priority", MIDDLE) for it in self._world.spec["pools"] if it["name"] != asked["name"]]
        return consumes_again(asked) and all(it < asked.get("priority", MIDDLE) for it in others)


def _marks(pod: Any) -> Any:
    return pod["metadata"].get("annotations") or {}
