"""Plays one policy over a load and returns what became of each task and worker."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import repeat
from math import exp, inf, log
from pathlib import Path
from random import Random
from statistics import NormalDist

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.errors import OperatorError
from utilitarian_operator.simulation.autoscalers import SCALERS, Autoscaler, Controller, Fixed
from utilitarian_operator.simulation.engine import Engine
from utilitarian_operator.simulation.load.arrivals import Tasks, cron_times, tasks_of
from utilitarian_operator.simulation.load.workload import Load, OnOneNode
from utilitarian_operator.simulation.pool_model import Workers
from utilitarian_operator.simulation.worker import Kind, State

DAY = 86400.0
MOST_FIXED = 1000
"""Workers of `fixed:N`: as many as a pool may have."""

STEPS = 200
"""Parts in which a load is played, so that progress can be shown; what becomes of it doesn't depend on them."""

Sample = tuple[float, int, int]
"""Seconds since the start, tasks to do, workers alive."""

Progress = Callable[[float], None]
"""Called with the share of a load that was played, 0 to 1."""


class UnknownPolicy(OperatorError):
    """A name after --against that is none of the policies."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What all policies are played over: the same tasks, start-ups and kills for each.

    Args:
        fleet: the effective spec.
        load: read and checked.
        tasks: by pool name.
        days: simulated.
        seed: of everything random.
    """

    fleet: Fleet
    load: Load
    tasks: Mapping[str, Tasks]
    days: float
    seed: int

    @property
    def until(self) -> float:
        """Seconds simulated."""
        return self.days * DAY


@dataclass(frozen=True, slots=True)
class Played:
    """What became of one pool under one policy."""

    pool: Pool
    workers: Workers
    samples: Sequence[Sample]
    rules: Mapping[str, int]


def scene(fleet: Fleet, load: Load, *, days: float | None, seed: int, folder: Path) -> Scene:
    """Draw everything that a load brings.

    Raises:
        InvalidLoad: a trace or a history can't be read.
    """
    span = load.days if days is None else days
    tasks = {pool.name: tasks_of(pool, fleet, load, days=span, seed=seed, folder=folder) for pool in fleet.pools}
    return Scene(fleet, load, tasks, span, seed)


def play(policy: str, stage: Scene, progress: Progress = lambda _: None, *, steps: int = STEPS) -> dict[str, Played]:
    """Play one policy: `utilitarian`, `keda`, `keda-tuned`, `keda-amqp`, `hpa` or `fixed:N`; progress in some steps."""
    pools = stage.fleet.pools
    ours = policy == "utilitarian"
    kinds = {pool.name: kind(pool, stage, departs=ours) for pool in pools}
    workers = {p.name: Workers(stage.tasks[p.name], kinds[p.name], start_ups(p, stage)) for p in pools}
    engine = Engine(stage.fleet, workers, stage.load.begins, stage.until) if ours else None
    others = {} if engine else {p.name: controller(policy, p, workers[p.name], stage.seed) for p in pools}
    random = Random(f"{stage.seed}/kills")
    kills = [*kill_times(stage), (inf, 0)]
    for step in range(1, steps + 1):
        until = stage.until * step / steps
        while kills[0][0] < until:
            moment, count = kills.pop(0)
            _advance(engine, others, moment, moment)
            _kill(workers, moment, count, random)
            if engine:
                engine.look_again(moment)
        _advance(engine, others, until, min(kills[0][0], stage.until))
        progress(step / steps)
    for model in workers.values():
        model.advance(stage.until)
        model.close()
    if engine:
        return {n: Played(lane.pool, lane.workers, lane.samples, lane.rules) for n, lane in engine.lanes.items()}
    return {p.name: Played(p, workers[p.name], getattr(others[p.name], "samples", ()), {}) for p in pools}


def checked_policy(name: str) -> str:
    """The name of a policy to compare with.

    Raises:
        UnknownPolicy: there is none of that name.
    """
    kind_of, _, count = name.partition(":")
    fixed = kind_of == "fixed" and count.isdecimal() and len(count) <= len(str(MOST_FIXED)) and int(count) <= MOST_FIXED
    if name in {*SCALERS, "oracle"} or fixed:
        return name
    raise UnknownPolicy(
        f"--against: unknown policy {name!r}: choose from keda, keda-tuned, keda-amqp, hpa, fixed:N (at most "
        f"fixed:{MOST_FIXED}), oracle"
    )


def controller(policy: str, pool: Pool, workers: Workers, seed: int) -> Controller:
    """What sizes a pool under a policy that is not ours and looks at it while it is played."""
    random = Random(f"{seed}/{policy}/{pool.name}")
    if policy in SCALERS:
        return Autoscaler(pool, workers, random, SCALERS[policy])
    return Fixed(workers, int(policy.removeprefix("fixed:")))


def kind(pool: Pool, stage: Scene, *, departs: bool = False) -> Kind:
    """How the pool's workers work under the load's way to acknowledge, and whether an idle one costs until it left."""
    slots, late = pool.worker.concurrency, stage.load.acks == "late"
    window = slots * (pool.worker.prefetch_multiplier or len(stage.tasks[pool.name].at) + 1)
    crowded = isinstance(stage.load.start_up_of(pool.name), OnOneNode)
    departure = stage.load.departure.total_seconds() if departs else 0.0
    return Kind(slots, window - slots if late else window, late, departure, crowded)


def start_ups(pool: Pool, stage: Scene) -> Iterator[float]:
    """Seconds of each start-up, in turn; on a node that its own starts slow down those of one that starts alone."""
    spread = stage.load.start_up_of(pool.name)
    if isinstance(spread, OnOneNode):
        return repeat(spread.each.total_seconds())
    if isinstance(spread, timedelta):
        return repeat(spread.total_seconds())
    middle, p95 = spread.median.total_seconds(), spread.p95.total_seconds()
    random, sigma = Random(f"{stage.seed}/start-up/{pool.name}"), log(p95 / middle) / NormalDist().inv_cdf(0.95)
    return (exp(random.gauss(log(middle), sigma)) for _ in repeat(None))


def kill_times(stage: Scene) -> list[tuple[float, int]]:
    """When nodes die, and with how many workers."""
    found = []
    for node in stage.load.node_kills:
        if node.cron is not None:
            found += [(moment, node.workers) for moment in cron_times(node.cron, stage.load, stage.until)]
        elif node.at is not None:
            at = node.at_in(stage.load.time_zone)
            found.append(((at - stage.load.begins).total_seconds(), node.workers))
    return sorted(found)


def _advance(engine: Engine | None, others: Mapping[str, Controller], until: float, alone_until: float) -> None:
    if engine:
        engine.advance(until, alone_until)
    for one in others.values():
        one.advance(until)


def _kill(workers: Mapping[str, Workers], moment: float, count: int, random: Random) -> None:
    """Kill workers wherever they are; the ReplicaSet starts others for those that were to stay."""
    for model in workers.values():
        model.advance(moment)
    alive = [(name, w) for name, model in sorted(workers.items()) for w in sorted(model.alive)]
    for name, w in random.sample(alive, min(count, len(alive))):
        replaced = workers[name].workers[w].state in {State.STARTING, State.SERVING}
        workers[name].kill(w, moment)
        if replaced:
            workers[name].start(1, moment)
