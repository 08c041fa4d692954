"""The figures of a simulation as JSON, rounded."""

from collections.abc import Mapping, Sequence
from typing import Any

from utilitarian_operator.simulation.report.measure import PolicyResult, PoolResult, Waits

Json = dict[str, Any]


def as_json(results: Sequence[PolicyResult], price: float | None) -> Json:
    """The whole report: `policies`, and by name of each what it came to, with its pools by name below.

    `wait_p95_s` of a policy is over all tasks that drainWithin promises a start, of a pool over all its tasks.
    """
    return {"policies": {result.policy: _policy(result, price) for result in results}}


def _policy(result: PolicyResult, price: float | None) -> Json:
    return {
        "worker_hours": round(result.hours, 3),
        "idle_hours": round(result.idle, 3),
        "deadlines": result.deadlines,
        "deadlines_met": result.deadlines_met,
        "interrupted": result.interrupted,
        "wait_p95_s": round(result.promised_wait_p95, 3),
        "starts": result.starts,
        "pools": {name: _pool(pool, price) for name, pool in result.pools.items()},
    }


def _pool(pool: PoolResult, price: float | None) -> Json:
    cost = {} if price is None else {"cost": round(pool.hours * price, 2)}
    bound = {"bound_hours": round(pool.bound, 3)} if pool.bound else {}
    return {
        "tasks": pool.waits.tasks,
        "unfinished": pool.unfinished,
        "worker_hours": round(pool.hours, 3),
        "idle_hours": round(pool.idle, 3),
        **bound,
        **cost,
        "deadlines": len(pool.runs),
        "deadlines_met": sum(run.met for run in pool.runs),
        "drain_within_s": pool.promises.within,
        "promised": pool.promises.given,
        "promises_kept": pool.promises.kept,
        "late_by_start_up": pool.promises.start_up,
        **waits(pool.waits),
        "starts": pool.starts,
        "replica_changes": pool.changes,
        "peak_workers": pool.peak,
        "interrupted": pool.interrupted,
        "lost": pool.lost,
        "queues": _queues(pool.queues),
    }


def _queues(queues: Mapping[str, Waits]) -> Json:
    return {queue: {"tasks": figures.tasks, **waits(figures)} for queue, figures in queues.items()}


def waits(figures: Waits) -> Json:
    """Quantiles of waits, seconds."""
    return {
        "wait_p50_s": round(figures.p50, 3),
        "wait_p95_s": round(figures.p95, 3),
        "wait_p99_s": round(figures.p99, 3),
        "wait_max_s": round(figures.longest, 3),
    }
