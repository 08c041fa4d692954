"""The fleet of a world, and the tasks that are sent to it: bursts with pauses, so that pools sleep, wake and drain."""

import base64
import random
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from tests.adversary import shapes
from tests.adversary.api_server import Object
from utilitarian_operator.api.units import parse_duration

NAME = "fleet"
QUEUES = ("fast", "slow", "runs", "duo.a", "duo.b")
LATE = {"fast": False, "slow": True, "runs": False, "duo": False, "rest": False}
CATCH_ALL = "rest"
"""The pool that consumes what the application has beside what is named; one of its workers always stays."""
POOLS = tuple(it for it in LATE if it != CATCH_ALL)
"""Those of a world that draws none."""
QUEUES_OF = {"fast": ("fast",), "slow": ("slow",), "runs": ("runs",), "duo": ("duo.a", "duo.b"), CATCH_ALL: ("rest",)}
SENT = {"fast": (0.5, 4.0, 60), "slow": (8, 70, 14), "duo.a": (1, 12, 20), "duo.b": (1, 12, 20), "rest": (1, 6, 20)}
"""Seconds of the tasks that are sent to a queue, at least and at most, and how many are sent together at most."""
SCHEDULED_EACH_S = 300
MAX_WORKERS = 8
SETTLES_IN_S, WAITS_S = 60.0, 35.0
"""How long a pool takes to its rest that waits for so long before its last worker goes (the one of `_pool`)."""
COUNTED_S, SEEN_IN_S, REFRESHED_EACH_S = 60.0, 30.0, 40.0
"""Over which time what comes is counted at least, and how late it is seen (`awake`) and a status says what changed."""
LIMIT = 4
"""One return more than the operator may cause by putting a pool to sleep again and again."""
ENDS_BEFORE_S = 450
"""The last task is sent so long before the end of a world: what follows is its way to rest."""


def fleet(
    *,
    statistics: bool,
    execution: str,
    when_due: bool = False,
    made_of: Sequence[str] = POOLS,
    shape: Mapping[str, Any] | None = None,
) -> Object:
    """The resource: up to four pools under one ceiling.

    Args:
        statistics: whether the broker's are known.
        execution: Celery's `--pool` of the quick pool.
        when_due: whether the pools that sleep wake when their tasks are due.
        made_of: its pools.
        shape: what is asked for otherwise (`shapes.Shape`).
    """
    broker: Object = {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}}
    if statistics:
        broker["stats"] = {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "stats"}}}
    run = {"name": "five", "start": "*/5 * * * *", "workers": 1, "warmUp": "20s", "finishWithin": "3m"}
    kind: Object = {"execution": execution, "concurrency": 1 if execution == "solo" else 4}
    pools = [
        _pool("fast", ["fast"], {"max": 5, "drainWithin": "15s", "taskDuration": "2s"}, **kind),
        _pool("slow", ["slow"], {"max": 5, "drainWithin": "1m", "taskDuration": "20s"}, concurrency=2),
        _pool("runs", ["runs"], {"max": 4, "drainWithin": "1m", "taskDuration": "3s"}, concurrency=2)
        | {"schedule": [run]},
        _pool(
            "duo",
            ["duo.a", "duo.b"],
            {"min": 1, "max": 4, "drainWithin": "30s", "taskDuration": "5s"},
            concurrency=1,
            prefetchMultiplier=4,
        ),
        _pool(CATCH_ALL, [], {"min": 1, "max": 4, "drainWithin": "30s", "taskDuration": "3s"}, concurrency=2),
    ]
    for pool, priority in zip(pools, (80, 20, 40, 50, 30), strict=True):
        pool["priority"] = priority
    if when_due:
        pools[0]["scaling"] |= {"wake": "WhenDue", "drainWithin": "45s"}
        pools[1]["scaling"] |= {"wake": "WhenDue", "drainWithin": "90s"}
    asked = shape or {}
    for pool in pools:
        shapes.asked_for(pool, asked.get(pool["name"], {}))
    spec = {
        "image": "utilitarian:1",
        "broker": broker,
        "maxWorkers": most_workers(made_of),
        **asked.get(shapes.FLEET, {}),
    }
    spec["pools"] = [it for it in pools if it["name"] in made_of]
    return {"metadata": {"name": NAME, "annotations": {}}, "spec": spec, "status": {}}


def most_workers(made_of: Sequence[str]) -> int:
    """`maxWorkers`: enough for what is sent, and less than the pools may have together."""
    return min(MAX_WORKERS, 2 + 2 * len(made_of))


def limits(seed: int) -> dict[str, int]:
    """In each seventh world two queues are quorum queues: how often a message of each may be given back."""
    return {"fast": LIMIT, "slow": LIMIT} if seed % 7 == 2 else {}


def execution(seed: int) -> str:
    """Celery's `--pool` of the quick pool."""
    return "gevent" if seed % 12 == 11 else ("prefork", "threads", "prefork", "solo")[seed % 4]


def measured(seed: int) -> bool:
    """In each fifth world the cluster has a metrics API."""
    return seed % 5 == 2


def queues_of(pool: Object) -> Sequence[str]:
    """The queues that the workers of a pool consume."""
    named: Sequence[str] = pool.get("queues", QUEUES_OF[CATCH_ALL])
    return named


def asked_for(spec: Object, pool: str) -> Object | None:
    """A pool of the spec, by name; None if it was removed."""
    return next((it for it in spec["pools"] if it["name"] == pool), None)


def patience(pool: Object) -> float:
    """Seconds that a task may wait for a pool that sleeps."""
    scaling = pool["scaling"]
    return _held_s(pool) + (_seconds(scaling["drainWithin"]) if scaling.get("wake") == "WhenDue" else 0.0)


def consumes_again(pool: Object) -> bool:
    """Whether a worker that was chosen to leave can be told to go on: not with gevent, nor one of a catch-all."""
    return bool(pool.get("queues")) and pool["worker"].get("execution") != "gevent"


def _held_s(pool: Object) -> float:
    """Seconds until the next run of a pool whose work waits for it, at most."""
    return float(SCHEDULED_EACH_S) if pool["scaling"].get("outsideRuns") == "Hold" else 0.0


def settles_in_s(pool: Object) -> float:
    """Seconds after its last task in which a pool may go to rest, and forget what came: it counts over its promise."""
    scaling = pool["scaling"]
    idle, calm, promise = (_seconds(scaling[it]) for it in ("idleAfter", "stabilization", "drainWithin"))
    counted = promise + SEEN_IN_S + REFRESHED_EACH_S if promise > COUNTED_S else 0.0
    return max(SETTLES_IN_S + idle + calm - WAITS_S, counted)


def promise_s(pool: Object) -> float:
    """Seconds within which its tasks are started; those of a run are when it must be done."""
    deadlines = [_seconds(it["finishWithin"]) for it in pool.get("schedule", ()) if "finishWithin" in it]
    return _held_s(pool) + max(_seconds(pool["scaling"]["drainWithin"]), *deadlines, 0.0)


def takes_s(pool: Object) -> float:
    """Seconds that it guesses its tasks to take."""
    return _seconds(pool["scaling"]["taskDuration"])


def idle_after_s(pool: Object) -> float:
    """Seconds for which its last worker waits for another task."""
    return _seconds(pool["scaling"]["idleAfter"])


def _seconds(duration: str) -> float:
    return parse_duration(duration).total_seconds()


def secret() -> Object:
    """With the addresses of the broker."""
    values = {"url": "amqp://u:p@rabbit:5672/", "stats": "http://u:p@rabbit:15672"}
    data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
    return {"metadata": {"name": "broker", "labels": {}}, "data": data}


def _pool(name: str, queues: list[str], scaling: Object, **worker: Any) -> Object:
    scaling = {"idleAfter": "20s", "stabilization": "15s", **scaling}
    asked = {"queues": queues} if queues else {}
    return {"name": name, **asked, "worker": worker, "scaling": scaling, "drainTimeout": "4m"}


def send_tasks(world: Any, length: float) -> None:
    """Plan all that the producers will send in a world of this length."""
    rng, end = random.Random(world.seed * 7 + 3), length - ENDS_BEFORE_S
    for queue in world.queues:
        if queue not in SENT:
            continue
        least, most, number = SENT[queue]
        at = rng.uniform(5, 60)
        while at < end:
            over = rng.choice([0.5, 10, 60])
            for _ in range(rng.randint(1, number)):
                eta = rng.uniform(5, 60) if rng.random() < 0.02 else None
                world.loop.call_later(at + rng.uniform(0, over), _send, world, queue, rng.uniform(least, most), eta)
            at += rng.choice([20, 60, 120, 200]) * rng.uniform(0.5, 1.5)
    for at in range(SCHEDULED_EACH_S, int(end) + 220, SCHEDULED_EACH_S) if "runs" in world.made_of else ():
        run = [(rng.uniform(0, 10), rng.uniform(1, 8)) for _ in range(rng.randint(10, 80))]
        world.loop.call_later(at, world.beat.due, partial(send_a_run, world, run))
    runs = asked_for(world.spec, "runs")
    if runs is not None and _held_s(runs):
        by_hand = random.Random(world.seed * 11 + 5)
        for _ in range(by_hand.randint(1, 8)):
            send_later(world, by_hand.uniform(5, end), "runs", by_hand.uniform(1, 8))


def send_a_run(world: Any, run: Iterable[tuple[float, float]]) -> None:
    """Send the tasks of a scheduled run, each after so many seconds, that takes so many."""
    for after, seconds in run:
        world.loop.call_later(after, _send, world, "runs", seconds, None)


def send_later(world: Any, after: float, queue: str, seconds: float) -> None:
    """Send a task after so many seconds."""
    world.loop.call_later(after, _send, world, queue, seconds, None)


def _send(world: Any, queue: str, seconds: float, eta: float | None) -> None:
    if world.rabbit.away:
        world.loop.call_later(5.0, _send, world, queue, seconds, eta)
    else:
        world.rabbit.send(queue, seconds, None if eta is None else world.loop.now + eta)
