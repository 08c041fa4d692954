"""What it costs to watch pools at zero: CPU and memory of the system, CPU of its broker, requests to the API server.

A real API server with its controllers and a real RabbitMQ with a queue a pool, fourteen pools a fleet; no message, no
worker, no node. First the same parts are left alone for a while, without any fleet: what broker and API server do then,
with the same queues, is taken off. Prints one JSON object a system and size, ends by itself and leaves nothing behind.

After the span in which nothing happens, single messages come to forty pools at random moments; `wake_p50_s` and
`wake_p99_s` are from the confirmed message to the worker asked for. `operator_cores` and `operator_mib` (resident
memory) are of all processes of the system together; `ready_s` is from the first fleet that is applied until all are
ready; `lists_s` and `writes_s` are those of the requests that list objects or change one. `load` is the machine's own
figure for the last minute when the row was done.
"""

import argparse
import contextlib
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from bench.drain import Bench, bench
from bench.replica_trail import replica_trail
from bench.sight import cpu_of, p99
from bench.systems import KEDA, OURS, SYSTEMS, Target, at_work
from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import as_process
from tests.support.plain_fleet import apply
from tests.support.processes import Process
from tests.support.waiting import wait_until
from utilitarian_operator.api.objects import Object

SIZES = (14, 100, 500, 1000)
A_FLEET = 14
SETTLE_S, SPAN_S = 20.0, 60.0
WAKES, WAKES_EVERY_S = 40, 1.0
WOKEN_WITHIN = timedelta(minutes=4)
READY_WITHIN = timedelta(minutes=10)
MOST, MESSAGES_A_WORKER = 20, 10
REQUESTS = re.compile(r"^apiserver_request_total\{(?P<labels>.*)\} (?P<value>\S+)$", re.MULTILINE)
VERB = re.compile(r'verb="(\w+)"')
WRITES = {"POST", "PUT", "PATCH", "DELETE", "APPLY"}


@dataclass(frozen=True)
class Figures:
    """Totals since the start of each part; seconds of CPU, numbers of requests."""

    at: float
    system_cpu: float
    broker_cpu: float
    requests: dict[str, float]

    @classmethod
    def read(cls, parts: Bench, processes: Sequence[Process]) -> "Figures":
        """What they are now."""
        system = sum(cpu_of(process.pid) for process in processes)
        return cls(time.monotonic(), system, cpu_of(parts.rabbitmq.server.pid), _requests(parts.plane))

    def rates(self, before: "Figures") -> dict[str, float]:
        """A second, since then."""
        span = self.at - before.at
        verbs = {verb: self.requests[verb] - before.requests.get(verb, 0) for verb in self.requests}
        return {
            "system": (self.system_cpu - before.system_cpu) / span,
            "broker": (self.broker_cpu - before.broker_cpu) / span,
            "requests": sum(verbs.values()) / span,
            "lists": verbs.get("LIST", 0) / span,
            "writes": sum(verbs.get(verb, 0) for verb in WRITES) / span,
        }


def _requests(plane: ControlPlane) -> dict[str, float]:
    """By verb; a watch counts when it ends."""
    found: dict[str, float] = {}
    for line in REQUESTS.finditer(plane.request("GET", "/metrics")):
        verb = VERB.search(line["labels"])
        name = verb[1] if verb else ""
        found[name] = found.get(name, 0) + float(line["value"])
    return found


def _span(parts: Bench, processes: Sequence[Process]) -> dict[str, float]:
    """The rates of a stretch in which nothing happens, after one in which what was begun comes to its end."""
    time.sleep(SETTLE_S)
    before = Figures.read(parts, processes)
    time.sleep(SPAN_S)
    return Figures.read(parts, processes).rates(before)


def _wakes(parts: Bench, namespace: str, vhost: str, deployments: dict[str, str]) -> list[float]:
    """Seconds from a confirmed message to the worker asked for, of pools at random: queue -> Deployment."""
    dice = Random(len(deployments))  # noqa: S311 - no secret
    chosen = dice.sample(sorted(deployments), min(WAKES, len(deployments)))
    sent: dict[str, float] = {}
    with replica_trail(parts.plane, namespace) as trail:
        for queue in chosen:
            time.sleep(dice.uniform(0, 2 * WAKES_EVERY_S))
            parts.rabbitmq.publish(vhost, queue)
            sent[queue] = time.time()

        def asked(queue: str) -> float | None:
            return trail.first(deployments[queue], sent[queue] - 1, 1)

        wait_until(lambda: all(map(asked, chosen)), within=WOKEN_WITHIN)
        took = [(asked(queue) or 0) - sent[queue] for queue in chosen]
    parts.rabbitmq.purge(vhost, *chosen)
    return sorted(took)


@contextlib.contextmanager
def _ours(parts: Bench, namespace: str, url: str, queues: list[str], folder: Path) -> Iterator[Sequence[Process]]:
    """This operator with all fleets ready."""
    fleets = {_fleet(first): queues[first : first + A_FLEET] for first in range(0, len(queues), A_FLEET)}
    with as_process(parts.plane, namespace, directory=folder) as (process, _):
        for name, theirs in fleets.items():
            apply(parts.plane, namespace, name, url, parts.rabbitmq.prometheus_url, theirs)
        wait_until(lambda: _all_ready(parts.plane, namespace, len(fleets)), within=READY_WITHIN, describe=process.tail)
        yield [process]
        for name in fleets:
            Fleet(parts.plane, namespace, name).delete()


def _fleet(number: int) -> str:
    """Name of the fleet that has the pool of this number."""
    return f"fleet-{number // A_FLEET:03}"


def _all_ready(plane: ControlPlane, namespace: str, fleets: int) -> bool:
    path = f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/utilitarianworkerpools"
    items: list[Object] = plane.request("GET", path)["items"]
    return len(items) == fleets and all(_is_ready(it) for it in items)


def _is_ready(fleet: Object) -> bool:
    conditions = fleet.get("status", {}).get("conditions", [])
    return any(it["type"] == "Ready" and it["status"] == "True" for it in conditions)


@contextlib.contextmanager
def _theirs(
    system: str, parts: Bench, namespace: str, url: str, queues: list[str], folder: Path
) -> Iterator[Sequence[Process]]:
    """KEDA with all ScaledObjects ready."""
    pools = [{"name": f"p{number}", "queues": [queue]} for number, queue in enumerate(queues)]
    spec = {"pools": pools, "beat": {"enabled": False}}
    target = Target(Fleet(parts.plane, namespace), url, spec, MOST, MESSAGES_A_WORKER)
    with at_work(system, parts.plane, target, folder) as work:
        yield work.processes


def _resident_mib(process: Process) -> float:
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def measure(parts: Bench, system: str, pools: int) -> dict[str, Any]:
    """One row."""
    queues = [f"utilitarian.tasks.bench-{number:04}" for number in range(pools)]
    folder = parts.folder / f"{system}-{pools}"
    folder.mkdir()
    with parts.rabbitmq.vhost() as vhost, parts.plane.namespace() as namespace:
        parts.rabbitmq.declare(vhost, *queues)
        alone = _span(parts, [])
        begun, url = time.monotonic(), parts.rabbitmq.amqp_url(vhost)
        at = (parts, namespace, url, queues, folder)
        with _ours(*at) if system == OURS else _theirs(system, *at) as processes:
            ready = time.monotonic() - begun
            rates = _span(parts, processes)
            memory = sum(map(_resident_mib, processes))
            own = {queue: f"{_fleet(it)}-p{it % A_FLEET}" for it, queue in enumerate(queues)}
            theirs = {queue: f"fleet-p{it}" for it, queue in enumerate(queues)}
            took = _wakes(parts, namespace, vhost, own if system == OURS else theirs)
    over = {name: max(0.0, rates[name] - alone[name]) for name in ("broker", "requests", "lists", "writes")}
    return {
        "bench": "watching",
        "system": system,
        "pools": pools,
        "operator_cores": round(rates["system"], 3),
        "operator_mib": round(memory),
        "broker_cores": round(over["broker"], 3),
        "api_requests_s": round(over["requests"], 2),
        "lists_s": round(over["lists"], 2),
        "writes_s": round(over["writes"], 2),
        "ready_s": round(ready, 1),
        "wake_p50_s": round(median(took), 2),
        "wake_p99_s": round(p99(took), 2),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """Print one JSON object a system and number of pools."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=int, action="append", help=f"only so many (default: {SIZES}; KEDA: 14)")
    parser.add_argument("--system", choices=SYSTEMS, action="append", help="only this one")
    asked = parser.parse_args()
    with bench() as parts:
        for pools in asked.pools or SIZES:
            for system in asked.system or SYSTEMS:
                if asked.pools or system not in KEDA or pools == SIZES[0]:
                    print(json.dumps(measure(parts, system, pools)), flush=True)


if __name__ == "__main__":
    main()
