"""The operator's metrics, all written here; a label never carries a sentence, only names."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from utilitarian_operator import __version__
from utilitarian_operator.core.ailments import REASONS, Ailment
from utilitarian_operator.core.casualties import Cause
from utilitarian_operator.core.decision import Decision
from utilitarian_operator.core.observation import FleetSight, PoolSight, Present, QueueSight
from utilitarian_operator.run_metrics import RunMetrics
from utilitarian_operator.series import Series

_FLEET = ("namespace", "fleet")
_POOL = (*_FLEET, "pool")
_QUEUE = (*_POOL, "queue")
_WAKE_BUCKETS = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30)
_TICK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Metrics:
    """All metrics of one operator.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, labels: tuple[str, ...]) -> Series[Gauge]:
            return Series(Gauge(f"utilitarian_{name}", text, labels, registry=registry))

        def counter(name: str, text: str, labels: tuple[str, ...]) -> Series[Counter]:
            return Series(Counter(f"utilitarian_{name}", text, labels, registry=registry))

        def histogram(name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Series[Histogram]:
            return Series(Histogram(f"utilitarian_{name}", text, labels, registry=registry, buckets=buckets))

        self._messages = gauge("queue_messages", "Messages on a queue, by state", (*_QUEUE, "state"))
        self._consumers = gauge("queue_consumers", "Consumers on a queue", _QUEUE)
        self._workers = gauge(
            "pool_workers", "Workers of a pool: wanted by the decision, ready and draining", (*_POOL, "state")
        )
        self._tasks = gauge("pool_tasks", "Tasks that the pool's workers say they hold, by state", (*_POOL, "state"))
        self._foreign = gauge(
            "queue_foreign_consumers", "Consumers on a queue that are not the fleet's workers", _QUEUE
        )
        self._ailing = gauge("pool_ailing", "1 while something is wrong with the pool, by reason", (*_POOL, "reason"))
        self._held = gauge("pool_held_tasks", "Tasks that wait for the next run of a pool that holds them", _POOL)
        self._decisions = counter("decisions", "Decisions by the rule that set the number", (*_POOL, "rule"))
        self._scales = counter("scale_requests", "Scale requests sent, by direction", (*_POOL, "direction"))
        self._slow = counter("slow_drains", "Workers that drained for longer than the pool's drainTimeout", _POOL)
        self._wrong = counter("drain_wrong_victims", "Workers that a step down took although others were to go", _POOL)
        self._replaced = counter("workers_replaced", "Stuck workers that were replaced", _POOL)
        self._wake = histogram(
            "wake_seconds", "Work first seen on a sleeping pool to its scale request", _POOL, _WAKE_BUCKETS
        )
        self._tick_age = gauge("tick_age_seconds", "Seconds since the last complete look at the fleet", _FLEET)
        self._tick = histogram("tick_duration_seconds", "How long observe, decide and act took", _FLEET, _TICK_BUCKETS)
        self._reachable = gauge("broker_reachable", "1 when the broker answered the last look", _FLEET)
        self._sight_age = gauge(
            "sight_age_seconds", "Seconds since a source of sight last answered", (*_FLEET, "source")
        )
        self._beat = gauge("beat_ready", "1 when beat's pod is ready", _FLEET)
        self._lost = counter("worker_losses", "Workers lost against everybody's will, by cause", (*_POOL, "reason"))
        self._errors = counter("errors", "Failed reconciliations by kind of error", ("kind",))
        self._shown: dict[tuple[str, ...], tuple[PoolSight, int, bool, frozenset[str]]] = {}
        self.runs = RunMetrics(registry)
        Info("utilitarian_build", "Version of the operator", registry=registry).info({"version": __version__})

    def looked(
        self,
        fleet: tuple[str, str],
        sight: FleetSight,
        decisions: Mapping[str, Decision],
        ailments: Mapping[str, Sequence[Ailment]],
    ) -> None:
        """Record what was seen and decided.

        Args:
            fleet: namespace and name.
            sight: of this look.
            decisions: by pool name.
            ailments: what is wrong with each pool, by its name.
        """
        self._reachable.labels(*fleet).set(sight.broker is None)
        for source in sight.sources:
            if source.age is not None:
                self._sight_age.labels(*fleet, source.name).set(source.age.total_seconds())
        if sight.beat is None:
            self._beat.remove(*fleet)
        else:
            self._beat.labels(*fleet).set(sight.beat.ready)
        self.runs.came(fleet, sight)
        for name, pool in sight.pools.items():
            self._decisions.labels(*fleet, name, decisions[name].rule).inc()
            reasons = frozenset(it.reason for it in ailments.get(name, ()))
            holds = decisions[name].trail[0].rule == "hold"
            shown = pool, decisions[name].replicas, holds, reasons
            # Most pools of a large fleet are as they were a second ago, and setting it all anew would take longest.
            if self._shown.get((*fleet, name)) != shown:
                self._shown[*fleet, name] = shown
                self._pool(fleet, name, *shown)

    def _pool(
        self, fleet: tuple[str, str], name: str, pool: PoolSight, wanted: int, holds: bool, reasons: frozenset[str]
    ) -> None:
        self._begin(fleet, name)
        self._workers.labels(*fleet, name, "wanted").set(wanted)
        self._workers.labels(*fleet, name, "ready").set(pool.ready_workers)
        self._workers.labels(*fleet, name, "draining").set(pool.draining)
        self._held.labels(*fleet, name).set(pool.ready if holds and isinstance(pool.ready, int) else 0)
        for state in ("active", "reserved", "scheduled"):
            self._tasks.labels(*fleet, name, state).set(pool.total(state))
        for reason in REASONS:
            self._ailing.labels(*fleet, name, reason).set(reason in reasons)
        if pool.pods:
            self.lost(fleet, name)
        for queue, seen in pool.queues.items():
            self._queue(fleet, name, queue, seen)
            if isinstance(seen, Present):
                self._foreign.labels(*fleet, name, queue).set(pool.foreign.get(queue, 0))

    def _begin(self, fleet: tuple[str, str], pool: str) -> None:
        """Show the counters of a pool from its first look on: `rate` doesn't see the step from nothing to 1."""
        self._wake.labels(*fleet, pool)
        for counted in (self._slow, self._wrong, self._replaced):
            counted.labels(*fleet, pool)
        for direction in ("up", "down"):
            self._scales.labels(*fleet, pool, direction)

    def _queue(self, fleet: tuple[str, str], pool: str, queue: str, seen: QueueSight) -> None:
        if not isinstance(seen, Present):
            # What is not seen has no figure; the last one would look like the present one.
            for state in ("ready", "unacked"):
                self._messages.remove(*fleet, pool, queue, state)
            self._consumers.remove(*fleet, pool, queue)
            self._foreign.remove(*fleet, pool, queue)
            return
        self._messages.labels(*fleet, pool, queue, "ready").set(seen.ready)
        self._consumers.labels(*fleet, pool, queue).set(seen.consumers)
        if seen.unacked is not None:
            self._messages.labels(*fleet, pool, queue, "unacked").set(seen.unacked)

    def ticked(self, fleet: tuple[str, str], took: timedelta) -> None:
        """Record that a look was completed."""
        self._tick.labels(*fleet).observe(took.total_seconds())
        finished = time.monotonic()
        self._tick_age.labels(*fleet).set_function(lambda: time.monotonic() - finished)

    def scaled(self, fleet: tuple[str, str], pool: str, *, up: bool) -> None:
        """Count a scale request."""
        self._scales.labels(*fleet, pool, "up" if up else "down").inc()

    def drained_slowly(self, fleet: tuple[str, str], pool: str) -> None:
        """Count a worker that still holds something after the pool's `drainTimeout`."""
        self._slow.labels(*fleet, pool).inc()

    def wrong_victims(self, fleet: tuple[str, str], pool: str, number: int) -> None:
        """Count workers that a step down took although others had been released for it."""
        self._wrong.labels(*fleet, pool).inc(number)

    def replaced(self, fleet: tuple[str, str], pool: str) -> None:
        """Count a stuck worker that was replaced."""
        self._replaced.labels(*fleet, pool).inc()

    def woke(self, fleet: tuple[str, str], pool: str, after: timedelta) -> None:
        """Record how long a pool that slept had work waiting before it was woken."""
        self._wake.labels(*fleet, pool).observe(after.total_seconds())

    def lost(self, fleet: tuple[str, str], pool: str, cause: Cause | None = None) -> None:
        """Count a lost worker; without a cause show the counters, which begin with a pool's first worker."""
        for one in Cause if cause is None else ():
            self._lost.labels(*fleet, pool, one)
        if cause is not None:
            self._lost.labels(*fleet, pool, cause).inc()

    def failed(self, error: Exception) -> None:
        """Count a reconciliation that failed."""
        self._errors.labels(type(error).__name__).inc()

    def forget(self, fleet: tuple[str, str]) -> None:
        """Drop every series of a fleet that is gone: a gauge that stays at its last value tells a lie."""
        gauges = (self._messages, self._consumers, self._workers, self._tasks, self._foreign, self._ailing, self._held)
        for gauge in (*gauges, self._tick_age, self._reachable, self._sight_age, self._beat):
            gauge.forget(*fleet)
        for counter in (self._replaced, self._decisions, self._scales, self._slow, self._wrong, self._lost):
            counter.forget(*fleet)
        for histogram in (self._wake, self._tick):
            histogram.forget(*fleet)
        self._shown = {key: shown for key, shown in self._shown.items() if key[:2] != fleet}
        self.runs.forget(fleet)
