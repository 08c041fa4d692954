"""What it costs to watch pools at zero: CPU and memory of the system, CPU of its broker, requests to the API server.

A real API server with its controllers and a real RabbitMQ with a queue a pool, fourteen pools a fleet; no message, no
worker, no node. First the same parts are left alone for a while, without any fleet: what broker and API server do then,
with the same queues, is taken off. Prints one JSON object a system and size, ends by itself and leaves nothing behind.

After the span in which nothing happens, single messages come to forty pools at random moments; `wake_p50_s` and
`wake_p99_s` are from the confirmed message to the worker asked for. `operator_cores` and `operator_mib` (resident
memory) are of all processes of the system together; `ready_s` is from the first fleet that is applied until all are
ready; `lists_s` and `writes_s` are those of the requests that list objects or change one, `most` the most frequent of
all requests. `load` is the machine's own figure for the last minute when the row was done.
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
from bench.machine import machine
from bench.nodes import ON_IT, node
from bench.replica_trail import replica_trail
from bench.sight import cpu_of, p99
from bench.systems import KEDA, OURS, SYSTEMS, Aim, Target, at_work
from tests.support.controlplane import ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import as_process
from tests.support.plain_fleet import apply
from tests.support.processes import Process
from tests.support.waiting import wait_until
from utilitarian_operator.api.objects import Object

SIZES = (14, 100, 500, 1000)
A_FLEET = 14
SETTLE_S, SPAN_S = 60.0, 60.0
MOST_FREQUENT = 5
WAKES, WAKES_EVERY_S = 40, 1.0
WOKEN_WITHIN = timedelta(minutes=4)
READY_WITHIN = timedelta(minutes=10)
MOST, MESSAGES_A_WORKER = 20, 10
AWAKE: Object = {"scaling": {"min": 1}, "pod": {"template": ON_IT}}
REQUESTS = re.compile(r"^apiserver_request_total\{(?P<labels>.*)\} (?P<value>\S+)$", re.MULTILINE)
LABEL = re.compile(r'\b(verb|resource)="(\w*)"')
WRITES = {"POST", "PUT", "PATCH", "DELETE", "APPLY"}


@dataclass(frozen=True)
class Figures:
    """Totals since the start of each part; seconds of CPU, numbers of requests."""

    at: float
    system_cpu: float
    broker_cpu: float
    requests: dict[tuple[str, str], float]

    @classmethod
    def read(cls, parts: Bench, processes: Sequence[Process]) -> "Figures":
        """What they are now."""
        system = sum(cpu_of(process.pid) for process in processes)
        return cls(time.monotonic(), system, cpu_of(parts.rabbitmq.server.pid), _requests(parts.plane))

    def rates(self, before: "Figures") -> "Rates":
        """A second, since then."""
        span = self.at - before.at
        requests = {kind: (self.requests[kind] - before.requests.get(kind, 0)) / span for kind in self.requests}
        return Rates(
            (self.system_cpu - before.system_cpu) / span, (self.broker_cpu - before.broker_cpu) / span, requests
        )


@dataclass(frozen=True)
class Rates:
    """Cores of the system and of its broker, and requests a second by verb and resource."""

    system: float
    broker: float
    requests: dict[tuple[str, str], float]

    def over(self, alone: "Rates") -> "Rates":
        """What is more than when the parts were alone."""
        requests = {kind: max(0.0, rate - alone.requests.get(kind, 0)) for kind, rate in self.requests.items()}
        return Rates(self.system, max(0.0, self.broker - alone.broker), requests)

    def asked(self, verbs: set[str] | None = None) -> float:
        """Requests a second with one of these verbs, or with any.

        A question about rights is posted, and writes nothing.
        """
        return sum(
            rate
            for (verb, resource), rate in self.requests.items()
            if verbs is None or (verb in verbs and not resource.endswith("reviews"))
        )

    def most(self) -> dict[str, float]:
        """The most frequent requests, at least one in two minutes."""
        ordered = sorted(self.requests.items(), key=lambda it: -it[1])[:MOST_FREQUENT]
        return {f"{verb} {resource}".strip(): round(rate, 3) for (verb, resource), rate in ordered if rate > 1 / 120}


def _requests(plane: ControlPlane) -> dict[tuple[str, str], float]:
    """By verb and resource; a watch counts when it ends."""
    found: dict[tuple[str, str], float] = {}
    for line in REQUESTS.finditer(plane.request("GET", "/metrics")):
        labels = dict(LABEL.findall(line["labels"]))
        kind = labels.get("verb", ""), labels.get("resource", "")
        found[kind] = found.get(kind, 0) + float(line["value"])
    return found


def _span(parts: Bench, processes: Sequence[Process]) -> Rates:
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
def _ours(
    parts: Bench, namespace: str, url: str, queues: list[str], folder: Path, awake: Object | None = None
) -> Iterator[Sequence[Process]]:
    """This operator with all fleets ready; `awake`: what more their specs have, so that each pool has a worker."""
    fleets = {_fleet(first): queues[first : first + A_FLEET] for first in range(0, len(queues), A_FLEET)}
    with as_process(parts.plane, namespace, directory=folder) as (process, _):
        for name, theirs in fleets.items():
            apply(parts.plane, namespace, name, url, parts.rabbitmq.prometheus_url, theirs, **(awake or {}))
        numbers = (len(fleets), len(queues))
        wait_until(
            lambda: (
                _all_awake(parts.plane, namespace, len(queues))
                if awake
                else _all_ready(parts.plane, namespace, *numbers)
            ),
            within=READY_WITHIN,
            every=timedelta(seconds=1),
            describe=process.tail,
        )
        yield [process]
        for name in fleets:
            Fleet(parts.plane, namespace, name).delete()


def _fleet(number: int) -> str:
    """Name of the fleet that has the pool of this number."""
    return f"fleet-{number // A_FLEET:03}"


def _all_ready(plane: ControlPlane, namespace: str, fleets: int, pools: int) -> bool:
    """Whether all fleets say that they are ready, and all that they need is made."""

    def listed(group: str, kind: str) -> list[Object]:
        found: list[Object] = plane.request("GET", f"/apis/{group}/namespaces/{namespace}/{kind}")["items"]
        return found

    items = listed("utilitarian.io/v1alpha1", "utilitarianworkerpools")
    if len(items) < fleets or not all(_is_ready(it) for it in items):
        return False
    return len(listed("policy/v1", "poddisruptionbudgets")) == len(listed("apps/v1", "deployments")) == pools


def _all_awake(plane: ControlPlane, namespace: str, pools: int) -> bool:
    """Whether each pool has a worker whose pod is ready."""
    items: list[Object] = plane.request("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments")["items"]
    return sum(it.get("status", {}).get("readyReplicas", 0) for it in items) == pools


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
    target = Target(Fleet(parts.plane, namespace), url, spec, Aim(MOST, MESSAGES_A_WORKER))
    with at_work(system, parts.plane, target, folder) as work:
        yield work.processes


def _resident_mib(process: Process) -> float:
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def measure_awake(parts: Bench, pools: int) -> dict[str, Any]:
    """One row of this operator with a worker in each pool, whose pods run nothing."""
    queues = [f"utilitarian.tasks.bench-{number:04}" for number in range(pools)]
    folder = parts.folder / f"awake-{pools}"
    folder.mkdir()
    with (
        parts.rabbitmq.vhost() as vhost,
        parts.plane.namespace() as namespace,
        node(parts.plane, folder) as kwok,
    ):
        parts.rabbitmq.declare(vhost, *queues)
        alone = _span(parts, [])
        begun, spec = time.monotonic(), {"defaults": AWAKE}
        with _ours(parts, namespace, parts.rabbitmq.amqp_url(vhost), queues, folder, spec) as processes:
            ready = time.monotonic() - begun
            rates = _span(parts, processes)
            row = {"operator_mib": round(sum(map(_resident_mib, processes))), "kwok_mib": round(_resident_mib(kwok))}
    return {"bench": "watching", "system": "utilitarian", "pools": pools, "awake": pools, **row} | {
        **_rates(rates, rates.over(alone)),
        "ready_s": round(ready, 1),
        "load": round(os.getloadavg()[0], 1),
    }


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
    over = rates.over(alone)
    return {
        "bench": "watching",
        "system": system,
        "pools": pools,
        "operator_mib": round(memory),
        **_rates(rates, over),
        "ready_s": round(ready, 1),
        "wake_p50_s": round(median(took), 2),
        "wake_p99_s": round(p99(took), 2),
        "load": round(os.getloadavg()[0], 1),
    }


def _rates(rates: Rates, over: Rates) -> dict[str, Any]:
    """As they are printed; `over`: what is more than when the parts were alone."""
    return {
        "operator_cores": round(rates.system, 3),
        "broker_cores": round(over.broker, 3),
        "api_requests_s": round(over.asked(), 2),
        "lists_s": round(over.asked({"LIST"}), 2),
        "writes_s": round(over.asked(WRITES), 2),
        "most": over.most(),
    }


def main() -> None:
    """Print one JSON object a system and number of pools."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=int, action="append", help=f"only so many (default: {SIZES}; KEDA: 14)")
    parser.add_argument("--system", choices=SYSTEMS, action="append", help="only this one")
    parser.add_argument("--awake", action="store_true", help="only ours, with a worker in each pool, by kwok")
    asked = parser.parse_args()
    print(json.dumps(machine()), flush=True)
    with bench() as parts:
        for pools in asked.pools or SIZES:
            if asked.awake:
                print(json.dumps(measure_awake(parts, pools)), flush=True)
                continue
            for system in asked.system or SYSTEMS:
                if asked.pools or system not in KEDA or pools == SIZES[0]:
                    print(json.dumps(measure(parts, system, pools)), flush=True)


if __name__ == "__main__":
    main()
