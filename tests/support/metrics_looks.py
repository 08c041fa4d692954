"""Looks for tests of metrics: what was seen and decided of a fleet, from as few words as a test needs."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry

from tests.support.pools import NOW
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.price import Price
from utilitarian_operator.core.forecast.news import Watched
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.plan import Figures
from utilitarian_operator.core.sizing.decision import Step, start
from utilitarian_operator.core.sizing.facts import facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext
from utilitarian_operator.metrics.fleet import Metrics

FLEET = ("ns", "fleet")
IDLE, BUSY = WorkerLoad(0, 0, 0, 0), WorkerLoad(1, 0, 0, 0)


def worker(
    held: WorkerLoad | Unknown = IDLE,
    name: str = "w",
    *,
    ready: bool = True,
    running: bool = True,
    marked: datetime | None = None,
    completed: int | None = None,
) -> PodSnapshot:
    """A worker's pod."""
    return PodSnapshot(name, ready, running, leaving=False, held=held, marked=marked, completed=completed)


def figures(
    spec: Fleet,
    pools: Mapping[str, PoolSnapshot],
    memories: Mapping[str, Memory] | None = None,
    after: timedelta = timedelta(),
) -> Figures:
    """What a look saw and decided: one worker for each pool."""
    at = NOW + after
    return Figures(
        fleet=spec,
        snapshot=FleetSnapshot(at, pools),
        context=FleetContext(at),
        facts={name: facts(it) for name, it in pools.items()},
        decisions={name: start(Step("demand", 1, 1, "one")) for name in pools},
        findings={},
        runs=Watched(memories=dict(memories or {})),
    )


class Shown:
    """The metrics of one operator, and what they show."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, price: Price | None = None) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry, monotonic, price)

    def value(self, name: str, **labels: str) -> float | None:
        """Of one series, or None; of the fleet `fleet` in `ns` and its pool `p`, unless other labels are given."""
        where = {"namespace": "ns", "fleet": "fleet", "pool": "p", **labels}
        return self.registry.get_sample_value(f"utilitarian_{name}", {key: it for key, it in where.items() if it})

    def names(self, pool: str) -> set[str]:
        """Of the series that are served of a pool."""
        samples = [it for metric in self.registry.collect() for it in metric.samples]
        return {it.name for it in samples if it.labels.get("pool") == pool}
