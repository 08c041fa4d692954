"""The resource's status as it should read now; writes nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.beat.checks import KEPT_SINCE, memory_since
from utilitarian_operator.core.blocker import Obstacle
from utilitarian_operator.core.diagnosis.broker_advice import advice
from utilitarian_operator.core.forecast.completion import Forecast
from utilitarian_operator.core.observation.model import FleetSight, Missing, PoolSight, add
from utilitarian_operator.core.sizing.decision import Decision
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.memory_json import past_to_text, to_text
from utilitarian_operator.core.sizing.run_state import MOST_PAST_RUNS, PastRun
from utilitarian_operator.core.status.change import LAST_MESSAGES
from utilitarian_operator.core.status.conditions import dated, known, refused, timestamp, verdicts
from utilitarian_operator.core.status.report import Newest
from utilitarian_operator.core.status.size import Status, bounded, fitting
from utilitarian_operator.core.wording import whole

MOST_PAST_RUNS_TOLD = 300
"""Of a whole fleet, at about 200 bytes each."""

MOST_LAST_MESSAGES = 100
"""Of a fleet, at about 100 bytes each: those of the queues to which nothing has come for longest."""


def fleet_status(
    fleet: Fleet,
    sight: FleetSight,
    decisions: Mapping[str, Decision],
    memories: Mapping[str, Memory],
    previous: Mapping[str, Any],
    newest: Newest,
) -> Status:
    """The status of a fleet that runs.

    Args:
        fleet: what runs: the last accepted spec.
        sight: of this look.
        decisions: by pool name.
        memories: by pool name.
        previous: the status as it is.
        newest: what there is to say of the resource's newest spec.
    """
    ceiling = fleet.max_workers or sum(pool.scaling.max for pool in fleet.pools)
    backlog = known(add(sight.pools[pool.name].ready for pool in fleet.pools))
    most = most_past_runs(fleet)
    whole_status = {
        "observedGeneration": newest.generation,
        "mode": fleet.mode,
        "workers": f"{sum(sight.pools[pool.name].ready_workers for pool in fleet.pools)}/{ceiling}",
        "queues": _queues(fleet, sight),
        "activePools": sum(decision.replicas > 0 for decision in decisions.values()),
        **({} if backlog is None else {"backlog": backlog}),
        **({} if sight.about.delayed is None else {"delayed": sight.about.delayed}),
        "conditions": dated(
            verdicts(fleet, sight, decisions, newest), previous.get("conditions", []), newest.generation, sight.at
        ),
        "pools": [
            _pool(pool, sight.pools[pool.name], decisions[pool.name], memories[pool.name])
            | _why(pool.name, sight.pools[pool.name], decisions[pool.name], newest)
            | _starts(newest.starts.get(pool.name))
            | _runs(newest.runs.get(pool.name, ()), memories[pool.name].history[:most])
            for pool in fleet.pools
        ],
        "beat": _beat(sight, previous.get("beat", {})),
        **_next_run(newest.starts),
        **({"advice": list(advised)} if (advised := advice(fleet, sight, memories)) else {}),
    }
    return fitting(whole_status)


def refused_status(
    obstacles: Sequence[Obstacle], previous: Mapping[str, Any], generation: int, now: datetime
) -> Status:
    """The status of a resource that was never accepted; what an earlier one is remembered by stays."""
    conditions = dated(refused(obstacles), previous.get("conditions", []), generation, now)
    return {**previous, "observedGeneration": generation, "conditions": bounded(conditions)}


def most_past_runs(fleet: Fleet) -> int:
    """Past runs that each pool tells: fewer where many pools have some, so that a status stays small enough."""
    return min(MOST_PAST_RUNS, max(MOST_PAST_RUNS_TOLD // max(sum(bool(pool.schedule) for pool in fleet.pools), 1), 1))


def _beat(sight: FleetSight, before: Mapping[str, Any]) -> Status:
    """Beat's part; its time moves only when it comes or goes, so that a fleet at rest is never written."""
    ready = sight.beat is not None and sight.beat.ready
    seen = before.get("lastSeen")
    if ready != bool(before.get("ready")) and (ready or before.get("ready")):
        seen = timestamp(sight.at)
    since = memory_since(before, sight.beat)
    oldest = sorted(sight.last_messages, key=lambda queue: (sight.last_messages[queue], queue))[:MOST_LAST_MESSAGES]
    came = [{"queue": queue, "at": timestamp(sight.last_messages[queue])} for queue in sorted(oldest)]
    return (
        {"ready": ready}
        | ({"lastSeen": seen} if seen else {})
        | ({KEPT_SINCE: since} if since else {})
        | ({LAST_MESSAGES: came} if came else {})
    )


def _starts(next_run: datetime | None) -> Status:
    return {} if next_run is None else {"nextRun": timestamp(next_run)}


def _runs(forecasts: tuple[Forecast, ...], history: tuple[PastRun, ...]) -> Status:
    """The open run whose deadline is nearest, and those that are over, the newest first."""
    past = {"history": [past_to_text(run) for run in history]} if history else {}
    if not forecasts:
        return past
    first = forecasts[0]
    run: Status = {"name": first.run.name, "started": timestamp(first.run.start)}
    if first.remaining is not None:
        run["remaining"] = first.remaining
    if first.eta is not None and first.uncertainty is not None:
        run |= {"eta": timestamp(first.eta), "uncertainty": format_duration(whole(first.uncertainty))}
    if first.deadline is not None:
        run["deadline"] = timestamp(first.deadline)
    return past | {"run": run}


def _next_run(starts: Mapping[str, datetime]) -> Status:
    """The first of all runs, as `POOL TIME`."""
    if not starts:
        return {}
    pool = min(starts, key=lambda name: (starts[name], name))
    return {"nextRun": f"{pool} {starts[pool]:%Y-%m-%dT%H:%MZ}"}


def _pool(pool: Pool, sight: PoolSight, decision: Decision, memory: Memory) -> Status:
    figures = {"backlog": known(sight.ready), "unacked": known(sight.unacked), "busy": sight.said("active")}
    return {name: figure for name, figure in figures.items() if figure is not None} | {
        "name": pool.name,
        "replicas": sight.replicas or 0,
        "ready": sight.ready_workers,
        "desired": decision.replicas,
        "draining": sum(not pod.staying for pod in sight.pods),
        "deferred": sight.total("scheduled"),
        "trail": [
            {"rule": step.rule, "before": step.before, "after": step.after, "because": step.because}
            for step in decision.trail
        ],
        "memory": to_text(memory),
        **_started(memory),
    }


def _started(memory: Memory) -> Status:
    """What a start takes and what the newest waited for before, where that is known."""
    told = {"startUp": memory.start_up, "startWaited": memory.start_waited or None}
    return {name: format_duration(whole(timedelta(seconds=it))) for name, it in told.items() if it is not None}


def _why(name: str, sight: PoolSight, decision: Decision, newest: Newest) -> Status:
    """Reason and sentence: first what is wrong with the pool, then the rule that set its number.

    What hinders a pool comes first where it stops it, and last where some of its workers go on.
    """
    hindrance = sight.hindrance
    found = [(it.reason, it.message) for it in newest.ailments.get(name, ())]
    if hindrance is not None and hindrance.stops:
        found.insert(0, (hindrance.reason, hindrance.message))
    reason = found[0][0] if found else decision.rule
    aside = [hindrance.message] if hindrance is not None and not hindrance.stops else []
    causes, asides = ([one for one in some if one not in decision.message] for some in ([it for _, it in found], aside))
    message = "; ".join([*causes, decision.message, *asides])
    return {"reason": reason, "message": message}


def _queues(fleet: Fleet, sight: FleetSight) -> str:
    sights = [queue for pool in fleet.pools for queue in sight.pools[pool.name].queues.values()]
    return f"{sum(not isinstance(queue, Missing) for queue in sights)}/{len(sights)}"
