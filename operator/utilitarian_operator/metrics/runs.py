"""The metrics of runs: figures while a run is open, and a count of outcomes when it is over."""

from datetime import datetime

from prometheus_client import CollectorRegistry

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.forecast.completion import Forecast
from utilitarian_operator.core.forecast.news import Watched
from utilitarian_operator.core.moments import apart
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.sizing.runs.run_state import Outcome
from utilitarian_operator.metrics.series import Board, Counter, Figures, FleetLabels, Gauge, Histogram

_POOL = ("namespace", "fleet", "pool")
_RUN = (*_POOL, "run")
_RUN_BUCKETS = (60, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400, 259200)

RUNS, CAME = "/runs", "/came"
"""The parts of a fleet's board that are shown here: no pool can be called so."""


class RunMetrics:
    """The metrics of all runs of one operator.

    Args:
        registry: where what is counted is registered.
        board: where their figures are shown, and taken away.
    """

    def __init__(self, registry: CollectorRegistry, board: Board) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return board.gauge(f"run_{name}", text, _RUN)

        self._board = board
        self._remaining = gauge("remaining_tasks", "Tasks left in an open run")
        self._eta = gauge(
            "eta_timestamp_seconds",
            "When an open run will be done, Unix time; absent while nothing is left or no worker works",
        )
        self._deadline = gauge("deadline_timestamp_seconds", "When an open run must be done, Unix time")
        self._at_risk = gauge("at_risk", "1 while an open run will probably not be done by its deadline, else 0")
        self._missed = gauge("missed", "1 while a run was due, is open, and no message has come, else 0")
        self._over = Counter(
            registry, "runs", "Runs that are over; `outcome` is one of those in runs.md", (*_RUN, "outcome")
        )
        self._length = Histogram(
            registry,
            "run_seconds",
            "Seconds from when a run was due to its end, by outcome, from the first one on that ended so",
            (*_RUN, "outcome"),
            _RUN_BUCKETS,
        )
        self._last_message = board.gauge(
            "queue_last_message_timestamp_seconds",
            "When a message was last seen to come to a queue of a pool with schedules, Unix time: beat is alive when "
            "it sends; absent until one has come. beat.md says how it is seen",
            (*_POOL, "queue"),
        )
        self._begun: dict[FleetLabels, Fleet] = {}

    def watched(self, fleet: FleetLabels, spec: Fleet, watched: Watched) -> None:
        """Record what is expected of the open runs, and count those that are over.

        Args:
            fleet: namespace and name.
            spec: what runs.
            watched: of this look.
        """
        by_run = {(*fleet, name, it.run.name): it for name, runs in watched.forecasts.items() for it in reversed(runs)}
        figures: dict[tuple[Gauge, tuple[str, ...]], float | None] = {}
        for labels, it in by_run.items():
            figures |= self._figures(labels, it)
        self._board.show(fleet, RUNS, figures)
        if self._begun.get(fleet) is not spec:
            self._begin(fleet, spec)
        known = _runs(spec) if watched.ended else set()
        for name, past in watched.ended:
            if (name, past.name) in known:  # the counters of a schedule that was taken away are gone
                self._over.add(1, fleet, name, past.name, past.outcome)
                length = apart(past.finished, past.start)
                self._length.observe(length.total_seconds(), fleet, name, past.name, past.outcome)

    def came(self, fleet: FleetLabels, snapshot: FleetSnapshot) -> None:
        """Record when something last came to the queues of pools with schedules.

        Args:
            fleet: namespace and name.
            snapshot: of this look.
        """
        last: dict[str, datetime] = dict(snapshot.last_messages)
        queues = ((pool, queue) for pool, seen in snapshot.pools.items() for queue in seen.queues if queue in last)
        figures: Figures = {(self._last_message, (*fleet, *it)): last[it[1]].timestamp() for it in queues}
        self._board.show(fleet, CAME, figures)

    def forget(self, fleet: FleetLabels) -> None:
        """Drop the counters of a fleet that is gone; its figures go with the board."""
        self._begun.pop(fleet, None)
        self._over.forget(fleet)
        self._length.forget(fleet)

    def _begin(self, fleet: FleetLabels, spec: Fleet) -> None:
        """Show the counters of the spec's runs, from nothing on, and no others: `increase` sees no step to 1."""
        before, self._begun[fleet] = self._begun.get(fleet), spec
        for run in (_runs(before) if before is not None else set()) - _runs(spec):
            self._over.forget(fleet, *run)
            self._length.forget(fleet, *run)
        for run in _runs(spec):
            for outcome in Outcome:
                self._over.begin(fleet, *run, outcome)

    def _figures(self, labels: tuple[str, ...], it: Forecast) -> Figures:
        return {
            (self._remaining, labels): it.remaining,
            (self._eta, labels): it.eta.timestamp() if it.eta else None,
            (self._deadline, labels): it.deadline.timestamp() if it.deadline else None,
            (self._at_risk, labels): it.risk is not None,
            (self._missed, labels): it.run.missed,
        }


def _runs(spec: Fleet) -> set[tuple[str, str]]:
    """Pool and name of each of its schedules."""
    return {(pool.name, schedule.name) for pool in spec.pools for schedule in pool.schedule}
