"""What people do to a fleet: edits, scaling by hand, deletions, and a status that another client wrote."""

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.adversary import shapes
from tests.adversary.fleet import NAME, asked_for
from tests.adversary.plan import CURED_S

RESOURCES = "utilitarianworkerpools"
HAS_TWO, MOVED, IN_ANOTHER = "duo", "duo.b", 0.8
"""The pool that has two queues, the one of them that is moved, and how often another pool gets it."""
COLLECTED_AFTER_S = 1.5
"""How long it takes at most until what a resource owned is gone."""
RIVAL_EACH_S = 15.0
"""How often another client that scales a pool does it anew: as the HorizontalPodAutoscaler's controller."""
LIMITED_FOR_S = 600.0
"""A limit may be lower than what the load of hours needs: in a long world it is lifted again, or at the cure."""


def edit(world: Any, change: Callable[[Any], None]) -> None:
    """Change the spec of the resource."""
    spec = copy.deepcopy(world.spec)
    change(spec)
    world.edits()
    world.server.change(RESOURCES, NAME, spec=spec)


def edit_max(world: Any, a: float, b: float) -> None:
    """Another maximum for one pool, if it is there."""
    name = world.one_pool(a)
    most = max(1 + int(b * 8), world.least.get(name, 0))
    _limit(world, _scaling(name, max=most), _scaling(name, max=_first_max(world, name)))


def remove_pool(world: Any, lasts: float, a: float) -> None:
    """A pool is taken out of the resource, and comes back as it first was."""
    name = world.one_pool(a)
    if asked_for(world.spec, name) is None or len(world.spec["pools"]) == 1:
        return
    edit(world, lambda spec: spec.update(pools=[it for it in spec["pools"] if it["name"] != name]))
    world.log(f"pool {name} is removed")

    def back(spec: Any) -> None:
        if asked_for(spec, name) is not None:
            return  # the resource was made anew meanwhile
        pool = copy.deepcopy(world.pools[name])
        elsewhere = {queue for it in spec["pools"] for queue in it.get("queues", ())}
        if "queues" in pool:
            pool["queues"] = [it for it in pool["queues"] if it not in elsewhere]
        spec["pools"].append(pool)

    world.loop.call_later(lasts, edit, world, back)


def move_queue(world: Any, lasts: float, b: float) -> None:
    """A queue goes from the pool that has two to another one, or to none, and comes back."""
    queue = MOVED

    def away(spec: Any) -> None:
        there = [it for it in spec["pools"] if it["name"] != HAS_TWO and "queues" in it]
        _in_none(spec, queue)
        if there and b < IN_ANOTHER:
            there[int(b / IN_ANOTHER * len(there))]["queues"].append(queue)

    def back(spec: Any) -> None:
        _in_none(spec, queue)
        pool = asked_for(spec, HAS_TWO)
        if pool is not None:
            pool["queues"].append(queue)

    pool = asked_for(world.spec, HAS_TWO)
    if pool is not None and len(pool["queues"]) > 1 and queue in pool["queues"]:
        world.log(f"queue {queue} moves")
        edit(world, away)
        world.loop.call_later(lasts, edit, world, back)


def _least_together(world: Any, spec: Any) -> int:
    """What the pools keep together, those included that are away and come back: not more than `maxWorkers`."""
    there = [asked_for(spec, name) or world.pools[name] for name in world.made_of]
    return sum(it["scaling"].get("min", 0) for it in there)


def _fit(world: Any, spec: Any, pool: Any, before: int) -> None:
    """Keep no more workers than before in a pool where it is more than `maxWorkers` with the others."""
    ceilings = spec["maxWorkers"], world.first["maxWorkers"]
    if _least_together(world, spec) > min(ceilings):
        pool["scaling"]["min"] = before


def _in_none(spec: Any, queue: str) -> None:
    for pool in spec["pools"]:
        if "queues" in pool:
            pool["queues"] = [it for it in pool["queues"] if it != queue]


def edit_pool(world: Any, a: float, b: float) -> None:
    """A pool is asked for otherwise, for good: its slots, its bounds, its patience, how it rolls out."""
    name, fields = world.one_pool(a), shapes.of_a_pool(random.Random(b), world.one_pool(a))

    def otherwise(spec: Any) -> None:
        pool = asked_for(spec, name)
        if pool is not None:
            before = pool["scaling"].get("min", 0)
            shapes.asked_for(pool, fields)
            _fit(world, spec, pool, before)

    world.log(f"pool {name} is asked for otherwise: {fields}")
    edit(world, otherwise)


def edit_min(world: Any, lasts: float, a: float) -> None:
    """A pool keeps a worker for a while, and then as many as it first did."""
    name = world.one_pool(a)
    if world.least.get(name) == 0 and _least_together(world, world.spec) < world.spec["maxWorkers"]:
        first = world.pools[name]["scaling"].get("min", 0)
        edit(world, _scaling(name, min=1))
        world.loop.call_later(lasts, edit, world, _scaling(name, min=first))


def _scaling(name: str, **fields: int) -> Callable[[Any], None]:
    """Changes fields of a pool's `scaling`, if it is there."""

    def change(spec: Any) -> None:
        pool = asked_for(spec, name)
        if pool is not None:
            pool["scaling"] |= fields

    return change


def edit_ceiling(world: Any, b: float) -> None:
    """Another maxWorkers."""
    first, most = world.first["maxWorkers"], max(3 + int(b * 12), _least_together(world, world.spec))
    _limit(world, lambda spec: spec.update(maxWorkers=most), lambda spec: spec.update(maxWorkers=first))


def _limit(world: Any, change: Callable[[Any], None], back: Callable[[Any], None]) -> None:
    edit(world, change)
    world.loop.call_later(max(min(LIMITED_FOR_S, world.length - CURED_S - world.loop.at), 0.0), edit, world, back)


def _first_max(world: Any, name: str) -> int:
    return int(world.pools[name]["scaling"]["max"])


def edit_template(world: Any, a: float) -> None:
    """Another environment: every pool rolls."""
    edit(world, lambda spec: spec.update(env=[{"name": "X", "value": str(a)}]))


def bad_image(world: Any, lasts: float) -> None:
    """An image that can't be pulled, and back."""
    edit(world, lambda spec: spec.update(image="utilitarian:bad"))
    world.loop.call_later(lasts, edit, world, lambda spec: spec.update(image="utilitarian:1"))


def pause(world: Any, lasts: float, a: float) -> None:
    """Another mode, and back."""
    mode = "Paused" if a < 0.7 else "Preview"
    edit(world, lambda spec: spec.update(mode=mode))
    world.loop.call_later(lasts, edit, world, lambda spec: spec.update(mode="Auto"))


def remake_fleet(world: Any, lasts: float) -> None:
    """`kubectl delete uwp`, and the same applied anew a while later; what it owned goes in the background."""
    if world.server.get(RESOURCES, NAME) is None:
        return
    world.log("the resource is deleted")
    world.remade = True
    world.remove(RESOURCES, NAME)

    def back() -> None:
        world.log("the resource is made again")
        world.edits()
        made = {"metadata": {"name": NAME, "annotations": {}}, "spec": copy.deepcopy(world.first), "status": {}}
        world.server.add(RESOURCES, made)

    world.loop.call_later(max(lasts, COLLECTED_AFTER_S), back)


def scale(world: Any, a: float, b: float) -> None:
    """`kubectl scale` of one pool."""
    name = f"{NAME}-{world.one_pool(a)}"
    if world.server.get("deployments", name):
        world.person_scaled = True
        world.scale(name, int(b * 10), by="person")


def scale_again(world: Any, lasts: float, a: float, b: float) -> None:
    """Another client sets the workers of one pool again and again, as a HorizontalPodAutoscaler would."""
    end = min(world.loop.at + 3 * lasts, world.length - CURED_S)

    def again() -> None:
        if world.loop.at < end and not world.over:
            scale(world, a, b / 2)
            world.loop.call_later(RIVAL_EACH_S, again)

    again()


def scale_this(world: Any, b: float) -> None:
    """`kubectl scale` of the Deployment that the operator is about to step down."""
    live = world.server.get("deployments", world.moments.name)
    if live is not None:
        world.person_scaled = True
        world.scale(world.moments.name, live["spec"].get("replicas", 1) + 1 + int(b * 3), by="person")


def scale_beat(world: Any, a: float) -> None:
    """`kubectl scale` of beat, to two or none."""
    live = world.server.get("statefulsets", f"{NAME}-beat")
    if live:
        world.beat_scaled = True
        world.server.change("statefulsets", f"{NAME}-beat", spec={**live["spec"], "replicas": 2 if a < 0.5 else 0})


def delete_deployment(world: Any, a: float) -> None:
    """`kubectl delete deployment`."""
    world.remove("deployments", f"{NAME}-{world.one_pool(a)}")


def delete_budget(world: Any, a: float) -> None:
    """`kubectl delete poddisruptionbudget`."""
    world.server.remove("poddisruptionbudgets", f"{NAME}-{world.one_pool(a)}")


def delete_beat(world: Any) -> None:
    """`kubectl delete statefulset`."""
    world.remove("statefulsets", f"{NAME}-beat")


def edit_status(world: Any, a: float, b: float) -> None:
    """Another version, or a person, wrote one leaf of the status otherwise; then the operator starts anew."""
    status = copy.deepcopy(world.status)
    spots: dict[str, list[tuple[Any, Any]]] = {}
    for holder, key in _leaves(status):
        spots.setdefault(key if isinstance(key, str) else "item", []).append((holder, key))
    if spots:
        found = spots[sorted(spots)[int(a * len(spots))]]
        holder, key = found[int(b * 997) % len(found)]
        strange: tuple[Any, ...] = (-1, 0, 10**9, -1)
        if isinstance(holder[key], str):
            strange = ("garbage", "", "2026-03-02", "9999-99-99T00:00:00Z")
        world.log(f"status: {key} was {holder[key]!r}")
        holder[key] = strange[int(b * 4)]
        world.server.change(RESOURCES, NAME, status=status)
    world.process.die("after the status was edited")


def _leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, it in pairs:
        if isinstance(it, (dict, list)):
            yield from _leaves(it)
        else:
            yield value, key
