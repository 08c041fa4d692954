"""The metrics of the operator's own process: whether it leads, how late it is, whom it asks and what fails."""

import math
from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from utilitarian_operator import __version__
from utilitarian_operator.adapters.requests import Target
from utilitarian_operator.api.problem import InvalidSpec
from utilitarian_operator.errors import OperatorError

_REQUEST_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

UNEXPECTED = "Unexpected"
"""The kind of an error that is none of the tree."""

OF_LOOKS = (OperatorError.__module__, InvalidSpec.__module__)


class ProcessMetrics:
    """What one process tells of itself, from its start on, also while another replica leads.

    Args:
        registry: where it is registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._last_tick = Gauge(
            "utilitarian_operator_last_tick_timestamp_seconds",
            "When this operator last began a round of looks at all its fleets, Unix time; 0 while it waits "
            "for the Lease",
            registry=registry,
        )
        self._leader = Gauge(
            "utilitarian_leader",
            "1 while this replica works: it holds the Lease, or there is none; 0 while it waits for the Lease",
            registry=registry,
        )
        self._lag = Gauge(
            "utilitarian_event_loop_lag_seconds",
            "Seconds by which the last tick came late, because the process had no time for it; near 0 in good health",
            registry=registry,
        )
        self._kept, self._kept_limit = _of_memory(registry)
        self._requests = Histogram(
            "utilitarian_request_seconds",
            "Seconds that a request took; `target` is `broker` (depths, over AMQP), `statistics` (of the broker), "
            "`remote_control` (all workers' answers that came in time) or `api` (Kubernetes)",
            ("target",),
            registry=registry,
            buckets=_REQUEST_BUCKETS,
        )
        self._failed_requests = Counter(
            "utilitarian_request_errors",
            "Requests that failed, by target; that there is no such object, or that it has changed, is an answer",
            ("target",),
            registry=registry,
        )
        self._errors = Counter(
            "utilitarian_errors",
            "Looks at a fleet that failed, by kind of error; `Unexpected` is a fault of the operator, and its log has "
            "it",
            ("kind",),
            registry=registry,
        )
        info = Info("utilitarian_build", "Always 1; the version of the operator", registry=registry)
        info.info({"version": __version__})
        self._begin()

    def _begin(self) -> None:
        """Show each label from the start on: `rate` doesn't see the step from nothing to 1."""
        for target in Target:
            self._requests.labels(target)
            self._failed_requests.labels(target)
        for kind in (*(it.__name__ for it in _kinds(OperatorError)), UNEXPECTED):
            self._errors.labels(kind)

    def leads(self, *, leads: bool) -> None:
        """Record whether this replica works."""
        self._leader.set(leads)

    def began_a_round(self, at: datetime) -> None:
        """Record that the operator lives and looks at its fleets."""
        self._last_tick.set(at.timestamp())

    def lagged(self, seconds: float) -> None:
        """Record by how many seconds a tick came late."""
        self._lag.set(max(seconds, 0.0))

    def keeps(self, bytes_: int, most: int | None) -> None:
        """Record how much memory what is kept of objects takes, and may take; None: as much as there is."""
        self._kept.set(bytes_)
        self._kept_limit.set(math.inf if most is None else most)

    def asked(self, target: Target, seconds: float, failed: bool) -> None:
        """Record a request, its seconds, and whether it failed."""
        self._requests.labels(target).observe(max(seconds, 0.0))
        if failed:
            self._failed_requests.labels(target).inc()

    def failed(self, error: Exception) -> None:
        """Count a look that failed."""
        self._errors.labels(type(error).__name__ if isinstance(error, OperatorError) else UNEXPECTED).inc()


def _of_memory(registry: CollectorRegistry) -> tuple[Gauge, Gauge]:
    kept = Gauge(
        "utilitarian_kept_bytes",
        "About how many bytes of memory is taken by what the operator keeps of resources, Deployments, pods and "
        "others; 0 while it waits for the Lease",
        registry=registry,
    )
    limit = Gauge(
        "utilitarian_kept_limit_bytes",
        "How many of these bytes there may be: a quarter of the memory limit. Beyond that the namespace that takes "
        "most is left alone (event `NamespaceTooLarge`). Infinite without a limit, 0 while it waits for the Lease",
        registry=registry,
    )
    return kept, limit


def _kinds(kind: type[OperatorError]) -> Iterator[type[OperatorError]]:
    """A kind of error, and all that are of it and that a look may meet; those of a wrong option end the process."""
    yield kind
    for one in kind.__subclasses__():
        if one.__module__ in OF_LOOKS:
            yield from _kinds(one)
