"""The systems that are measured beside one another on the same parts: this operator, and KEDA as its users set it.

Each scales the same fleet: the same pools, queues, workers and limits. KEDA has a Deployment and a ScaledObject for
each pool of it. `keda` has its documented defaults and Kubernetes' default grace. `keda-tuned` is what an expert sets:
a poll each second, a cooldown of 120 s, an HPA that may grow at once, and the grace that this operator gives.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from bench.deployments import make_deployments, scale
from bench.keda import Keda, Settings, keda
from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import as_process
from tests.support.processes import Process
from tests.support.waiting import wait_until

OURS = "utilitarian"
KEDA = {
    "keda": Settings(),
    "keda-tuned": Settings(poll_s=1, cooldown_s=120, scale_up_at_once=True, grace_s=None),
}
SYSTEMS = (OURS, *KEDA)
AT_REST_WITHIN = timedelta(minutes=6)
TAKEN_WITHIN = timedelta(minutes=20)
"""KEDA takes two ScaledObjects a second."""


@dataclass(frozen=True)
class Aim:
    """What KEDA is told of a pool, where this operator uses what is promised and how long a task takes.

    Args:
        most: workers, at most; it stands in the resource's spec, too.
        messages_a_worker: the trigger's value, of each queue.
    """

    most: int
    messages_a_worker: int


@dataclass(frozen=True)
class Target:
    """What is scaled: a fleet that is not made yet.

    Args:
        fleet: its name and namespace.
        broker_url: of its workers.
        spec: of the resource, without image and broker; each pool names its queues.
        aims: of all pools, or of each by its name.
    """

    fleet: Fleet
    broker_url: str
    spec: dict[str, Any]
    aims: Aim | Mapping[str, Aim]

    @property
    def pools(self) -> list[str]:
        """Their names."""
        return [pool["name"] for pool in self.spec["pools"]]

    def aim(self, pool: str) -> Aim:
        """What KEDA is told of this pool."""
        return self.aims if isinstance(self.aims, Aim) else self.aims[pool]

    def at_rest(self) -> bool:
        """Whether no pool has a worker, or is asked to have one."""
        return all(self.fleet.replicas(pool) == 0 and not self.fleet.pods(pool) for pool in self.pools)


class System(Protocol):
    """A system at work on a target."""

    @property
    def processes(self) -> Sequence[Process]:
        """Those that it consists of."""

    def rest(self) -> None:
        """Have all pools without workers; their queues are empty.

        Raises:
            NotInTimeError: some pool still has one.
        """


@dataclass(frozen=True)
class _Ours:
    target: Target
    processes: Sequence[Process]

    def rest(self) -> None:
        wait_until(self.target.at_rest, within=AT_REST_WITHIN)


@dataclass(frozen=True)
class _Keda:
    target: Target
    keda: Keda

    @property
    def processes(self) -> Sequence[Process]:
        return (self.keda.operator, self.keda.adapter)

    def rest(self) -> None:
        """By hand, since its cooldown takes minutes: KEDA leaves a Deployment at zero until there is a message."""

        def at_rest() -> bool:
            for pool in self.target.pools:
                if self.target.fleet.replicas(pool):
                    scale(self.target.fleet, pool, 0)
            return self.target.at_rest()

        wait_until(at_rest, within=AT_REST_WITHIN)


@contextlib.contextmanager
def at_work(system: str, plane: ControlPlane, target: Target, folder: Path) -> Iterator[System]:
    """A system with the target made and at rest, for the time of the block."""
    if system == OURS:
        with as_process(plane, target.fleet.namespace, directory=folder) as (process, _):
            target.fleet.create(target.broker_url, **target.spec)
            ours = _Ours(target, [process])
            ours.rest()
            yield ours
            target.fleet.delete()
        return
    settings = KEDA[system]
    with keda(plane, target.fleet.namespace, folder) as running:
        scaled_by_keda(running, settings, target)
        theirs = _Keda(target, running)
        theirs.rest()
        yield theirs


def scaled_by_keda(running: Keda, settings: Settings, target: Target) -> None:
    """Make the target's Deployments and ScaledObjects, and wait until KEDA has taken all of them."""
    make_deployments(target.fleet, target.broker_url, target.spec, settings.grace_s)
    for pool in target.spec["pools"]:
        name, aim = f"{target.fleet.name}-{pool['name']}", target.aim(pool["name"])
        running.scale(settings.scaled_object(name, pool["queues"], aim.most, aim.messages_a_worker))
    wait_until(running.ready, within=TAKEN_WITHIN, every=timedelta(seconds=1), describe=running.operator.tail)
