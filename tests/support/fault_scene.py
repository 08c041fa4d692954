"""A fleet at work to which a fault happens, on real parts: what became of its tasks, and how long it took."""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.support.api_proxy import ApiProxy
from tests.support.controlplane import ControlPlane
from tests.support.drain_run import WRONG_VICTIMS
from tests.support.installation import CLEANUP, DEFAULT, DEFAULTS, QUICK, Installation
from tests.support.operator import Operator
from tests.support.processes import Process
from tests.support.relay import Relay
from tests.support.tcp_link import TcpLink
from tests.support.waiting import wait_until

TASKS, TASK_S = 12, 5.0
AT_WORK = 3
"""Tasks that run at once before the fault comes: more than one worker's."""

SAID_WITHIN = timedelta(seconds=90)
WHOLE_WITHIN = timedelta(minutes=4)
POOLS: list[dict[str, Any]] = [
    {
        "name": "work",
        "queues": [DEFAULT],
        "worker": {"concurrency": 2, "prefetchMultiplier": 1},
        "scaling": {**QUICK, "max": 2},
    },
    {"name": "cleanup", "queues": [CLEANUP]},
]
LATE = {"name": "UTILITARIAN_ACKS_LATE", "value": "true"}


@dataclass
class Scene:
    """The parts that a fault may strike.

    Args:
        installation: the fleet, not made yet, with its node and its broker.
        folder: for what is written.
        stack: that ends what is started for this scene.
        operators: with their processes; without one where the operator runs in a thread of this process.
        relay, proxy: between the operator and the API server, where the fault needs one.
        link: between the operator and the broker, where the fault needs one.
        clock_ahead: by how much the operator's wall clock is set, where the fault sets it.
        led_by: the replica that led when the fault came, where there are two.
        sent: tasks.
    """

    installation: Installation
    folder: Path
    stack: ExitStack
    operators: list[tuple[Process | None, Operator]] = field(default_factory=list)
    relay: Relay | None = None
    proxy: ApiProxy | None = None
    link: TcpLink | None = None
    clock_ahead: timedelta = timedelta()
    led_by: str = ""
    sent: list[str] = field(default_factory=list)

    @property
    def plane(self) -> ControlPlane:
        """The control plane."""
        return self.installation.fleet.controlplane

    @property
    def process(self) -> Process:
        """That of the one operator."""
        ((process, _),) = self.operators
        assert process is not None
        return process

    @property
    def operator(self) -> Operator:
        """The one operator."""
        ((_, operator),) = self.operators
        return operator

    def send(self, queue: str, number: int, seconds: float) -> None:
        """Put tasks into a queue."""
        self.sent += self.installation.send(queue, number, seconds)

    def running(self) -> dict[str, str]:
        """Names of the workers that run a task, by the tasks' ids."""
        ledger = self.installation.ledger.read()
        running = ledger.running()
        return {it.task_id: it.hostname for it in ledger.records if it.task_id in running}

    def unfinished(self) -> frozenset[str]:
        """Tasks that have not ended."""
        return frozenset(self.sent) - self.installation.ledger.read().ids("end")

    def wait(self, condition: Callable[[], object], within: timedelta = WHOLE_WITHIN) -> None:
        """Wait for a condition; who fails is told what the fleet says of itself."""
        self.installation.wait(condition, within)


Harm = Callable[[Scene], AbstractContextManager[Collection[str]]]
"""Does harm for the time of its block; gives the tasks that may run twice because of it."""


@dataclass(frozen=True)
class Fault:
    """What happens, and what is expected of it.

    Args:
        harm: that is done.
        start: the operator, or operators.
        said: whether the operator tells of it; None where it has nothing to tell.
        tasks: that are there when it happens; more than run wait in the queue.
        late: whether tasks are acknowledged after they ran.
        env: of the workers, made from the scene.
        pool: over the pool at work.
    """

    harm: Harm
    start: Callable[[Scene], None]
    said: Callable[[Scene], object] | None = None
    tasks: int = TASKS
    late: bool = False
    env: Callable[[Scene], list[dict[str, str]]] = lambda _: []
    pool: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """What a fault came to.

    Args:
        fault: its name.
        said_s: seconds from its beginning until the operator told of it; None where it has nothing to tell.
        lasted_s: seconds from its beginning to its end.
        back_s: seconds from its end until a pool at zero is asked for the worker of a message sent then.
        sent: tasks.
        lost: tasks that never ended.
        again: tasks that ran twice.
    """

    fault: str
    said_s: float | None
    lasted_s: float
    back_s: float
    sent: int
    lost: int
    again: int

    def row(self) -> dict[str, object]:
        """As it is printed."""
        return {"bench": "real-faults", **asdict(self)}


def play(scene: Scene, name: str, fault: Fault) -> Report:
    """Load, harm, what the operator says of it, and the way back to rest.

    Raises:
        NotInTimeError: the fault is not said, or the fleet does not come to its rest.
        AssertionError: a task was lost, or run twice for another reason than the fault.
    """
    _under_load(scene, fault)
    began, ended_before = time.monotonic(), len(scene.installation.ledger.read().ids("end"))
    said = None
    with fault.harm(scene) as may_run_again:
        if fault.said is not None:
            scene.wait(lambda: fault.said(scene), SAID_WITHIN)  # type: ignore[misc]
            said = time.monotonic() - began
        # Work goes on meanwhile. It is read without the API server, which may be what is away.
        wait_until(
            lambda: len(scene.installation.ledger.read().ids("end")) > ended_before,
            within=WHOLE_WITHIN,
            describe=scene.installation.node.describe,
        )
    over = time.monotonic()
    scene.send(CLEANUP, 1, 0.2)
    scene.wait(lambda: (scene.installation.fleet.replicas("cleanup") or 0) > 0)
    back = time.monotonic() - over
    _to_rest(scene)
    summary = scene.installation.ledger.read().summary(scene.sent)
    assert not summary.lost, f"{summary}\n{scene.installation.fleet.describe()}\n{scene.installation.node.describe()}"
    assert summary.run_twice <= frozenset(may_run_again), summary
    took = [None if it is None else round(it, 1) for it in (said, over - began, back)]
    return Report(
        name, took[0], took[1] or 0.0, took[2] or 0.0, len(scene.sent), len(summary.lost), len(summary.run_twice)
    )


def _under_load(scene: Scene, fault: Fault) -> None:
    installation = scene.installation
    installation.declare()
    fault.start(scene)
    ledger = {"name": "UTILITARIAN_LEDGER", "value": str(installation.ledger.directory)}
    env = [ledger, *([LATE] if fault.late else []), *fault.env(scene)]
    pools = [{**POOLS[0], **fault.pool}, *POOLS[1:]]
    installation.create(pools=pools, defaults=DEFAULTS, env=env)
    scene.wait(lambda: [installation.fleet.replicas(pool["name"]) for pool in POOLS] == [0, 0])
    scene.send(DEFAULT, fault.tasks, TASK_S)
    scene.wait(lambda: len(scene.running()) >= min(AT_WORK, fault.tasks))


def _to_rest(scene: Scene) -> None:
    fleet = scene.installation.fleet
    scene.wait(lambda: not scene.unfinished())
    scene.wait(lambda: not any(fleet.pods(pool["name"]) for pool in POOLS))
    for process, operator in scene.operators:
        assert operator.healthy(), process.tail() if process else ""
        figures = operator.metrics()
        assert sum(it for figure, it in figures.items() if figure.startswith(WRONG_VICTIMS)) == 0
