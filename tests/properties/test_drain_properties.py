"""Drains under views that come late: a modelled ReplicaSet controller chooses who goes, by what it has seen."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import ceil
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.pools import NOW, fleet
from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.draining import steps as drain
from utilitarian_operator.core.draining.steps import (
    CancelConsumers,
    MarkDraining,
    Release,
    Resize,
    ResumeConsumers,
    Unmark,
)
from utilitarian_operator.core.draining.workers import OpenGate, gates, pool_workers
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.observation.reported import Reported

QUEUE = "queue"
SURGE = 0.25
(POOL,) = fleet({"name": "pool", "queues": [QUEUE]}).pools


@dataclass(frozen=True)
class Pod:
    """One pod in truth: what Kubernetes knows of it, and what only its worker knows."""

    name: str
    template: int
    running: bool = False
    gate: bool | None = None
    cheapest: bool = False
    marked: bool = False
    leaving: bool = False
    written: int = 0

    @property
    def ready(self) -> bool:
        return self.running and self.gate is True


@dataclass
class Worker:
    """What runs in a pod."""

    consumes: bool = True
    tasks: int = 0


@dataclass
class Deployment:
    """What a Deployment asks for, and what it says of its pods; each change is a version of its own."""

    replicas: int
    template: int = 0
    generation: int = 1
    said: Reported = field(default_factory=lambda: Reported(observed=False, pods=0, ready=0, updated=0))
    observed: int = 0
    version: int = 0


class World:
    """Truth with all its past; the operator and the controller each look at some moment of it."""

    def __init__(self, replicas: int) -> None:
        self.pods: list[dict[str, Pod]] = [{}]
        self.deployments = [Deployment(replicas)]
        self.workers: dict[str, Worker] = {}
        self.seen_pods = self.seen_deployment = self.cached = 0
        self.sizes = {0: replicas}
        self.expects = 0
        self.broken: set[int] = set()
        self.made = 0
        self.stopped: list[tuple[str, int]] = []

    @property
    def now(self) -> dict[str, Pod]:
        return self.pods[-1]

    @property
    def deployment(self) -> Deployment:
        return self.deployments[-1]

    def write(self, name: str, **change: object) -> None:
        if name in self.now:
            pod = replace(self.now[name], **change)  # type: ignore[arg-type]
            self.pods.append(self.now | {name: replace(pod, written=len(self.pods))})

    def edit(self, **change: object) -> None:
        changed = replace(self.deployment, **change, version=len(self.deployments))  # type: ignore[arg-type]
        self.deployments.append(changed)

    def kubelet(self) -> None:
        """A container that can start starts, and its worker consumes at once: the worst that can be."""
        for pod in list(self.now.values()):
            if not pod.running and not pod.leaving and pod.template not in self.broken:
                self.workers[pod.name] = Worker()
                self.write(pod.name, running=True)
                return

    def ends(self) -> None:
        """Pods that were told to go are gone."""
        left = {name: pod for name, pod in self.now.items() if not pod.leaving}
        if left != self.now:
            self.pods.append(left)

    def task(self) -> None:
        """A task for one that consumes: the one with the fewest, as a prefetch window has it."""
        running = [name for name, pod in self.now.items() if pod.running]
        free = [name for name in running if self.workers[name].consumes]
        if free:
            self.workers[min(free, key=lambda name: self.workers[name].tasks)].tasks += 1

    def finish(self) -> None:
        for worker in self.workers.values():
            worker.tasks = 0

    def controller(self) -> None:
        """Deployment and ReplicaSet controllers, by pods that they may have seen late; what they did they know."""
        cache = self.pods[self.cached]
        if self.cached < self.expects:
            return
        live, there = self.deployment, [pod for pod in cache.values() if not pod.leaving]
        self.sizes.setdefault(live.template, 0)
        self._resize(live, there)
        said = Reported(
            observed=True,
            pods=len(there),
            ready=sum(pod.ready for pod in there),
            updated=sum(pod.template == live.template for pod in there),
        )
        if (said, live.generation) != (live.said, live.observed):
            self.edit(said=said, observed=live.generation)
        for template, size in self.sizes.items():
            self._manage(template, size, [pod for pod in there if pod.template == template])

    def _resize(self, live: Deployment, there: list[Pod]) -> None:
        """As kubernetes/pkg/controller/deployment/rolling.go has it, with maxUnavailable 0."""
        new, old = live.template, [it for it in self.sizes if it != live.template and self.sizes[it]]
        if not old:
            self.sizes[new] = live.replicas
            return
        most = live.replicas + ceil(live.replicas * SURGE)
        total = sum(self.sizes.values())
        self.sizes[new] = min(live.replicas, self.sizes[new] + max(most - total, 0))
        unready = self.sizes[new] - sum(pod.ready for pod in there if pod.template == new)
        room = sum(self.sizes.values()) - live.replicas - unready
        for template in old:
            sick = self.sizes[template] - sum(pod.ready for pod in there if pod.template == template)
            cut = max(min(sick, room), 0)
            self.sizes[template] -= cut
            room -= cut
        spare = min(sum(pod.ready for pod in there) - live.replicas, room)
        for template in old:
            cut = max(min(self.sizes[template], spare), 0)
            self.sizes[template] -= cut
            spare -= cut

    def _manage(self, template: int, size: int, there: list[Pod]) -> None:
        for _ in range(size - len(there)):
            self.made += 1
            name = f"pod-{self.made}"
            self.pods.append(self.now | {name: Pod(name, template, written=len(self.pods))})
        order = sorted(there, key=lambda pod: (pod.running, pod.ready, not pod.cheapest, -pod.written))
        for pod in order[: max(len(there) - size, 0)]:
            rolls = len([it for it in self.sizes.values() if it]) > 1 or template != self.deployment.template
            worker = self.workers.get(pod.name)
            if worker is not None and worker.tasks and not rolls:
                self.stopped.append((pod.name, worker.tasks))
            self.write(pod.name, leaving=True)
        if len(there) != size:
            self.expects = len(self.pods) - 1


class Operator:
    """The operator's drains, by what its watches have told."""

    def __init__(self, world: World, pool: Pool) -> None:
        self.world, self.pool = world, pool
        self.answers: dict[str, Pod] = {}

    def look(self, desired: int) -> None:
        snapshot = self._sight()
        workers = pool_workers(self.pool, snapshot, NOW, timedelta.max)
        going = drain.steps(workers, desired)
        for step in (*gates(snapshot, NOW, workers, desired), *going):
            self._do(step)

    def _sight(self) -> PoolSnapshot:
        world = self.world
        shown = world.pods[world.seen_pods]
        newest = {name: self._newest(pod) for name, pod in shown.items()}
        pods = tuple(self._pod(pod, shown[name].written >= pod.written) for name, pod in newest.items())
        live = world.deployments[world.seen_deployment]
        said = replace(live.said, observed=live.said.observed and live.observed >= live.generation)
        return PoolSnapshot({QUEUE: Present(0, len(pods))}, 0, pods, live.replicas, reported=said)

    def _newest(self, pod: Pod) -> Pod:
        answer = self.answers.get(pod.name, pod)
        return answer if answer.written > pod.written else pod

    def _pod(self, pod: Pod, caught_up: bool) -> PodSnapshot:
        worker = self.world.workers.get(pod.name) if pod.running or pod.marked else None
        queues = (QUEUE,) if worker and worker.consumes else ()
        held = WorkerLoad(worker.tasks, worker.tasks, 0, 0, consuming=queues) if worker else Unknown("silent", NOW)
        return PodSnapshot(
            name=pod.name,
            ready=pod.ready,
            running=pod.running,
            leaving=pod.leaving,
            held=held,
            gated=True,
            gate=pod.gate,
            marked=NOW if pod.marked else None,
            cheapest=pod.cheapest,
            revision=str(pod.template),
            caught_up=caught_up,
        )

    def _do(self, step: object) -> None:
        match step:
            case OpenGate(name):
                self._write(name, gate=True)
            case MarkDraining(name):
                self._write(name, marked=True)
            case CancelConsumers(name, _):
                if name in self.world.workers:
                    self.world.workers[name].consumes = False
            case ResumeConsumers(name, _):
                self.world.workers[name].consumes = True
            case Release(name):
                self._write(name, cheapest=True)
                self._write(name, gate=False)
            case Unmark(name, _):
                if name in self.world.workers:
                    self.world.workers[name].consumes = True
                self._write(name, gate=self.world.now[name].running if name in self.world.now else False)
                self._write(name, cheapest=False, marked=False)
            case Resize(replicas, _):
                self._scale(replicas)

    def _write(self, name: str, **change: object) -> None:
        self.world.write(name, **change)
        if name in self.world.now:
            self.answers[name] = self.world.now[name]

    def _scale(self, replicas: int) -> None:
        world, live = self.world, self.world.deployment
        seen = world.deployments[world.seen_deployment]
        if seen.version == live.version or (replicas > seen.replicas and seen.replicas == live.replicas):
            world.edit(replicas=replicas, generation=live.generation + 1)
            world.seen_deployment = len(world.deployments) - 1


def settle(world: World, operator: Operator, desired: int, poll_schedule: int = 60) -> None:
    """Everything is seen at once and goes on by itself."""
    for _ in range(poll_schedule):
        world.kubelet()
        world.cached = len(world.pods) - 1
        world.controller()
        world.ends()
        world.seen_pods, world.seen_deployment = len(world.pods) - 1, len(world.deployments) - 1
        operator.look(desired)


def begun(replicas: int) -> tuple[World, Operator]:
    world = World(replicas)
    operator = Operator(world, POOL)
    settle(world, operator, replicas)
    assert [pod.ready for pod in world.now.values()] == [True] * replicas
    return world, operator


@dataclass(frozen=True)
class Pace:
    """How often, of a hundred looks, each part comes to what happened meanwhile."""

    pods: int
    deployments: int
    cache: int
    kubelet: int
    work: int


PACES = st.builds(
    Pace,
    pods=st.sampled_from([5, 40, 100]),
    deployments=st.sampled_from([5, 40, 100]),
    cache=st.sampled_from([5, 40, 100]),
    kubelet=st.sampled_from([10, 100]),
    work=st.sampled_from([5, 30, 100]),
)


def live(world: World, operator: Operator, pace: Pace, chance: Random, wants: Callable[[int], int], looks: int) -> None:
    """Some looks with all that goes on between them."""
    for number in range(looks):
        if chance.randrange(100) < pace.pods:
            world.seen_pods = chance.randint(world.seen_pods, len(world.pods) - 1)
        if chance.randrange(100) < pace.deployments:
            world.seen_deployment = len(world.deployments) - 1
        if chance.randrange(100) < pace.cache:
            world.cached = chance.randint(world.cached, len(world.pods) - 1)
        if chance.randrange(100) < pace.kubelet:
            world.kubelet()
        if chance.randrange(100) < pace.work:
            world.task()
        for worker in world.workers.values():
            worker.tasks = 0 if chance.randrange(8) == 0 else worker.tasks
        operator.look(wants(number))
        world.controller()
        if chance.randrange(4) == 0:
            world.ends()


SEEDS = st.integers(0, 2**32)


def dice(seed: int) -> Random:
    """Chance that is the same for the same seed."""
    return Random(seed)  # noqa: S311 - no secret


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(2, 6), SEEDS, PACES)
def test_no_busy_worker_is_stopped_however_late_each_of_the_views_is(replicas: int, seed: int, pace: Pace) -> None:
    chance = dice(seed)
    world, operator = begun(replicas)
    live(world, operator, pace, chance, lambda number: dice(seed + number // 40).randrange(replicas), 160)
    assert world.stopped == []


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(2, 6), st.integers(0, 2), SEEDS, PACES)
def test_a_pool_settles_after_a_bad_template_that_came_while_workers_left(
    replicas: int, least: int, seed: int, pace: Pace
) -> None:
    chance = dice(seed)
    world, operator = begun(replicas)
    for worker in world.workers.values():
        worker.tasks = 1
    live(world, operator, pace, chance, lambda _: least, chance.randrange(12))
    world.broken = {1}
    world.edit(template=1, generation=world.deployment.generation + 1)
    live(world, operator, pace, chance, lambda _: least, chance.randrange(40))
    world.edit(template=0, generation=world.deployment.generation + 1)
    world.finish()
    settle(world, operator, least, poll_schedule=120)
    assert [pod.template for pod in world.now.values()] == [0] * least, world.now
    assert world.deployment.replicas == least
    assert world.stopped == []
