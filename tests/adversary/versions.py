"""What other versions of the product leave behind: a status, a spec, or a CRD that is not this version's."""

import copy
import random
from collections.abc import Iterator, Sequence
from typing import Any

from tests.adversary.crd import PLURAL
from tests.adversary.fleet import NAME

STRANGE: tuple[Any, ...] = ("of another version", "", -1, 10**12, 0.5, True, None, [], ["x", 1], {"future": 1})
SPECS: tuple[tuple[tuple[Any, ...], Any], ...] = (
    (("mode",), "Drain"),
    (("future",), {"deep": [1]}),
    (("pools", "fast", "worker", "execution"), "asyncio"),
    (("pools", "slow", "scaling", "max"), "many"),
    (("pools", "runs", "schedule", 0, "start"), 5),
    (("pools", "duo", "scaling", "idleAfter"), 20),
    (("broker", "future"), "amqp10"),
    (("image",), None),
)
"""Where a spec is otherwise in another version (a pool by its name), and how; None: it has no such field."""


def status(world: Any, a: float, b: float) -> None:
    """Some values of the status are of another kind; sometimes it is an operator that starts anew that finds them."""
    rng, found = random.Random(f"{a} {b}"), copy.deepcopy(world.status)
    for _ in range(1 + int(a * 4)):
        places = list(_places(found))
        if places:
            holder, key = rng.choice(places)
            world.log(f"status: {key} was {str(holder[key])[:40]!r}")
            holder[key] = copy.deepcopy(rng.choice(STRANGE))
    world.server.change(PLURAL, NAME, status=world.server.crd.read("status", found))
    if b < 0.5:
        world.process.die("after another version wrote the status")


def spec(world: Any, a: float, lasts: float) -> None:
    """A spec that only another version knows how to read, and this version's again."""
    path, value = SPECS[int(a * len(SPECS))]
    holder = _at(world.spec, path[:-1])
    if holder is None:
        return
    before = holder.get(path[-1])
    if before == value:
        return  # it is so already, and this version's comes back in time
    _put(world, path, value)
    world.loop.call_later(lasts, _put, world, path, before)


def crd(world: Any, a: float) -> None:
    """The CRD is an older one's from here on: helm does not upgrade it with the chart. All watches begin anew."""
    world.log(f"the CRD has no longer: {', '.join(world.server.crd.forget(a))}")
    held = world.server.objects[PLURAL]
    for name, body in held.items():
        shown = {part: world.server.crd.read(part, body[part]) for part in ("spec", "status") if part in body}
        held[name] = {**body, **shown}
    if world.process.watches is not None:
        world.process.watches.relist(PLURAL)


def _put(world: Any, path: Sequence[Any], value: Any) -> None:
    changed = copy.deepcopy(world.spec)
    holder = _at(changed, path[:-1])
    if holder is None:
        return  # the pool was removed meanwhile
    if value is None:
        holder.pop(path[-1], None)
    else:
        holder[path[-1]] = value
    world.edits()
    world.server.change(PLURAL, NAME, spec=changed)


def _at(value: Any, path: Sequence[Any]) -> Any:
    """What stands there; None if the pool on the way is not there."""
    for number, key in enumerate(path):
        if isinstance(value, list) and isinstance(key, str):
            found = next((it for it in value if it["name"] == key), None)
            return None if found is None else _at(found, path[number + 1 :])
        value = value[key]
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, it in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(it, dict | list):
            yield from _places(it)
