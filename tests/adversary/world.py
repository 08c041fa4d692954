"""One world: puts the model together, runs the real operator in it, and keeps a trace of what happened."""

import asyncio
import contextvars
import copy
import gc
import hashlib
import json
import logging
import random
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import aiohttp

import utilitarian_operator.cli.run  # noqa: F401 - every module is there before something is put in its place
from tests.adversary import broker_connection, faults, fleet, garbage, people, rest
from tests.adversary import plan as plans
from tests.adversary.api_requests import Weather
from tests.adversary.api_server import NAMESPACE, ApiServer, Object
from tests.adversary.asked import EACH_S, Asked
from tests.adversary.awake import Awake
from tests.adversary.beats import Beats
from tests.adversary.controllers import Deployments, controller
from tests.adversary.disruptions import Drains
from tests.adversary.garbage import WITH_PODS
from tests.adversary.invariants import Breach, Invariants
from tests.adversary.kubelet import Kubelet
from tests.adversary.late import Late
from tests.adversary.login import Login
from tests.adversary.loop import VirtualLoop
from tests.adversary.machine import Machine, replaced
from tests.adversary.moments import Moments
from tests.adversary.neighbour import HOST, Neighbour, is_of_neighbour
from tests.adversary.plan import CURED_S, Fault, Scenario, length_s
from tests.adversary.process import PRESENT, Process
from tests.adversary.rabbitmq import STATISTICS_EVERY_S, RabbitMQ
from tests.adversary.shapes import Shape
from tests.adversary.stateful_set import StatefulSets
from tests.adversary.tenants import Tenants
from tests.adversary.threads import Thread
from tests.adversary.usage import Usage
from utilitarian_operator.adapters.broker import connection
from utilitarian_operator.adapters.broker.workers import mailbox
from utilitarian_operator.host import kopf_host
from utilitarian_operator.host.settings import Settings

WELL_FOR_S = 20.0
QUIET_S = 75.0
"""At the end of a world nothing may be written any more."""
ROUNDS_TO_END = 50
ANY = "any"


class World:
    """A fleet and everything around it.

    Args:
        seed: of all that is random.
        plan: what goes wrong.
        hours: of virtual time.
        until: kind of breach at which it ends; `ANY` stands for each of them, None lets it live to its end.
        asked: the resource of a world in which nothing happens, which is over when it must have settled.
        made_of: the pools of the fleet, of `fleet.POOLS`.
        neighbour: whether there is a second fleet, with a broker of its own.
        tick_s: seconds between two looks at a fleet.
        shape: what the fleet is asked for otherwise than in `fleet.py`.
    """

    name = fleet.NAME
    late = fleet.LATE

    def __init__(  # noqa: PLR0913 - all that a world is made of
        self,
        seed: int,
        plan: Sequence[Fault],
        hours: float,
        until: str | None = None,
        asked: Object | None = None,
        *,
        made_of: Sequence[str] = fleet.POOLS,
        neighbour: bool = False,
        tick_s: float = 1.0,
        shape: Shape | None = None,
    ) -> None:
        self.tick_s, self._shape = tick_s, shape
        self.made_of = tuple(made_of)
        self.queues = tuple(queue for pool in made_of for queue in fleet.QUEUES_OF[pool])
        self.first: Any = {"maxWorkers": fleet.most_workers(made_of), "pools": []}
        self.seed, self.plan, self._until, self._asked = seed, plan, until, asked
        self.compared_s = 0.0
        """How long the world was in which nothing went wrong, that the end of this one was compared with."""
        self.length = rest.ENDS_AT_S if asked else length_s(hours)
        self.rng, self.loop = random.Random(seed), VirtualLoop()
        self.loop.set_task_factory(self._task)  # type: ignore[arg-type]
        self._end = self.loop.create_future()
        self.machine = Machine(self.loop, seed + 1)
        self.trace: list[tuple[float, str]] = []
        self.events: list[tuple[float, str, str]] = []
        self.invariants = Invariants(self)
        self.rabbit = RabbitMQ(self.loop, self.rng)
        self.rabbit.limits = fleet.limits(seed)
        self.server = ApiServer(self.loop, self.machine)
        self.kubelet = Kubelet(self.loop, self.rng, self.server, self)
        self.drains, self.tenants, self.beat = Drains(self), Tenants(self), Beats(self)
        self.moments = Moments(self)
        self.neighbour = Neighbour(self) if neighbour else None
        self.usage = Usage(self, there=fleet.measured(seed))
        self.deployments = Deployments(self.loop, self.rng, self.server, self)
        self.stateful_sets = StatefulSets(self.loop, self.rng, self.server, self)
        self.weather, self.quota, self.full = Weather(), None, False
        self.lag_until = self.edited_at = 0.0
        self.edit_unseen = False
        """Whether the operator was not shown yet how a person edited the resource last."""
        self.by_hand_at = 0.0
        """When a person scaled, or the operator was shown it."""
        self.login, self.secret = Login(self), fleet.secret()
        self.rabbit.knows = lambda: self.login.is_known
        self.remade, self._spec = False, dict[str, Any]()
        self.steered_until = 0.0
        """Until when what a person asks for by an annotation may be in force."""
        self.scaled_by: dict[str, str] = {}
        self.scaled_at: dict[str, float] = {}
        self.unseen: dict[str, int] = {}
        self._read: dict[str, tuple[object, Object]] = {}
        """By which task a Deployment was read, and what it was then, by name."""
        self.mode = "Auto", 0.0
        self.person_scaled = self.beat_scaled = self.rolled = self.over = False
        self.dies_at: tuple[int, str] | None = None
        self._replicas = 2 if any(fault.kind.startswith(faults.OF_LEADERS) for fault in plan) else 1
        self._started = self._led = 0
        self._processes: list[Process] = []
        self._threads: list[Thread] = []
        self.process = self._new()

    # what the model asks

    @property
    def spec(self) -> Any:
        """Of the resource, as it is now; of one that is deleted, as it was last."""
        live = self.server.get(people.RESOURCES, self.name)
        self._spec = self._spec if live is None else live["spec"]
        return self._spec

    @property
    def least(self) -> dict[str, int]:
        """`min` of each pool of the spec."""
        return {it["name"]: it["scaling"].get("min", 0) for it in self.spec["pools"]}

    @property
    def status(self) -> Any:
        """Of the resource, as it is now."""
        return (self.server.get(people.RESOURCES, self.name) or {}).get("status", {})

    @property
    def replica_sets_lag(self) -> bool:
        """Whether the controllers see pods as they were a while ago."""
        return self.loop.now < self.lag_until

    def replica_set_lag(self) -> float:
        """How old the pods are that a ReplicaSet's controller sees."""
        return self.rng.uniform(0.02, 1.5) if self.replica_sets_lag else 0.0

    def one_pool(self, share: float) -> str:
        """One of its pools."""
        return self.made_of[int(share * len(self.made_of))]

    def one_queue(self, among: Sequence[str], share: float) -> str:
        """One of the queues that there are of these; of a world that has none of them its first queue."""
        there = [it for it in among if it in self.queues] or self.queues[:1]
        return there[int(share * len(there))]

    def log(self, text: str) -> None:
        """Write into the trace."""
        self.trace.append((round(self.loop.at, 2), text))

    def scale(self, name: str, replicas: int, *, by: str) -> Object:
        """A person sets the replicas of a Deployment."""
        live = self.server.objects["deployments"][name]
        before = live["spec"].get("replicas", 1)
        if by == "operator":
            self._looked_after(name)
        self.invariants.scales(name, before, replicas, by=by)
        self.log(f"{name}: {before} to {replicas} by the {by}")
        if replicas < before:  # who goes now goes by this step, also where another one asks for more meanwhile
            self.scaled_by[name], self.scaled_at[name] = by, self.loop.now
        scaled = self.server.change("deployments", name, spec={**live["spec"], "replicas": replicas})
        assert scaled is not None
        if by == "operator":
            self.unseen.pop(name, None)  # the answer has it
        if by == "person" and before != replicas:
            self.by_hand_at = self.loop.now
            self.unseen[name] = int(scaled["metadata"]["resourceVersion"])
        return scaled

    def edits(self) -> None:
        """A person is about to write the resource."""
        self.edit_unseen, self.edited_at = True, self.loop.now

    def reads(self, plural: str, body: Object) -> None:
        """The operator reads an object: a Deployment for the look that follows, and not for what was decided before."""
        if plural == "deployments":
            self._looked_after(body["metadata"]["name"])
            self._read[body["metadata"]["name"]] = asyncio.current_task(), body
        else:
            self.saw(plural, body)

    def _looked_after(self, name: str) -> None:
        """A request that is sent again after a read is of the same task; what a look decides comes in another one."""
        task, body = self._read.pop(name, (None, {}))
        if body and task is not asyncio.current_task():
            self.saw("deployments", body)

    def saw(self, plural: str, body: Object) -> None:
        """The operator was shown an object."""
        name, version = body["metadata"]["name"], int(body["metadata"]["resourceVersion"])
        if plural == "deployments" and self.unseen.get(name, version + 1) <= version:
            del self.unseen[name]
            self.by_hand_at = self.loop.now
        if plural == people.RESOURCES and self.edit_unseen and name == self.name and body["spec"] == self.spec:
            self.edit_unseen, self.edited_at = False, self.loop.now
        if plural == people.RESOURCES and (mode := body["spec"].get("mode", "Auto")) != self.mode[0]:
            self.mode = mode, self.loop.now

    def remove(self, plural: str, name: str) -> None:
        """An object is deleted; what it owns goes in the background."""
        live = self.server.get(plural, name)
        self.server.remove(plural, name)
        if live is not None and plural in {*WITH_PODS, people.RESOURCES}:
            self.deployments.forget(name)
            garbage.collect(self, plural, live["metadata"]["uid"])

    @property
    def sees(self) -> bool:
        """Whether the operator has had a good sight of everything for a while."""
        wrong = [until for _, until in self.rabbit.helpless] + [self.rabbit.slow_until, self.login.wrong_until]
        return self.serves and max(wrong) < self.loop.now - self._well_for_s

    @property
    def serves(self) -> bool:
        """Whether the operator's process, its watches and the API server have been well for a while."""
        since, process, watches = self.loop.now - self._well_for_s, self.process, self.process.watches
        if process.dead or watches is None or watches.broken or max(process.began, process.suspended_until) > since:
            return False
        return max([*watches.stalled.values(), self.weather.until]) < since

    @property
    def sees_all(self) -> bool:
        """Whether the operator sees well, and no other one has a hand in the number of workers."""
        if not self.sees or self.kubelet.lost or self.tenants.works or self.tenants.claims or self.edit_unseen:
            return False
        return bool(self.disturbed_at < self.loop.now and self.spec.get("mode", "Auto") == "Auto")

    @property
    def disturbed_at(self) -> float:
        """When the broker last lied, or a person asked for something else; later than now, while that goes on."""
        lied = max(self.rabbit.zero_until, self.rabbit.stale_until, self.rabbit.no_statistics_until)
        return float(max(lied, self.by_hand_at, self.edited_at, self.steered_until))

    @property
    def _well_for_s(self) -> float:
        return WELL_FOR_S + 2 * self.tick_s

    def broker_of(self, pod: str) -> RabbitMQ:
        """That a worker is a client of."""
        return self.neighbour.rabbit if self.neighbour and is_of_neighbour(pod) else self.rabbit

    # its life

    def play(self, over_at_s: float | None = None) -> "World":
        """Run it to its end, or until it has lived for so long: then nothing is said of its end."""
        with ExitStack() as stack:
            stack.enter_context(replaced(self._instead()))
            stack.enter_context(_Caught(self))
            Thread.made = self._made
            self._prepare()
            self.loop.call_later(self.length if over_at_s is None else over_at_s, self._ended)
            self.loop.run_until_complete(self._end)
            self.over = True
            if self.loop.at >= self.length and self._asked is None:
                self.invariants.end()
                if self.neighbour is not None:
                    self.neighbour.end()
            self._finish()
        if self.loop.at >= self.length and self._asked is None and not self.found and self.invariants.settled:
            calm = World(self.seed, self.plan, 0.0, asked=rest.resource_of(self), made_of=self.made_of)
            calm.login = self.login
            calm.secret, calm.server.crd = self.server.objects["secrets"]["broker"], self.server.crd
            self.compared_s = calm.play().loop.at
            for it in rest.differences(rest.state(self), rest.state(calm)):
                self.invariants.breach("other-end", it)
        return self

    def breached(self, what: str) -> None:
        """Something was, that must never be."""
        if self._until in {what, ANY}:
            self._ended()

    def _ended(self) -> None:
        if not self._end.done():
            self._end.set_result(None)

    @property
    def found(self) -> list[Breach]:
        """What must never be, and was."""
        return self.invariants.found

    def fingerprint(self) -> str:
        """The same for two worlds in which the same happened."""
        tasks = [(it.starts, it.ended) for it in self.rabbit.tasks]
        text = json.dumps([self.trace, self.events, self.server.version, tasks])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def start_operator(self) -> None:
        """A new process of the operator."""
        if not self.over:
            process = self._new()
            self._processes = [it for it in self._processes if not it.dead] + [process]
            process.dies_at, self.dies_at = self.dies_at, None
            self.log("an operator starts")
            contextvars.Context().run(process.start)

    def _new(self) -> Process:
        self._started += 1
        lease = NAMESPACE if self._replicas > 1 else None
        instance = f"operator-{self._started}"
        settings = Settings(
            namespaces=(NAMESPACE,),
            resync=timedelta(minutes=5),
            lease_namespace=lease,
            instance=instance,
            tick=timedelta(seconds=self.tick_s),
        )
        return Process(self, settings)

    def leads(self, process: Process) -> None:
        """From here on this one looks at the fleets."""
        self._led += 1
        process.lead, self.process, self.mode = self._led, process, ("Auto", 0.0)
        if self._replicas > 1:
            self.log(f"leader {self._led} begins")

    def _instead(self) -> dict[Any, Any]:
        def connect(url: str, *_: Any, **__: Any) -> Any:
            process, ours = self.process, not (self.neighbour and HOST in url)
            if ours and not self.login.lets_in(url):
                raise broker_connection.login_refused()
            rabbit = self.neighbour.rabbit if self.neighbour and HOST in url else self.rabbit
            client = broker_connection.Client(
                rabbit, lambda: process.dead, suspended=lambda: self.loop.now < process.suspended_until
            )
            return client.connect()

        def host(*arguments: Any, **options: Any) -> Any:
            present = PRESENT.get()
            return (present or self.process).host(*arguments, **options)

        return {
            **self.machine.put_in(),
            aiohttp: broker_connection.http(self.rabbit),
            connection.connect: connect,
            mailbox.AnswersBox: broker_connection.Mailbox,
            kopf_host.host: host,
        }

    def _prepare(self) -> None:
        self.loop.set_exception_handler(self._unhandled)
        self.server.watchers.append(self._changed)
        self.server.add("secrets", self.secret)  # first: the uids that follow are the same in all worlds
        options: Any = {
            "statistics": self.seed % 3 != 0,
            "execution": fleet.execution(self.seed),
            "when_due": self.seed % 5 == 4,
            "made_of": self.made_of,
            "shape": self._shape,
        }
        resource = self._asked or self._fleet(**options)
        self.server.add("utilitarianworkerpools", resource)
        self.first = copy.deepcopy(resource["spec"])
        self.pools: dict[str, Object] = {it["name"]: it for it in copy.deepcopy(resource["spec"]["pools"])}
        if self._asked is None:
            self._send_tasks()
        if self.neighbour is not None:
            self.neighbour.begin()
        for queue in self.queues if self._asked else ():
            self.rabbit.declare(queue)
        self.rabbit.every(STATISTICS_EVERY_S, self.rabbit.collect_statistics)
        self.rabbit.every(1.0, self.invariants.look)
        self.rabbit.every(1.0, Awake(self).look)
        self.rabbit.every(1.0, Late(self).look)
        self.rabbit.every(EACH_S, Asked(self).look)
        self.rabbit.every(1.0, self.beat.look)
        self.rabbit.every(60.0, self.invariants.look_at_questions)
        for fault in self.plan if self._asked is None else ():
            self.loop.call_later(fault.at, self.moments.come, fault)
        self.loop.call_later(max(self.length - CURED_S, 0.0), self._cure)
        self.invariants.quiet_from = self.loop.now + self.length - QUIET_S
        for number in range(self._replicas):
            self.loop.call_later((rest.BEGINS_AT_S if self._asked else 0.0) + 3 * number, self.start_operator)

    def _fleet(self, **options: Any) -> Object:
        return fleet.fleet(**options)

    def _send_tasks(self) -> None:
        fleet.send_tasks(self, self.length)

    def _cure(self) -> None:
        """The last of the faults is over: from here on the fleet must find its rest."""
        if self.machine.wrong_by:
            self.machine.set_clock(0.0)
        self.moments.over()
        self.kubelet.nodes.all_well()

    def _changed(self, event: str, plural: str, body: Object) -> None:
        name = body["metadata"]["name"]
        if event == "ADDED":
            garbage.made(self, plural, body)
        if plural == "deployments":
            self.deployments.changed(name)
        elif plural == "statefulsets":
            self.stateful_sets.changed(name)
        elif plural == "pods":
            self.kubelet.changed(body)
            kind, owner = controller(body)
            (self.deployments if kind == "ReplicaSet" else self.stateful_sets).changed(owner)

    def _task(self, loop: VirtualLoop, coroutine: Any, **options: Any) -> "asyncio.Task[Any]":
        task = asyncio.Task(coroutine, loop=loop, **options)
        process = PRESENT.get()
        if process is not None:
            process.tasks[task] = None
            task.add_done_callback(lambda it: process.tasks.pop(it, None))
        return task

    def _made(self, thread: Thread) -> None:
        process = PRESENT.get()
        (self._threads if process is None else process.threads).append(thread)

    def _finish(self) -> None:
        for process in self._processes:
            process.end()
        for thread in self._threads:
            thread.kill()
        for _ in range(ROUNDS_TO_END):
            tasks = asyncio.all_tasks(self.loop)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            self.loop.run_until_complete(asyncio.wait(tasks, timeout=0.01))
        self.loop.close()

    def _unhandled(self, _: Any, context: dict[str, Any]) -> None:
        if "destroyed" in str(context.get("message")):
            return  # a process that lives holds all its tasks: it is one of a process that was killed
        present = PRESENT.get() or self.process
        if not present.dead and not self.over:
            self.invariants.breach("exception", f"{context.get('message')}: {context.get('exception')!r}")


class _Catch(logging.Handler):
    """No exception may escape: the last resorts of queue and session say so in the log."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.WARNING)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        if not record.exc_info or self._world.process.dead or self._world.over:
            return
        kind, error, trace = record.exc_info
        ours = [it for it in traceback.extract_tb(trace) if "utilitarian_operator" in it.filename]
        at = f"{ours[-1].filename.rpartition('/')[2]}:{ours[-1].lineno}" if ours else "?"
        name = kind.__name__ if kind else "?"
        self._world.invariants.breach("exception", f"{record.getMessage()}: {name}: {error} at {at}", at)


class _Caught:
    """The operator's log goes into the world for its time."""

    def __init__(self, world: World) -> None:
        self._handler = _Catch(world)
        self._logger = logging.getLogger("utilitarian_operator")

    def __enter__(self) -> None:
        self._before = self._logger.handlers, self._logger.propagate, self._logger.level
        self._logger.handlers, self._logger.propagate = [self._handler], False
        self._logger.setLevel(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        self._logger.handlers, self._logger.propagate = self._before[0], self._before[1]
        self._logger.setLevel(self._before[2])


def play(scenario: Scenario, until: str | None = None) -> World:
    """One world, from its beginning to its end. Its garbage is collected afterwards: that is quicker."""
    gc.disable()
    try:
        drawn: Any = {"made_of": scenario.pools, "neighbour": scenario.neighbour, "tick_s": scenario.tick_s}
        drawn["shape"] = scenario.shape
        world = World(scenario.seed, scenario.plan, scenario.hours, until, **drawn)
        return world.play(plans.over_at_s(scenario))
    finally:
        gc.enable()
