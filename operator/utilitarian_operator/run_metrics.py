"""The metrics of the runs, written with the others; a run that is over has no figures, only its outcome is counted."""

import contextlib
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.forecast import Forecast
from utilitarian_operator.core.observation import FleetSight
from utilitarian_operator.core.run_memory import Outcome
from utilitarian_operator.core.run_watch import Watched

_POOL = ("namespace", "fleet", "pool")
_RUN = (*_POOL, "run")


class RunMetrics:
    """The metrics of all runs of one operator.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"utilitarian_run_{name}", text, _RUN, registry=registry)

        self._remaining = gauge("remaining_tasks", "Tasks left in an open run")
        self._eta = gauge("eta_timestamp_seconds", "When an open run will be done, Unix time")
        self._deadline = gauge("deadline_timestamp_seconds", "When an open run must be done, Unix time")
        self._at_risk = gauge("at_risk", "1 while an open run will hardly be done by its deadline")
        self._missed = gauge("missed", "1 while a run is open and no message has come although it was due")
        self._last_message = Gauge(
            "utilitarian_queue_last_message_timestamp_seconds",
            "When a message was last seen to come to a queue of a pool with runs, Unix time",
            (*_POOL, "queue"),
            registry=registry,
        )
        self._came: dict[tuple[str, str], dict[tuple[str, ...], datetime]] = {}
        self._told: dict[tuple[str, str], set[tuple[str, ...]]] = {}
        self._begun: dict[tuple[str, str], Fleet] = {}
        self._over = Counter(
            "utilitarian_runs", "Runs that are over, by outcome", (*_RUN, "outcome"), registry=registry
        )

    def watched(self, fleet: tuple[str, str], spec: Fleet, watched: Watched) -> None:
        """Record what is expected of the open runs, and count those that are over.

        Args:
            fleet: namespace and name.
            spec: what runs.
            watched: of this look.
        """
        told = {(*fleet, name, it.run.name): it for name, runs in watched.forecasts.items() for it in reversed(runs)}
        for labels in self._told.get(fleet, set()) - told.keys():
            self._tell(labels, None)
        self._told[fleet] = set(told)
        for labels, it in told.items():
            self._tell(labels, it)
        if self._begun.get(fleet) is not spec:
            self._begin(fleet, spec)
        for name, past in watched.ended:
            self._over.labels(*fleet, name, past.name, past.outcome).inc()

    def came(self, fleet: tuple[str, str], sight: FleetSight) -> None:
        """Record when something last came to the queues of pools with schedules.

        Args:
            fleet: namespace and name.
            sight: of this look.
        """
        last = sight.last_messages
        queues = ((pool, queue) for pool, seen in sight.pools.items() for queue in seen.queues if queue in last)
        told: dict[tuple[str, ...], datetime] = {(*fleet, *it): last[it[1]] for it in queues}
        before = self._came.get(fleet, {})
        for labels in before.keys() - told.keys():
            self._last_message.remove(*labels)
        for labels, at in told.items():
            if before.get(labels) != at:
                self._last_message.labels(*labels).set(at.timestamp())
        self._came[fleet] = told

    def forget(self, fleet: tuple[str, str]) -> None:
        """Drop every series of a fleet that is gone."""
        self._told.pop(fleet, None)
        self._begun.pop(fleet, None)
        self._came.pop(fleet, None)
        namespace, name = fleet
        figures = (self._remaining, self._eta, self._deadline, self._at_risk, self._missed)
        for metric in (*figures, self._over, self._last_message):
            metric.remove_by_labels({"namespace": namespace, "fleet": name})

    def _begin(self, fleet: tuple[str, str], spec: Fleet) -> None:
        """Show the counters from the first look on: `increase` doesn't see the step from nothing to 1."""
        self._begun[fleet] = spec
        for pool in spec.pools:
            for schedule in pool.schedule:
                for outcome in Outcome:
                    self._over.labels(*fleet, pool.name, schedule.name, outcome)

    def _tell(self, labels: tuple[str, ...], it: Forecast | None) -> None:
        figures = {
            self._remaining: it.remaining if it else None,
            self._eta: it.eta.timestamp() if it and it.eta else None,
            self._deadline: it.deadline.timestamp() if it and it.deadline else None,
            self._at_risk: it.risk is not None if it else None,
            self._missed: it.run.missed if it else None,
        }
        for metric, value in figures.items():
            if value is not None:
                metric.labels(*labels).set(value)
            else:
                with contextlib.suppress(KeyError):  # it was not told before either
                    metric.remove(*labels)
