"""The figures of a simulation as JSON, rounded."""

from collections.abc import Mapping
from typing import Any

from utilitarian_operator.simulation.report.advice import Advice, Change, Figures
from utilitarian_operator.simulation.report.measure import PolicyResult, PoolResult, Waits
from utilitarian_operator.simulation.report.report import Report

Json = dict[str, Any]


def as_json(report: Report) -> Json:
    """The whole report: `totals` of the resource as it is, `advice` where it was asked for, and `policies`.

    `policies` has by name of each what it came to, with its pools by name below. `wait_p95_s` of a policy is over all
    tasks that drainWithin promises a start, of a pool over all its tasks.
    """
    advice = {} if report.advice is None else {"advice": _advice(report, report.advice)}
    policies = {result.policy: _policy(report, result) for result in report.results}
    return {"totals": _totals(report), **advice, "policies": policies}


def _totals(report: Report) -> Json:
    ours, currency = report.first, report.price.currency if report.price else ""
    return {
        "policy": ours.policy,
        "days": report.stage.days,
        "worker_hours": round(ours.hours, 3),
        **_cost(report, report.cost(ours)),
        **({"currency": currency} if currency else {}),
        "deadlines": ours.deadlines,
        "deadlines_met": ours.deadlines_met,
        "promised": ours.promised,
        "promises_kept": ours.kept,
        "wait_p50_s": round(ours.promised_wait_p50, 3),
        "wait_p95_s": round(ours.promised_wait_p95, 3),
        "starts_an_hour": round(ours.starts / report.stage.days / 24, 2),
        **({"best": report.best.policy} if report.best else {}),
    }


def _advice(report: Report, found: Advice) -> Json:
    return {
        "tried_on_days": round(found.days, 3),
        "untried": list(found.untried),
        "changes": [_change(report, change) for change in found.changes],
        "questions": [_change(report, change) for change in found.questions],
        "before": _figures(report, found.before),
        "after": _figures(report, found.after),
    }


def _change(report: Report, change: Change) -> Json:
    return {
        "pools": list(change.pools),
        "fields": [
            {"path": f"pools.{change.pools[0]}.{field.field}", "was": field.was, "to": field.to}
            for field in change.fields
        ],
        "before": _figures(report, change.before),
        "after": _figures(report, change.after),
    }


def _figures(report: Report, figures: Figures) -> Json:
    return {
        "worker_hours": round(figures.hours, 3),
        **_cost(report, figures.cost),
        "promised": figures.promised,
        "promises_kept": figures.kept,
        "deadlines": figures.deadlines,
        "deadlines_met": figures.met,
        "waits_p50_p95_s": [[round(wait, 3) for wait in waits] for waits in figures.waits],
        "starts_an_hour": round(figures.starts_an_hour, 2),
    }


def _cost(report: Report, cost: float) -> Json:
    return {} if report.price is None else {"cost": round(cost, 2)}


def _policy(report: Report, result: PolicyResult) -> Json:
    return {
        "worker_hours": round(result.hours, 3),
        "idle_hours": round(result.idle, 3),
        "start_up_hours": round(result.starting, 3),
        **_cost(report, report.cost(result)),
        "deadlines": result.deadlines,
        "deadlines_met": result.deadlines_met,
        "promised": result.promised,
        "promises_kept": result.kept,
        "interrupted": result.interrupted,
        "wait_p50_s": round(result.promised_wait_p50, 3),
        "wait_p95_s": round(result.promised_wait_p95, 3),
        "starts": result.starts,
        "pools": {name: _pool(report, pool) for name, pool in result.pools.items()},
    }


def _pool(report: Report, pool: PoolResult) -> Json:
    bound = {"bound_hours": round(pool.bound, 3)} if pool.bound else {}
    return {
        "tasks": pool.waits.tasks,
        "unfinished": pool.unfinished,
        "worker_hours": round(pool.hours, 3),
        "idle_hours": round(pool.idle, 3),
        "start_up_hours": round(pool.starting, 3),
        **bound,
        **_cost(report, report.cost_of(pool)),
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
