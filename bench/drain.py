"""What scaling costs running tasks: the same load under this operator, under KEDA, and under queue depth alone.

All run on the same real parts: API server, ReplicaSet controller, RabbitMQ and Celery workers, with processes for
containers. Those called `keda` are KEDA itself with the cluster's HPA: `keda` by its documented defaults, `keda-tuned`
as an expert sets it, with a grace as long as ours. `keda-amqp` takes workers away after 30 s, as ours does, `keda-http`
after 60 s, both with Kubernetes' default grace of 30 s. The `depth-only` systems follow their rules as the simulator
models them, and are not KEDA. `keda-http` and `-unacked` count what is unacknowledged, too, the others what waits.
`--scale 0.1` makes every duration a tenth (tasks, grace, patience), but for a worker's start; KEDA and its HPA have
a pace of their own, so they are measured with `--scale 1` alone. Prints one JSON object for each case and system, ends
by itself and leaves nothing behind.

`worker_seconds` is how long pods were there, `to_zero_s` the time from the last task's end to no worker asked for: both
as measured, not scaled back. `lost` tasks never finished; `twice` were begun more than once. `load` is the machine's
own figure for the last five minutes when the row was done.
"""

import argparse
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from bench.deployments import make_deployments, scale
from bench.keda import API_URL, Settings, keda
from bench.machine import machine
from bench.systems import KEDA, OURS, Aim, Target, scaled_by_keda
from tests.support.celery_workers import send
from tests.support.controlplane import REPOSITORY, ControlPlane
from tests.support.fleet import Fleet
from tests.support.installation import DEFAULT, NO_BEAT, Installation
from tests.support.operator import as_process
from tests.support.pod_lives import PodLives
from tests.support.ports import LOOPBACK
from tests.support.process_node import ProcessNode
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import NotInTimeError, wait_until
from utilitarian_operator.simulation.autoscalers import GRACE_S, POLL, SYNC, Hpa

READY, UNACKED = ("depth-only-ready", "depth-only-unacked")
KEDA_READY, KEDA_UNACKED = ("keda-amqp", "keda-http")
SYSTEMS = (OURS, *KEDA, KEDA_READY, KEDA_UNACKED, READY, UNACKED)
LATE_TOO = (OURS, *KEDA, KEDA_UNACKED, UNACKED)
"""Those of short patience that count what waits alone would take late-acknowledged long tasks away for ever."""

ROWS = [*((system, False) for system in SYSTEMS), *((system, True) for system in LATE_TOO)]

PATIENCE = {OURS: 30.0, READY: 30.0, UNACKED: 60.0}
REAL = {
    **KEDA,
    KEDA_READY: Settings(cooldown_s=30, stabilization_s=30),
    KEDA_UNACKED: Settings(cooldown_s=60, stabilization_s=60, protocol="http"),
}
TASKS, SHORTEST, LONGEST = 40, 30.0, 180.0
MOST = 10
MESSAGES_A_WORKER = 4
GIVEN_UP_AFTER = timedelta(minutes=30)
"""What is not finished by then counts as lost: workers that are killed too early, always, never finish a long task."""
LATE = {"name": "UTILITARIAN_ACKS_LATE", "value": "true"}


@dataclass(frozen=True)
class Case:
    """One load: acknowledged early or late, every duration times `scale`."""

    late: bool
    scale: float

    @property
    def acks(self) -> str:
        """When a task is acknowledged: at its start, which is Celery's default, or at its end."""
        return "late" if self.late else "early"

    def __str__(self) -> str:
        times = "" if self.scale == 1 else f", every duration x {self.scale:g}"
        return f"{TASKS} tasks of {SHORTEST:g}-{LONGEST:g} s, {self.acks} ack, prefetch 1, c=2, max {MOST}{times}"

    def spec(self, installation: Installation) -> dict[str, Any]:
        """The resource's spec; its patience is the cooldown and the stabilization of the other system."""
        patience = f"{round(PATIENCE[OURS] * self.scale * 1000)}ms"
        typical = f"{round((SHORTEST + LONGEST) / 2 * self.scale * 1000)}ms"
        scaling = {"idleAfter": patience, "stabilization": patience, "taskDuration": typical, "drainWithin": patience}
        pool = {
            "name": "work",
            "queues": [DEFAULT],
            "worker": {"concurrency": 2, "prefetchMultiplier": 1},
            "scaling": {**scaling, "max": MOST},
        }
        env = [{"name": "UTILITARIAN_LEDGER", "value": str(installation.ledger.directory)}]
        env.append({"name": API_URL, "value": _api_url(installation)})
        return {"pools": [pool], "beat": NO_BEAT, "env": [*env, *([LATE] if self.late else [])]}


@dataclass
class DepthOnly:
    """KEDA from zero to one and back, its HPA in between; times in seconds of the model, `patience` too."""

    patience: float
    hpa: Hpa = field(init=False)
    replicas: int = 0
    poll_at: float = 0.0
    sync_at: float = SYNC
    active_at: float = 0.0

    def __post_init__(self) -> None:
        self.hpa = Hpa(MESSAGES_A_WORKER, 1, MOST, Random(1), calm=self.patience)  # noqa: S311 - no secret

    def look(self, now: float, messages: int) -> int:
        """The number of workers, now."""
        if now >= self.poll_at:
            self.poll_at = now + POLL
            self.active_at = now if messages else self.active_at
            if messages and not self.replicas:
                self.replicas = 1
            elif now - self.active_at >= self.patience:
                self.replicas = 0
        if now >= self.sync_at:
            self.sync_at = now + SYNC
            if self.replicas:
                self.replicas = self.hpa.sync(now, self.replicas, messages)
        return self.replicas


@dataclass(frozen=True)
class Bench:
    """The parts that all measurements share."""

    plane: ControlPlane
    rabbitmq: RabbitMQ
    folder: Path

    def measure(self, system: str, case: Case) -> dict[str, object]:
        """One row."""
        folder = self.folder / f"{system}-{'late' if case.late else 'acked_early'}"
        with self._installation(folder) as installation, PodLives.of(installation.fleet) as lives:
            fleet = installation.fleet
            if system == OURS:
                with as_process(self.plane, fleet.namespace, directory=folder):
                    installation.create(**case.spec(installation))
                    sent = self._send(installation, case)
                    _wait(lambda: _over(installation, lives), case)
                    fleet.delete()
            elif system in REAL:
                spec = case.spec(installation)
                with keda(self.plane, fleet.namespace, folder) as running:
                    target = Target(fleet, installation.broker_url, spec, Aim(MOST, MESSAGES_A_WORKER))
                    scaled_by_keda(running, REAL[system], target)
                    sent = self._send(installation, case)
                    _wait(lambda: _over(installation, lives), case)
            else:
                grace_s = max(1, round(GRACE_S * case.scale))
                make_deployments(installation.fleet, installation.broker_url, case.spec(installation), grace_s)
                sent = self._send(installation, case)
                self._scale(installation, lives, case, system)
            return _row(system, case, installation, lives, sent)

    @contextlib.contextmanager
    def _installation(self, folder: Path) -> Iterator[Installation]:
        with (
            self.rabbitmq.vhost() as vhost,
            self.plane.namespace() as namespace,
            ProcessNode(self.plane, namespace, folder / "node") as node,
        ):
            installation = Installation(Fleet(self.plane, namespace), self.rabbitmq, vhost, node, folder / "ledger")
            installation.declare()
            yield installation

    def _send(self, installation: Installation, case: Case) -> list[str]:
        dice = Random(TASKS)  # noqa: S311 - no secret
        seconds = [dice.uniform(SHORTEST, LONGEST) * case.scale for _ in range(TASKS)]
        return send(installation.broker_url, DEFAULT, seconds)

    def _scale(self, installation: Installation, lives: PodLives, case: Case, system: str) -> None:
        """Sizes the Deployment by the queue's depth until all is over: no message, no worker."""
        scaler, fleet, begun = DepthOnly(PATIENCE[system]), installation.fleet, time.monotonic()

        def over() -> bool:
            before, totals = scaler.replicas, installation.rabbitmq.totals(installation.vhost).get(DEFAULT)
            if totals is None:
                return False  # the broker doesn't know it yet
            messages = totals.ready + (totals.unacked if system == UNACKED else 0)
            replicas = scaler.look((time.monotonic() - begun) / case.scale, messages)
            if replicas != before:
                scale(fleet, "work", replicas)
            return not replicas and _over(installation, lives)

        _wait(over, case)


def _api_url(installation: Installation) -> str:
    broker = installation.rabbitmq
    return f"http://{broker.user}:{broker.password}@{LOOPBACK}:{broker.management_port}/{installation.vhost}"


def _wait(over: Callable[[], bool], case: Case) -> None:
    patience = max(GIVEN_UP_AFTER * case.scale, timedelta(minutes=1))
    with contextlib.suppress(NotInTimeError):  # the row tells
        wait_until(over, within=patience, every=timedelta(seconds=0.2))


def _over(installation: Installation, lives: PodLives) -> bool:
    """Whether nothing waits, no worker works, and none is asked for."""
    totals = installation.rabbitmq.totals(installation.vhost).get(DEFAULT)
    return totals == (0, 0) and lives.asleep_since("work") is not None and not installation.fleet.pods("work")


def _row(system: str, case: Case, installation: Installation, lives: PodLives, sent: list[str]) -> dict[str, object]:
    ledger = installation.ledger.read()
    summary = ledger.summary(sent)
    last = max(record.at for record in ledger.records)
    return {
        "bench": "drain",
        "system": system,
        "case": str(case),
        "acks": case.acks,
        "sent": len(sent),
        "finished": len(summary.finished),
        "lost": len(summary.lost),
        "twice": len(summary.run_twice),
        "worker_seconds": round(lives.worker_seconds()),
        "to_zero_s": round((lives.asleep_since("work") or 0.0) - last, 1),
        "load": round(os.getloadavg()[1], 1),
    }


@contextlib.contextmanager
def bench() -> Iterator[Bench]:
    """All parts, for the time of the block."""
    crds = sorted((REPOSITORY / "crds").glob("*.yaml"))
    with (
        tempfile.TemporaryDirectory() as folder,
        ControlPlane(Path(folder, "plane"), crds=crds) as plane,
        RabbitMQ(Path(folder, "rabbitmq")) as rabbitmq,
    ):
        yield Bench(plane, rabbitmq, Path(folder))


def main() -> None:
    """Print one JSON object for each case and system."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.1, help="of every duration (default: %(default)s; 1 is true)")
    parser.add_argument("--system", choices=SYSTEMS, action="append", help="only this one")
    asked = parser.parse_args()
    print(json.dumps(machine()), flush=True)
    with bench() as parts:
        for system, late in ROWS:
            if system in (asked.system or SYSTEMS) and (asked.scale == 1 or system not in REAL):
                print(json.dumps(parts.measure(system, Case(late, asked.scale))), flush=True)


if __name__ == "__main__":
    main()
