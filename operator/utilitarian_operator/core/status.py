"""The resource's status as it should read now, and whether it is worth writing; writes nothing."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.api.invalid import Problem
from utilitarian_operator.core.ailments import Ailment
from utilitarian_operator.core.conditions import dated, known, refused, timestamp, verdicts
from utilitarian_operator.core.decision import Decision
from utilitarian_operator.core.memory import Memory
from utilitarian_operator.core.memory_text import FIGURES, from_text, to_text
from utilitarian_operator.core.observation import FleetSight, Missing, PoolSight
from utilitarian_operator.core.obstacle import Obstacle

REFRESH = timedelta(seconds=30)
"""Figures that move alone are written at most this often; the exact ones are in the metrics."""

Status = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Newest:
    """What there is to say of a resource beside what was seen and decided.

    Args:
        generation: of its newest spec.
        obstacles: what keeps the fleet from being as that spec asks.
        warnings: what is accepted, but hardly as meant.
        starts: the next scheduled run by pool name, UTC.
        memory: of the whole fleet, for a restarted operator.
        ailments: what is wrong with each pool, by its name, the most serious first.
    """

    generation: int
    obstacles: Sequence[Obstacle] = ()
    warnings: Sequence[Problem] = ()
    starts: Mapping[str, datetime] = field(default_factory=dict)
    memory: Mapping[str, Any] = field(default_factory=dict)
    ailments: Mapping[str, Sequence[Ailment]] = field(default_factory=dict)


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
    backlogs = [known(sight.pools[pool.name].ready, 0) or 0 for pool in fleet.pools]
    before = {pool["name"]: pool for pool in previous.get("pools", [])}
    next_run = _next_run(newest.starts)
    return {
        "observedGeneration": newest.generation,
        "mode": fleet.mode,
        "workers": f"{sum(sight.pools[pool.name].ready_workers for pool in fleet.pools)}/{ceiling}",
        "queues": _queues(fleet, sight),
        "activePools": sum(decision.replicas > 0 for decision in decisions.values()),
        "backlog": sum(backlogs),
        "conditions": dated(
            verdicts(fleet, sight, decisions, newest.obstacles, newest.warnings, newest.ailments),
            previous.get("conditions", []),
            newest.generation,
            sight.at,
        ),
        "pools": [
            _pool(pool, sight.pools[pool.name], decisions[pool.name], memories[pool.name])
            | _why(decisions[pool.name], newest.ailments.get(pool.name, ()), before.get(pool.name, {}))
            | _starts(newest.starts.get(pool.name))
            for pool in fleet.pools
        ],
        "beat": _beat(sight, previous.get("beat", {})),
        **({"nextRun": next_run} if next_run else {}),
        **({"memory": newest.memory} if newest.memory else {}),
    }


def refused_status(
    obstacles: Sequence[Obstacle], previous: Mapping[str, Any], generation: int, now: datetime
) -> Status:
    """The status of a resource that was never accepted; what an earlier one is remembered by stays."""
    conditions = dated(refused(obstacles), previous.get("conditions", []), generation, now)
    return {**previous, "observedGeneration": generation, "conditions": conditions}


def patch(wanted: Status, previous: Mapping[str, Any]) -> Status:
    """What to merge into the status so that it becomes as wanted: a field that shall go must be named."""
    return {**dict.fromkeys(previous.keys() - wanted.keys()), **wanted}


def worth_writing(wanted: Status, previous: Mapping[str, Any], written_at: datetime | None, now: datetime) -> bool:
    """Whether the status must be written: at once when something changed, every 30 s when only figures moved."""
    if wanted == previous:
        return False
    if _without_figures(wanted) != _without_figures(previous):
        return True
    return written_at is None or now - written_at >= REFRESH


def remembered(previous: Mapping[str, Any]) -> dict[str, Memory]:
    """What the pools remember, read back from a status: an operator that was restarted decides the same."""
    return {pool["name"]: from_text(pool.get("memory", {})) for pool in previous.get("pools", [])}


def _beat(sight: FleetSight, before: Mapping[str, Any]) -> Status:
    """Beat's part; its time moves only when it comes or goes, so that a fleet at rest is never written."""
    ready = sight.beat is not None and sight.beat.ready
    seen = before.get("lastSeen")
    if ready != bool(before.get("ready")) and (ready or before.get("ready")):
        seen = timestamp(sight.at)
    return {"ready": ready} | ({"lastSeen": seen} if seen else {})


def _starts(next_run: datetime | None) -> Status:
    return {} if next_run is None else {"nextRun": timestamp(next_run)}


def _next_run(starts: Mapping[str, datetime]) -> str | None:
    """The first of all runs, as `POOL TIME`."""
    if not starts:
        return None
    pool = min(starts, key=lambda name: (starts[name], name))
    return f"{pool} {starts[pool]:%Y-%m-%dT%H:%MZ}"


def _pool(pool: Pool, sight: PoolSight, decision: Decision, memory: Memory) -> Status:
    figures = {"backlog": known(sight.ready), "unacked": known(sight.unacked)}
    return {name: figure for name, figure in figures.items() if figure is not None} | {
        "name": pool.name,
        "replicas": sight.current,
        "ready": sight.ready_workers,
        "desired": decision.replicas,
        "draining": sum(pod.leaving for pod in sight.pods),
        "busy": sight.total("active"),
        "deferred": sight.total("scheduled"),
        "trail": [asdict(step) for step in decision.trail],
        "memory": to_text(memory),
    }


def _why(decision: Decision, ailments: Iterable[Ailment], before: Mapping[str, Any]) -> Status:
    """Reason and sentence: first what is wrong with the pool, then the rule that set its number.

    The sentence is renewed when the reason, the number or the words change, not with every figure in it.
    """
    found = tuple(ailments)
    reason = found[0].reason if found else decision.rule
    message = "; ".join([*(it.message for it in found), decision.message])
    told = str(before.get("message", ""))
    same = before.get("reason") == reason and before.get("desired") == decision.replicas
    return {"reason": reason, "message": told if same and _words(told) == _words(message) else message}


def _words(sentence: str) -> str:
    """A sentence without its figures."""
    return re.sub(r"[0-9][0-9.,]*", "#", sentence)


def _queues(fleet: Fleet, sight: FleetSight) -> str:
    sights = [queue for pool in fleet.pools for queue in sight.pools[pool.name].queues.values()]
    return f"{sum(not isinstance(queue, Missing) for queue in sights)}/{len(sights)}"


_WITH_FIGURES = {"Ready", "BrokerReachable", "AtMaximum", "DeadlineAtRisk"}
"""Conditions whose messages hold figures."""

_POOL_FIGURES = ("backlog", "unacked", "busy", "deferred", "trail")


def _without_figures(status: Mapping[str, Any]) -> Status:
    pools = [_pool_without_figures(pool) for pool in status.get("pools", [])]
    conditions = [
        {k: v for k, v in condition.items() if k != "message" or condition["type"] not in _WITH_FIGURES}
        for condition in status.get("conditions", [])
    ]
    rest = {k: v for k, v in status.items() if k not in {"backlog", "pools", "conditions"}}
    return rest | {"pools": pools, "conditions": conditions}


def _pool_without_figures(pool: Mapping[str, Any]) -> Status:
    memory = {k: v for k, v in pool.get("memory", {}).items() if k not in FIGURES}
    return {k: v for k, v in pool.items() if k not in _POOL_FIGURES} | {"memory": memory}
