"""The metrics of queues, pools and fleets, each with what it means: docs/metrics.md is made from these sentences."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import get_args

from prometheus_client import CollectorRegistry

from utilitarian_operator.api.resource import Mode
from utilitarian_operator.core.diagnosis.findings import REASONS
from utilitarian_operator.core.diagnosis.pod_losses import Cause
from utilitarian_operator.metrics.series import Ages, Board, Counter, FleetLabels, Gauge, Histogram

_FLEET = ("namespace", "fleet")
_POOL = (*_FLEET, "pool")
_QUEUE = (*_POOL, "queue")
_WAKE_BUCKETS = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30)
_DRAIN_BUCKETS = (1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400)
_TICK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class QueueFamilies:
    """Of queues.

    Args:
        board: where they are shown.
    """

    def __init__(self, board: Board) -> None:
        gauge = board.gauge
        self.messages = gauge(
            "queue_messages",
            "Messages in the queue; `state` is `ready` (no worker has taken it) or `unacked` (a worker holds it)",
            (*_QUEUE, "state"),
        )
        self.consumers = gauge("queue_consumers", "Consumers of the queue, of whatever fleet", _QUEUE)
        self.foreign = gauge(
            "queue_foreign_consumers", "Consumers of the queue that are none of the fleet's workers", _QUEUE
        )


class PoolFamilies:
    """Of pools.

    Args:
        board: where they are shown.
    """

    def __init__(self, board: Board) -> None:
        gauge = board.gauge
        self.ailing = gauge(
            "pool_ailing",
            f"1 while something is wrong with the pool, else 0; `reason` is {_any_of(REASONS)}",
            (*_POOL, "reason"),
        )
        self.workers = gauge(
            "pool_workers",
            "Workers; `state` is `wanted` (asked for), `ready` (their pods are ready: they consume), `starting` (their "
            "Deployment asks for them and they are not ready) or `draining` (they finish what they hold, and then go). "
            "Those that finish because Kubernetes ends them, as in a rollout, are `finishing`; `min` and `max` are the "
            "bounds of the pool",
            (*_POOL, "state"),
        )
        self.tasks = gauge(
            "pool_tasks",
            "Tasks in the workers, by their own answer of the last 25 s; `state` is `active` (running), `reserved` "
            "(next) or `scheduled` (waiting for a time of their own). Absent while one of the workers has not answered "
            "for so long",
            (*_POOL, "state"),
        )


class WaitingFamilies:
    """Of what waits on purpose, and of what workers use.

    Args:
        board: where they are shown.
    """

    def __init__(self, board: Board) -> None:
        gauge = board.gauge
        self.held = gauge(
            "pool_held_tasks",
            "Tasks that wait and that no worker is asked for on purpose: for the pool's next run "
            "(`outsideRuns: Hold`), for their own time, until they are due (`wake: WhenDue`), because a person drained "
            "the pool, or because another resource has the queue (pools.md#one-queue-one-resource)",
            _POOL,
        )
        self.due = gauge(
            "pool_due_timestamp_seconds",
            "When workers are asked for, Unix time, while the tasks of a sleeping pool may wait (`wake: WhenDue`); "
            "absent while none waits, and once they are due",
            _POOL,
        )
        self.cpu = gauge(
            "pool_slot_cpu_cores",
            "Cores that a busy slot of a worker uses, the median of the last ten minutes with work; absent before five "
            "were measured, and without `metrics.k8s.io`",
            _POOL,
        )
        self.memory = gauge(
            "pool_worker_memory_peak_bytes",
            "Memory of the pool's largest worker on the last seven days with a reading, or the limit that one was "
            "killed at; absent before one was measured",
            _POOL,
        )


class CountedFamilies:
    """What is counted of pools: it goes with them.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, registry)
        histogram = partial(Histogram, registry)
        self.decisions = counter("decisions", "Decisions, by the rule that had the last word", (*_POOL, "rule"))
        self.scales = counter(
            "scale_requests",
            "Changes of a pool's size that were asked for; `direction` is `up` or `down`",
            (*_POOL, "direction"),
        )
        self.slow = counter(
            "slow_drains",
            "Workers that still held tasks when they had drained for the pool's `drainTimeout`; they go on",
            _POOL,
        )
        self.wrong = counter(
            "drain_wrong_victims", "Workers that Kubernetes took although others had been released for it", _POOL
        )
        self.replaced = counter("workers_replaced", "Stuck workers that were replaced", _POOL)
        self.dropped = counter(
            "dropped_tasks",
            "Tasks that left a queue while nothing consumed it, and did not come back: they expired, or were purged "
            "(pools.md#my-tasks-expire). At least so many",
            _POOL,
        )
        self.wake = histogram(
            "wake_seconds",
            "Seconds from when a sleeping pool needed workers to the request for its first ones: from its first "
            "message, or from when that was due where it may wait (`wake: WhenDue`, `outsideRuns: Hold`, a later "
            "time). A pause, or 0 workers by hand, does not count",
            _POOL,
            _WAKE_BUCKETS,
        )
        self.lost = counter(
            "worker_losses",
            f"Workers lost though the operator kept them; `reason` is {_any_of(Cause)}, and `pool` is `beat` for "
            "beat's pod",
            (*_POOL, "reason"),
        )


class FleetFamilies:
    """Of whole fleets.

    Args:
        registry: where they are registered.
        board: where the figures of the gauges are shown.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(self, registry: CollectorRegistry, board: Board, monotonic: Callable[[], float]) -> None:
        gauge = board.gauge
        self.mode = gauge(
            "fleet_mode",
            f"1 for the fleet's `mode` ({_any_of(get_args(Mode))}), 0 for the two others",
            (*_FLEET, "mode"),
        )
        self.tick_age = Ages(
            registry,
            "tick_age_seconds",
            "Seconds since a look at the fleet last succeeded, or since this process first tried one",
            _FLEET,
            monotonic,
        )
        self.tick = Histogram(
            registry,
            "tick_duration_seconds",
            "Seconds that one round of reading, deciding and acting took",
            _FLEET,
            _TICK_BUCKETS,
        )
        self.sight_age = gauge(
            "sight_age_seconds",
            "Seconds since a `source` last answered: `depths` (messages ready and consumers, asked each second), "
            "`statistics` (unacknowledged messages and arrivals, read every 5 s), `workers` (what they hold, asked "
            "when a decision rests on it, else every 2 s). Up to 2 s is live, up to 15 s sampled; older statistics are "
            "not believed and no worker goes. Absent while a source never answered",
            (*_FLEET, "source"),
        )
        self.reachable = gauge("broker_reachable", "1 while the broker can be read, else 0", _FLEET)
        self.beat = gauge(
            "beat_ready", "1 while beat is ready, else 0; absent where there is none, and in `mode: Preview`", _FLEET
        )


class FlowFamilies:
    """What flows, as gauges.

    Args:
        board: where they are shown.
    """

    def __init__(self, board: Board) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return board.gauge(f"pool_{name}", text, _POOL)

        self.ceiling = board.gauge(
            "fleet_max_workers",
            "The most workers that the fleet may have (`spec.maxWorkers`); absent without such a ceiling",
            _FLEET,
        )
        self.arrivals = gauge(
            "arrivals_per_second",
            "Tasks a second that came to the pool's queues in the last minute; absent without the broker's statistics",
        )
        self.completions = gauge(
            "completions_per_second",
            "Tasks a second that ended in the last minute, by the workers' own word; absent while none of them says so",
        )
        self.task = gauge(
            "task_seconds", "Mean seconds that a task runs, as learned; absent before a task was seen to end"
        )
        self.start_up = gauge(
            "start_up_seconds", "Seconds from a scale request to the first task, as learned; absent before one was seen"
        )
        self.to_drain = gauge(
            "time_to_drain_seconds",
            "Seconds until all present tasks are done by the workers that are ready now; 0 with none to do, absent "
            "without a ready worker and while it is not known how many there are",
        )
        self.promise = gauge("drain_within_seconds", "The promise: a task starts within so long (`drainWithin`)")
        self.age = gauge(
            "oldest_task_age_seconds",
            "Seconds that the oldest message of a pool without a ready worker has waited, as far as it was seen; 0 "
            "where none waits, absent while workers take them, since a queue doesn't tell the age of its messages",
        )


class SpentFamilies:
    """What is counted: it goes with the pool.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.spent = Counter(
            registry,
            "worker_seconds",
            "Seconds of workers whose containers ran; `state` is `busy` (it runs a task or is about to, or does not "
            "answer) or `idle`",
            (*_POOL, "state"),
        )
        self.always = Counter(
            registry,
            "always_on_worker_seconds",
            "Seconds that the pool's workers would have run if it had always had its `max`, or its share of the "
            "fleet's `maxWorkers` where that is less",
            _POOL,
        )
        money = "by the operator's `price`, in its `currency`; absent unless a price is set"
        self.cost = Counter(
            registry, "worker_cost", f"What the pool's workers cost whose containers ran, {money}", (*_POOL, "currency")
        )
        self.always_cost = Counter(
            registry,
            "always_on_worker_cost",
            f"What the seconds of `utilitarian_always_on_worker_seconds_total` would have cost, {money}",
            (*_POOL, "currency"),
        )
        self.drain = Histogram(
            registry,
            "drain_seconds",
            "Seconds from a worker's being chosen to leave to the scale request that lets it go",
            _POOL,
            _DRAIN_BUCKETS,
        )
        self.departing = Counter(
            registry,
            "departing_worker_seconds",
            "Seconds that workers cost which were chosen to leave, from the look that saw them hold nothing to the "
            "scale request that let them go",
            _POOL,
        )
        self.returned = Counter(
            registry,
            "drain_returned_tasks",
            "Tasks, not begun, that workers held when they were let go: they went back to their queues",
            _POOL,
        )

    def forget(self, fleet: FleetLabels, *pool: str) -> None:
        """Show nothing any more of a fleet, or of one of its pools."""
        for one in (self.spent, self.always, self.cost, self.always_cost, self.returned, self.departing):
            one.forget(fleet, *pool)
        self.drain.forget(fleet, *pool)


def _any_of(names: Iterable[str]) -> str:
    *first, last = [f"`{name}`" for name in names]
    return f"{', '.join(first)} or {last}"
