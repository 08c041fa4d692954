"""Two operators share a few hundred pools by namespaces: each does its half, takes less, and outlives the other."""

import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

import pytest

from bench.sight import cpu_of, p99
from tests.support.controlplane import ControlPlane
from tests.support.footprint import resident_mib
from tests.support.operator import Operator, as_process
from tests.support.plain_fleet import apply
from tests.support.processes import Process
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until

FLEETS, A_FLEET = int(os.environ.get("FLEETS", "10")), 14
"""Of each of the two namespaces, and the pools of each fleet."""

SHARD = "example.com/shard"
WAKES, SPAN_S = 10, 60.0
READY_WITHIN, SOON = timedelta(minutes=8), timedelta(minutes=2)


@dataclass
class Half:
    """The fleets of one namespace, with a virtual host of their own."""

    plane: ControlPlane
    rabbitmq: RabbitMQ
    namespace: str
    vhost: str

    @property
    def queues(self) -> list[list[str]]:
        """Of each fleet."""
        return [[f"f{fleet}-q{pool}" for pool in range(A_FLEET)] for fleet in range(FLEETS)]

    def make(self) -> None:
        """Queues, Secrets and resources."""
        self.rabbitmq.declare(self.vhost, *[queue for theirs in self.queues for queue in theirs])
        url = self.rabbitmq.amqp_url(self.vhost)
        for number, queues in enumerate(self.queues):
            apply(self.plane, self.namespace, f"fleet-{number}", url, self.rabbitmq.prometheus_url, queues)

    def is_made(self) -> bool:
        """Whether every pool has its Deployment."""
        return len(self._deployments()) == FLEETS * A_FLEET

    def wakes(self, pool: int) -> list[float]:
        """Seconds from a message to the worker asked for, of this pool of so many fleets, one after the other."""
        took = []
        for number in range(min(WAKES, FLEETS)):
            began = time.monotonic()
            self.rabbitmq.publish(self.vhost, f"f{number}-q{pool}", ["{}"])
            path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/fleet-{number}-p{pool}"
            wait_until(lambda path=path: self.plane.request("GET", path)["spec"]["replicas"], within=SOON)
            took.append(time.monotonic() - began)
        return took

    def _deployments(self) -> list[dict[str, object]]:
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
        items: list[dict[str, object]] = self.plane.request("GET", path)["items"]
        return items


def used(processes: Sequence[Process]) -> list[float]:
    """Cores of each, over a stretch in which nothing happens."""
    before = [cpu_of(it.pid) for it in processes]
    time.sleep(SPAN_S)  # the span is what is measured
    return [round((cpu_of(it.pid) - was) / SPAN_S, 3) for it, was in zip(processes, before, strict=True)]


def namespaces_of(operator: Operator) -> set[str]:
    """Those of whose pools it tells."""
    named = [name for name in operator.metrics() if name.startswith("utilitarian_pool_")]
    return {name.partition('namespace="')[2].partition('"')[0] for name in named}


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("operators, by", [(1, "names"), (2, "names"), (2, "labels")])
def test_a_few_hundred_pools_are_shared_by_namespaces(
    operators: int,
    by: str,
    controlplane: ControlPlane,
    rabbitmq: RabbitMQ,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ExitStack() as stack:
        places = [
            (stack.enter_context(controlplane.namespace("shard")), stack.enter_context(rabbitmq.vhost()))
            for _ in range(2)
        ]
        halves = [Half(controlplane, rabbitmq, namespace, vhost) for namespace, vhost in places]
        names = [it.namespace for it in halves]
        watched = [names] if operators == 1 else [[name] for name in names]
        began = time.monotonic()
        running = [
            stack.enter_context(
                as_process(
                    controlplane,
                    *(theirs if by == "names" else ()),
                    directory=_folder(tmp_path, number),
                    options=(*_leases(names[0], number), *(_labelled(controlplane, theirs) if by == "labels" else ())),
                )
            )
            for number, theirs in enumerate(watched)
        ]
        for half in halves:
            half.make()
        wait_until(lambda: all(half.is_made() for half in halves), within=READY_WITHIN, every=timedelta(seconds=1))
        ready = time.monotonic() - began
        processes = [process for process, _ in running]
        cores, mib = used(processes), [resident_mib(it) for it in processes]
        took = sorted(it for half in halves for it in half.wakes(0))
        assert [namespaces_of(operator) for _, operator in running] == [set(theirs) for theirs in watched]
        if operators > 1:
            processes[0].kill()
            halves[1].wakes(1)
        row = {
            "bench": "shards",
            "operators": operators,
            "by": by,
            "pools": 2 * FLEETS * A_FLEET,
            "cores": cores,
            "mib": mib,
        }
        row |= {"made_s": round(ready, 1), "wake_p50_s": round(median(took), 2), "wake_p99_s": round(p99(took), 2)}
    with capsys.disabled():
        sys.stdout.write(f"\n{json.dumps(row)}\n")


def _folder(below: Path, number: int) -> Path:
    found = below / str(number)
    found.mkdir()
    return found


def _leases(namespace: str, number: int) -> tuple[str, ...]:
    return "--lease-namespace", namespace, "--lease", f"operator-{number}"


def _labelled(controlplane: ControlPlane, namespaces: Sequence[str]) -> tuple[str, ...]:
    """Give these namespaces a label of their own; the option that chooses them by it."""
    label = {"metadata": {"labels": {SHARD: namespaces[0]}}}
    for name in namespaces:
        controlplane.request("PATCH", f"/api/v1/namespaces/{name}", label, "application/merge-patch+json")
    return "--namespace-selector", f"{SHARD}={namespaces[0]}"
