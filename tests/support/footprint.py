"""What a process takes that must not grow: memory, descriptors, threads, connections to a broker, and metric series."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.support.operator import Operator
from tests.support.processes import Process
from tests.support.rabbitmq import RabbitMQ

MORE = {"mib": 8.0, "descriptors": 4.0, "threads": 2.0, "connections": 2.0, "series": 10.0}
"""By which two stretches may differ: what is open at a moment, and memory that an allocator keeps for the next time."""


@dataclass(frozen=True)
class Footprint:
    """At one moment.

    Args:
        mib: resident memory.
        descriptors: open files, sockets and pipes.
        threads: of the process.
        connections: to the broker, of its virtual host.
        series: samples that /metrics shows.
    """

    mib: float
    descriptors: int
    threads: int
    connections: int
    series: int

    @classmethod
    def of(cls, process: Process, operator: Operator, broker: RabbitMQ, vhost: str) -> "Footprint":
        """As it is now; every worker of the virtual host has gone, so that its connections are the operator's."""
        threads = _figure(process, "Threads")
        descriptors = sum(1 for _ in Path(f"/proc/{process.pid}/fd").iterdir())
        connections = connected(broker, vhost)
        return cls(resident_mib(process), descriptors, threads, connections, len(operator.metrics()))


def connected(broker: RabbitMQ, vhost: str) -> int:
    """Connections to a virtual host, which the management API tells some seconds late."""
    return len(broker.api("GET", f"/api/vhosts/{vhost}/connections"))


def resident_mib(process: Process) -> float:
    """Memory that a process has."""
    return round(_figure(process, "VmRSS") / 1024, 1)


def _figure(process: Process, name: str) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)
    assert found, name
    return int(found[1])


def grown(taken: Sequence[Footprint]) -> dict[str, tuple[float, float]]:
    """What is more in the last third than in the second one, with the medians of both; empty where all is flat.

    In the first third is what a process needs only once.
    """
    third = len(taken) // 3
    found = {}
    for name, more in MORE.items():
        second, last = (median(getattr(it, name) for it in of) for of in (taken[third : 2 * third], taken[-third:]))
        if last > second + more:
            found[name] = (second, last)
    return found
