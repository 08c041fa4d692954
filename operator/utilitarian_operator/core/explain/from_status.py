"""A pool as its status describes it, for commands that have only the resource."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.sizing.decision import Decision, Rule, Step
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.pools import FleetContext, decide_fleet
from utilitarian_operator.core.spec.by_hand import by_hand
from utilitarian_operator.core.spec.override import overrides
from utilitarian_operator.core.status.recall import remembered

NO_REASON = "no reason is given"


def facts_from_status(pool: Mapping[str, Any], now: datetime) -> Facts:
    """The facts of the last look at a pool, as far as its status has them.

    What runs without the broker's knowledge is not separate there, so the work is the waiting tasks and the larger of
    the unacknowledged and the running ones: never more than there was.

    Args:
        pool: an entry of `status.pools`, empty for a pool that was never seen.
        now: the one clock.
    """
    backlog, unacked, busy = pool.get("backlog"), pool.get("unacked"), pool.get("busy")
    ready, deferred = pool.get("ready") or 0, pool.get("deferred") or 0
    current = max((pool.get("replicas") or 0) - (pool.get("draining") or 0), ready)
    at_least = None if backlog is None else max(backlog + max(unacked or 0, busy or 0) - deferred, 0)
    unseen = Unknown("it was never seen" if not pool else "its status does not tell", now)
    return Facts(
        current=current,
        ready=unseen if backlog is None else backlog,
        work=unseen if at_least is None or unacked is None else at_least,
        at_least=at_least,
        idle=0 if busy is None else max(current - busy, 0),
        running=busy or 0,
        deferred=deferred,
        serving=ready,
        held_up=pool.get("heldUp") or "",
    )


def trail_from_status(pool: Mapping[str, Any]) -> tuple[Step, ...]:
    """The steps of the last decision; one that does not tell what it made of what is left out."""
    return tuple(
        Step(str(step.get("rule", Rule.UNKNOWN)), step["before"], step["after"], str(step.get("because", NO_REASON)))
        for step in pool.get("trail") or ()
        if isinstance(step.get("before"), int) and isinstance(step.get("after"), int)
    )


def decisions_now(fleet: Fleet, resource: Mapping[str, Any], now: datetime) -> dict[str, Decision]:
    """What the engine decides of what it saw last, by pool name; a fleet other than the one that runs may be given.

    Args:
        fleet: whose rules count: the one that runs, or one that is being thought of.
        resource: as the API server has it, with its status.
        now: the one clock.
    """
    status = resource.get("status") or {}
    entries = {pool.get("name"): pool for pool in status.get("pools") or ()}
    seen = {pool.name: facts_from_status(entries.get(pool.name, {}), now) for pool in fleet.pools}
    annotations = resource["metadata"].get("annotations") or {}
    asked, until = by_hand(annotations)[0], by_hand(annotations)[0].pause(fleet.mode, now)
    context = FleetContext(now, overrides=overrides(annotations)[0], runs_by_hand=asked.runs, paused_until=until)
    fleet = fleet if until is None else changed(fleet, mode="Paused")
    return decide_fleet(fleet, seen, remembered(status, now), context).decisions
