"""Does to a world what a plan says."""

from collections.abc import Callable
from typing import Any

from tests.adversary import people, steering, versions
from tests.adversary.invariants import GRACE_S
from tests.adversary.neighbour import is_of_neighbour
from tests.adversary.nodes import NODES
from tests.adversary.plan import Fault

WATCHED = ("deployments", "pods", "utilitarianworkerpools", "statefulsets")
HELPLESS_AFTER_S = 5.0
OF_A_BURST = 50
MANY, OF_MANY_S = 40, 8.0
OVER_BEFORE_S = 300.0
"""All that was sent is due so long before the end of a world."""


def inject(world: Any, fault: Fault) -> None:
    """Let one thing go wrong now."""
    world.log(f"fault {fault.kind} for {fault.lasts:g} s (a {fault.a}, b {fault.b})")
    _KINDS[fault.kind](world, fault)


def _kill_at_write(world: Any, fault: Fault) -> None:
    when = "before" if fault.b < 0.5 else "after"
    world.process.dies_at = (world.process.writes + 1 + int(fault.a * 5), when)


def _watch_stall(world: Any, fault: Fault) -> None:
    some = (("pods",), ("deployments",), WATCHED[:3])[int(fault.a * 3)]
    if world.process.watches is not None:
        world.process.watches.stalled.update(dict.fromkeys(some, world.loop.now + fault.lasts))


def _watch_gap(world: Any, fault: Fault) -> None:
    plural, watches = WATCHED[int(fault.a * 4)], world.process.watches
    if watches is not None:
        watches.broken.add(plural)
        world.loop.call_later(fault.lasts, watches.relist, plural)


def _watch_twice(world: Any, _: Fault) -> None:
    if world.process.watches is not None:
        for plural in WATCHED:
            world.process.watches.relist(plural)


def _etcd_restored(world: Any, fault: Fault) -> None:
    """From a snapshot of this moment: versions go back, and watches wait for those that are long to come."""
    world.server.go_back()
    world.unseen.clear()  # known by their versions: what is listed anew from here on has all that was set
    watches = world.process.watches
    if watches is not None:
        watches.broken.update(WATCHED)
        for plural in WATCHED:
            world.loop.call_later(fault.lasts, watches.relist_deaf, plural)


def _api(world: Any, fault: Fault) -> None:
    kinds = (("409", "429", "500"), ("500", "timeout", "lost-answer"), ("409", "403", "slow"))[int(fault.b * 3)]
    weather = world.weather
    weather.until, weather.rate, weather.kinds = world.loop.now + fault.lasts, 0.1 + 0.6 * fault.a, kinds


def _api_away(world: Any, fault: Fault) -> None:
    weather = world.weather
    weather.until, weather.rate, weather.kinds = world.loop.now + fault.lasts, 1.0, ("500",)


def _answer_lost(world: Any, fault: Fault) -> None:
    world.weather.unheard += 1 + int(fault.a * 2)


def _until(name: str) -> Callable[[Any, Fault], None]:
    def inject(world: Any, fault: Fault) -> None:
        setattr(world.rabbit, name, world.loop.now + fault.lasts)

    return inject


def _usage(name: str) -> Callable[[Any, Fault], None]:
    def inject(world: Any, fault: Fault) -> None:
        setattr(world.usage, name, world.loop.now + 3 * fault.lasts)

    return inject


def _worker(world: Any, a: float) -> Any:
    """One of the workers that live."""
    alive = (it for it in world.kubelet.workers.values() if it.alive and not is_of_neighbour(it.pod))
    there = sorted(alive, key=lambda it: str(it.pod))
    return there[int(a * len(there))] if there else None


def _mute(world: Any, fault: Fault, *, hung: bool = False) -> None:
    worker, until = _worker(world, fault.a), world.loop.now + 2 * fault.lasts
    if worker is not None:
        worker.mute_until = max(worker.mute_until, until)  # one that hangs stays silent
        worker.hung_until = max(worker.hung_until, until) if hung else worker.hung_until
        if fault.lasts > HELPLESS_AFTER_S:
            worker.helpless.append((world.loop.now, until))


def _slow_children(world: Any, fault: Fault) -> None:
    for worker in world.kubelet.workers.values():
        worker.slow_until = world.loop.now + 5 * fault.lasts


def _tasks_for_later(world: Any, fault: Fault) -> None:
    queue = world.one_queue(("fast", "slow", "duo.a", "duo.b", "rest"), fault.b)
    for number in range(1 + int(fault.a * 6)):
        if not world.rabbit.away:
            world.rabbit.send(queue, 1.0 + number, world.loop.now + 10.0 + 2 * fault.lasts + number)


def _tasks_for_much_later(world: Any, fault: Fault) -> None:
    """Due later than a drain waits for: those that a worker which leaves may give back."""
    queue, after = world.one_queue(("fast", "slow"), fault.b), GRACE_S + 30.0 + 12 * fault.lasts
    for number in range(1 + int(fault.a * 4)):
        if not world.rabbit.away and world.loop.at + after < world.length - OVER_BEFORE_S:
            world.rabbit.send(queue, 1.0 + number, world.loop.now + after + 5 * number)


def _tasks_due_at_once(world: Any, fault: Fault) -> None:
    """Due in the same moment: more than one worker, which keeps them until then, can end in its grace."""
    for _ in range(MANY):
        if not world.rabbit.away:
            world.rabbit.send(world.one_queue(("duo.a",), 0.0), OF_MANY_S, world.loop.now + fault.lasts)


def _burst(world: Any, fault: Fault) -> None:
    """Many short tasks at once."""
    queue = world.one_queue(("fast", "rest"), fault.b)
    for _ in range(OF_A_BURST + int(fault.a * 4 * OF_A_BURST)):
        if not world.rabbit.away:
            world.rabbit.send(queue, 1.0)


def _out_of_memory(world: Any, fault: Fault) -> None:
    worker = _worker(world, fault.a)
    if worker is not None:
        world.kubelet.kill_container(worker.pod)


def _evicted(world: Any, fault: Fault) -> None:
    worker = _worker(world, fault.a)
    if worker is not None:
        world.drains.evict(worker.pod)


def _evict(world: Any, fault: Fault) -> None:
    worker = _worker(world, fault.a)
    if worker is not None:
        world.kubelet.delete(worker.pod, world.server.get("pods", worker.pod)["metadata"]["uid"], "person")


def _for_a_while(name: str, value: Callable[[Fault], Any], after: Any) -> Callable[[Any, Fault], None]:
    def inject(world: Any, fault: Fault) -> None:
        setattr(world, name, value(fault))
        world.loop.call_later(fault.lasts, setattr, world, name, after)

    return inject


def _lag(world: Any, fault: Fault) -> None:
    world.lag_until = world.loop.now + fault.lasts


def _clock(world: Any, fault: Fault) -> None:
    largest = 5 if fault.b < 0.3 else 120 if fault.b < 0.6 else 7200
    world.machine.set_clock(world.machine.wrong_by + (fault.a - 0.5) * 2 * largest)
    steering.clock_stepped(world)
    world.log(f"the operator's clock is wrong by {world.machine.wrong_by:.1f} s")


def _suspend(world: Any, fault: Fault) -> None:
    world.process.suspended_until = world.loop.now + fault.lasts


def _node_parted(world: Any, fault: Fault) -> None:
    """For less than is noticed, for longer, or until its pods are given up."""
    world.kubelet.nodes.part(NODES[int(fault.a * 3)], fault.lasts * (1, 4, 12)[int(fault.b * 3)])


OF_LEADERS = "leader-"
"""Kinds of faults that begin so are for worlds with two operators, of which one leads."""

_KINDS: dict[str, Callable[[Any, Fault], None]] = {
    "kill": lambda world, _: world.process.die("by the plan"),
    "kill-at-write": _kill_at_write,
    "watch-stall": _watch_stall,
    "watch-gap": _watch_gap,
    "etcd-restored": _etcd_restored,
    "watch-twice": _watch_twice,
    "api-errors": _api,
    "api-away": _api_away,
    "answer-lost": _answer_lost,
    "broker-away": lambda world, fault: None if world.rabbit.away else world.rabbit.go_away(fault.lasts),
    "broker-slow": _until("slow_until"),
    "control-refused": lambda world, fault: world.rabbit.refuse_control(fault.lasts),
    "false-zero": _until("zero_until"),
    "statistics-away": _until("no_statistics_until"),
    "statistics-stale": _until("stale_until"),
    "mute": _mute,
    "hung": lambda world, fault: _mute(world, fault, hung=True),
    "tasks-for-later": _tasks_for_later,
    "tasks-for-much-later": _tasks_for_much_later,
    "tasks-due-at-once": _tasks_due_at_once,
    "slow-children": _slow_children,
    "out-of-memory": _out_of_memory,
    "evict": _evict,
    "evicted": _evicted,
    "node-drained": lambda world, fault: world.drains.begin(NODES[int(fault.a * 3)]),
    "node-lost": lambda world, fault: world.kubelet.nodes.lose(NODES[int(fault.a * 3)]),
    "node-parted": _node_parted,
    "nodes-full": _for_a_while("full", lambda _: True, after=False),
    "quota": _for_a_while("quota", lambda fault: 2 + int(fault.a * 4), after=None),
    "replica-set-lag": _lag,
    "clock-step": _clock,
    "suspend": _suspend,
    "leader-suspended": _suspend,
    "leader-killed": lambda world, _: world.process.die("by the plan"),
    "leader-stopped": lambda world, _: world.process.stop.set(),
    "scale-by-hand": lambda world, fault: people.scale(world, fault.a, fault.b),
    "scale-in-between": lambda world, fault: people.scale_this(world, fault.b),
    "scale-beat": lambda world, fault: people.scale_beat(world, fault.a),
    "edit-max": lambda world, fault: people.edit_max(world, fault.a, fault.b),
    "edit-ceiling": lambda world, fault: people.edit_ceiling(world, fault.b),
    "edit-template": lambda world, fault: people.edit_template(world, fault.a),
    "pause": lambda world, fault: people.pause(world, fault.lasts, fault.a),
    "remove-pool": lambda world, fault: people.remove_pool(world, 3 * fault.lasts, fault.a),
    "bad-image": lambda world, fault: people.bad_image(world, fault.lasts),
    "edit-status": lambda world, fault: people.edit_status(world, fault.a, fault.b),
    "tenant-worker": lambda world, fault: world.tenants.work(fault.a, fault.b, fault.lasts),
    "tenant-replies": lambda world, fault: world.tenants.reply(fault.a, fault.b, fault.lasts),
    "tenant-resource": lambda world, fault: world.tenants.claim(fault.a, 2 * fault.lasts),
    "metrics-lie": _usage("lies_until"),
    "metrics-silent": _usage("silent_until"),
    "metrics-stand": _usage("stands_until"),
    "status-of-another-version": lambda world, fault: versions.status(world, fault.a, fault.b),
    "spec-of-another-version": lambda world, fault: versions.spec(world, fault.a, fault.lasts),
    "crd-of-another-version": lambda world, fault: versions.crd(world, fault.a),
    "delete-deployment": lambda world, fault: people.delete_deployment(world, fault.a),
    "delete-budget": lambda world, fault: people.delete_budget(world, fault.a),
    "delete-beat": lambda world, _: people.delete_beat(world),
    "override": lambda world, fault: steering.override(world, fault.lasts, fault.a, fault.b),
    "pause-for-a-while": lambda world, fault: steering.pause(world, fault.lasts),
    "run-now": lambda world, fault: steering.run_now(world, fault.lasts),
    "fleet-remade": lambda world, fault: people.remake_fleet(world, fault.lasts),
    "move-queue": lambda world, fault: people.move_queue(world, 3 * fault.lasts, fault.b),
    "edit-pool": lambda world, fault: people.edit_pool(world, fault.a, fault.b),
    "edit-min": lambda world, fault: people.edit_min(world, 3 * fault.lasts, fault.a),
    "password-changed": lambda world, fault: world.login.change(fault.lasts),
    "secret-gone": lambda world, fault: world.login.take_away(fault.lasts),
    "burst": _burst,
    "rival-scales": lambda world, fault: people.scale_again(world, fault.lasts, fault.a, fault.b),
    "queue-purged": lambda world, fault: world.rabbit.purge(world.one_queue(world.queues, fault.a)),
    "queue-deleted": lambda world, fault: world.rabbit.delete(world.one_queue(world.queues, fault.a)),
}
