"""A cluster in memory behind a clock that a test sets: answers come late, or not at all."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.errors import ClusterError


@dataclass
class Machine:
    """A clock, and how long the answer to each write takes to come back."""

    now: float = 1000.0
    late_s: Iterator[float] = field(default_factory=lambda: iter(()))
    down: bool = False

    def seconds(self) -> float:
        return self.now

    def on_the_way(self, request: Request) -> Exception | None:
        if self.down:
            return ClusterError("HTTP 503: injected")
        self.now += next(self.late_s, 0.0) if request.verb != "read" else 0.0
        return None


def cluster_of(machine: Machine) -> FakeCluster:
    return FakeCluster(fails=machine.on_the_way)
