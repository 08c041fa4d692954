"""Pools that could be one: quiet ones whose workers are alike, since a worker that is there can serve all of them."""

from dataclasses import replace

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.api.resource import MOST_QUEUES


def may_merge(one: Pool, other: Pool) -> bool:
    """Whether the same worker could serve both: equal settings, no runs, no worker that always stays."""
    plain = all(not (it.schedule or it.is_catch_all or it.scaling.min) for it in (one, other))
    return plain and _alike(one) == _alike(other) and len(one.queues) + len(other.queues) <= MOST_QUEUES


def merge(one: Pool, other: Pool) -> Pool:
    """The first pool with the queues of both, the stricter promise, the higher priority and the larger `max`."""
    both = (one.scaling, other.scaling)
    scaling = replace(
        one.scaling,
        max=max(it.max for it in both),
        drain_within=min(it.drain_within for it in both),
        idle_after=max(it.idle_after for it in both),
        wake="WhenDue" if all(it.wake == "WhenDue" for it in both) else "AtOnce",
    )
    queues = (*one.queues, *other.queues)
    return replace(one, queues=queues, priority=max(one.priority, other.priority), scaling=scaling)


def _alike(pool: Pool) -> tuple[object, ...]:
    stays = (pool.scaling.outside_runs, pool.scaling.stabilization)
    return (pool.worker, pool.env, pool.env_from, pool.drain_timeout, pool.disruption, pool.pod, *stays)
