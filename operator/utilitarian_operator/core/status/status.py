"""The resource's status as it should read now."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.api.units import format_duration, mebibytes, millicores
from utilitarian_operator.core.beat.checks import KEPT_SINCE, memory_since
from utilitarian_operator.core.blocker import Blocker
from utilitarian_operator.core.changed import Kept
from utilitarian_operator.core.diagnosis.broker_advice import MOST, advice
from utilitarian_operator.core.diagnosis.findings import Finding
from utilitarian_operator.core.forecast.completion import Forecast
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.observation.let_in import FIELD, recorded
from utilitarian_operator.core.observation.model.figures import add
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Missing
from utilitarian_operator.core.observation.pod_failures import PodFailure
from utilitarian_operator.core.sizing.decision import Decision
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.memory_json import figures_text, past_to_text, settled, settled_text
from utilitarian_operator.core.sizing.runs.run_state import MOST_PAST_RUNS, PastRun
from utilitarian_operator.core.sizing.usage import Usage
from utilitarian_operator.core.status.change import LAST_MESSAGES
from utilitarian_operator.core.status.conditions import dated, fleet_conditions, known, refused
from utilitarian_operator.core.status.report import Reported
from utilitarian_operator.core.status.size import SENTENCE_LENGTH, WORD_LENGTH, Status, bounded, fitting, short
from utilitarian_operator.core.wording import whole

MOST_PAST_RUNS_SHOWN = 300
"""Of a whole fleet, at about 200 bytes each."""

MOST_LAST_MESSAGES = 100
"""Of a fleet, at about 100 bytes each: those of the queues to which nothing has come for longest."""


def fleet_status(look: Reported, bare: Status | None = None) -> Status:
    """The status of a fleet that runs.

    Args:
        look: what was seen and decided.
        bare: its `bare_status`, where that is known.
    """
    status, snapshot, memories = bare or bare_status(look), look.snapshot, look.memories
    backlog = known(add(snapshot.pools[pool.name].ready for pool in look.fleet.pools))
    pools = zip(look.fleet.pools, status["pools"], strict=True)
    advised = [*look.newest.advice, *advice(look.fleet, snapshot, memories)][:MOST]
    whole_status = {
        **status,
        **({} if backlog is None else {"backlog": backlog}),
        "pools": [
            part | _figures(part["memory"], snapshot.pools[pool.name], look.decisions[pool.name], memories[pool.name])
            for pool, part in pools
        ],
        **({"advice": advised} if advised else {}),
    }
    return fitting(whole_status)


def bare_status(look: Reported, kept: Kept | None = None) -> Status:
    """The status without most of its figures and without advice: what of it is written at once when it changes.

    Args:
        look: what was seen and decided.
        kept: what the look before has made.
    """
    kept = kept or Kept()
    fleet, snapshot, previous, newest = look.fleet, look.snapshot, look.previous, look.newest
    ceiling = fleet.max_workers or sum(pool.scaling.max for pool in fleet.pools)
    most = most_past_runs(fleet)
    before = previous.get("conditions", [])
    current = fleet_conditions(fleet, snapshot, look.decisions, newest, before)
    return {
        "observedGeneration": newest.generation,
        "mode": fleet.mode,
        "workers": f"{sum(snapshot.pools[pool.name].ready_workers for pool in fleet.pools)}/{ceiling}",
        "queues": _queues(fleet, snapshot),
        "activePools": sum(decision.replicas > 0 for decision in look.decisions.values()),
        **({} if snapshot.about.delayed is None else {"delayed": snapshot.about.delayed}),
        **({FIELD: let_in} if (let_in := snapshot.let_in or recorded(previous)) else {}),
        "conditions": bounded(dated(current, before, newest.generation, snapshot.at)),
        "pools": [kept.of(it.name, _pool, *_of_pool(it, look, most)) for it in fleet.pools],
        "beat": _beat(snapshot, previous.get("beat", {})),
        **_next_run(newest.starts),
    }


def refused_status(blockers: Sequence[Blocker], previous: Mapping[str, Any], generation: int, now: datetime) -> Status:
    """The status of a resource that was never accepted; what an earlier one is remembered by stays."""
    conditions = dated(refused(blockers), previous.get("conditions", []), generation, now)
    return {**previous, "observedGeneration": generation, "conditions": bounded(conditions)}


def most_past_runs(fleet: Fleet) -> int:
    """Past runs that each pool tells: fewer where many pools have some, so that a status stays small enough."""
    return min(MOST_PAST_RUNS, max(MOST_PAST_RUNS_SHOWN // max(sum(bool(pool.schedule) for pool in fleet.pools), 1), 1))


def _beat(snapshot: FleetSnapshot, before: Mapping[str, Any]) -> Status:
    """Beat's part; its time moves only when it comes or goes, so that a fleet at rest is never written."""
    ready = snapshot.beat is not None and snapshot.beat.ready
    seen = before.get("lastSeen")
    if ready != bool(before.get("ready")) and (ready or before.get("ready")):
        seen = timestamp(snapshot.at)
    since = memory_since(before, snapshot.beat)
    oldest = sorted(snapshot.last_messages, key=lambda queue: (snapshot.last_messages[queue], queue))[
        :MOST_LAST_MESSAGES
    ]
    came = [{"queue": queue, "at": timestamp(snapshot.last_messages[queue])} for queue in sorted(oldest)]
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
    return {"nextRun": f"{pool} {timestamp(starts[pool], 'minutes')}"}


def _of_pool(pool: Pool, look: Reported, most: int) -> tuple[Any, ...]:
    """All that a pool's part is made of (`_pool`), but for what moves all the time."""
    name, seen, memory, newest = pool.name, look.snapshot.pools[pool.name], look.memories[pool.name], look.newest
    leaving = sum(not pod.staying for pod in seen.pods)
    workers = (seen.replicas or 0, seen.ready_workers, leaving, seen.pod_failure)
    said = (newest.findings.get(name, ()), newest.starts.get(name), newest.runs.get(name, ()))
    return (name, *workers, look.decisions[name], *said, memory.history[:most], *settled(memory))


def _pool(  # noqa: PLR0913 - as `_of_pool` has them: the part is kept while they are the same
    name: str,
    replicas: int,
    ready: int,
    leaving: int,
    failure: PodFailure | None,
    decision: Decision,
    found: Sequence[Finding],
    start: datetime | None,
    forecasts: tuple[Forecast, ...],
    history: tuple[PastRun, ...],
    *remembered: Any,
) -> Status:
    return {
        "name": name,
        "replicas": replicas,
        "ready": ready,
        "desired": decision.replicas,
        "draining": leaving,
        "memory": settled_text(*remembered),
        **_why(failure, decision, found),
        **_starts(start),
        **_runs(forecasts, history),
    }


def _figures(remembered: Status, snapshot: PoolSnapshot, decision: Decision, memory: Memory) -> Status:
    """What moves all the time, and is written with other changes or after a while."""
    figures = {"backlog": known(snapshot.ready), "unacked": known(snapshot.unacked), "busy": snapshot.said("active")}
    return {name: figure for name, figure in figures.items() if figure is not None} | {
        "deferred": snapshot.total("scheduled"),
        "trail": [
            {"rule": step.rule, "before": step.before, "after": step.after, "because": step.because}
            for step in decision.trail
        ],
        "memory": remembered | figures_text(memory),
        **_held_up(snapshot),
        **_started(memory),
        **_used(memory.usage),
    }


def _held_up(snapshot: PoolSnapshot) -> Status:
    """Why more workers would not start either, if that is so: `explain` and `plan` decide by it, too."""
    failure = snapshot.pod_failure
    return {"heldUp": failure.message} if failure is not None and failure.more_is_useless else {}


def _started(memory: Memory) -> Status:
    """What a start takes and what the newest waited for before, where that is known."""
    lengths = {"startUp": memory.start_up_s, "startWaited": memory.start_waited_s or None}
    return {name: format_duration(whole(timedelta(seconds=it))) for name, it in lengths.items() if it is not None}


def _used(usage: Usage) -> Status:
    """What a busy slot uses of a core and the largest worker of memory, where enough was measured."""
    used = {}
    if usage.cores is not None:
        used["cpuPerSlot"] = millicores(usage.cores)
    if usage.peak_memory is not None:
        used["peakMemory"] = mebibytes(usage.peak_memory)
    return used


def _why(pod_failure: PodFailure | None, decision: Decision, wrong: Sequence[Finding]) -> Status:
    """Reason and sentence: first what is wrong with the pool, then the rule that set its number.

    A pool's failure comes first where it stops the pool, and last where some of its workers go on.
    """
    found = [(it.reason, it.message) for it in wrong]
    if pod_failure is not None and pod_failure.stops:
        found.insert(0, (pod_failure.reason, pod_failure.message))
    reason = found[0][0] if found else decision.rule
    aside = [pod_failure.message] if pod_failure is not None and not pod_failure.stops else []
    causes, asides = ([one for one in some if one not in decision.message] for some in ([it for _, it in found], aside))
    message = "; ".join([*causes, decision.message, *asides])
    return {"reason": short(reason, WORD_LENGTH), "message": short(message, SENTENCE_LENGTH)}


def _queues(fleet: Fleet, snapshot: FleetSnapshot) -> str:
    snapshots = [queue for pool in fleet.pools for queue in snapshot.pools[pool.name].queues.values()]
    return f"{sum(not isinstance(queue, Missing) for queue in snapshots)}/{len(snapshots)}"
