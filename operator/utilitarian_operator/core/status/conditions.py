"""The conditions of a fleet, by the Kubernetes API conventions and kstatus."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from utilitarian_operator.api.built_in_pools import DOCUMENTED_QUEUES
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.problem import Problem
from utilitarian_operator.core.beat.after_workers import still_take
from utilitarian_operator.core.beat.checks import beat_condition
from utilitarian_operator.core.blocker import INVALID_SPEC, QUEUE_TAKEN, SECRET_MISSING, Blocker
from utilitarian_operator.core.condition import Condition
from utilitarian_operator.core.diagnosis.findings import REASONS, Finding
from utilitarian_operator.core.forecast.completion import Cause, Forecasts, Risk, at_risk
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.sizing.decision import Decision, Rule
from utilitarian_operator.core.status.report import StatusInput
from utilitarian_operator.core.wording import named, plural

UNSEEN_IS_NOT_READY = timedelta(seconds=30)
"""A broker that is away for this long makes the fleet not ready; a shorter gap is a hiccup if it was seen before."""

MOST_POOLS_NAMED = 3


def fleet_conditions(
    fleet: Fleet,
    snapshot: FleetSnapshot,
    decisions: Mapping[str, Decision],
    newest: StatusInput,
    previous: Sequence[Mapping[str, Any]],
) -> tuple[Condition, ...]:
    """All conditions of a fleet that runs.

    Args:
        fleet: what runs.
        snapshot: of this look.
        decisions: by pool name.
        newest: what there is to say beside.
        previous: `status.conditions` as it is.
    """
    stalled = _stalled(newest.blockers, newest.warnings)
    return (
        _not_ready(snapshot, newest, previous) or _ready(snapshot, decisions, newest.findings),
        _reconciling(fleet, snapshot, told=_was_rolled_out(previous, newest.generation)),
        stalled,
        _broker(fleet, snapshot),
        _queues_covered(fleet),
        beat_condition(fleet.beat, snapshot.beat, fleet.patience),
        _at_maximum(decisions),
        _deadline(newest.runs),
    )


WHY_NOTHING_RUNS = (INVALID_SPEC, QUEUE_TAKEN, SECRET_MISSING)
"""Why a resource that never ran doesn't, the first of these that is so."""


def refused(blockers: Sequence[Blocker]) -> tuple[Condition, ...]:
    """The conditions of a resource that was never let run: nothing of it does."""
    unseen = ("BrokerReachable", "QueuesCovered", "BeatReady", "AtMaximum", "DeadlineAtRisk")
    wrong = Blocker(INVALID_SPEC, "the spec was never accepted")
    # A missing Secret is said last where it is that of the broker: what else is missing keeps no new spec from running.
    why = next((it for reason in WHY_NOTHING_RUNS for it in reversed(blockers) if it.reason == reason), wrong)
    why = wrong if why.reason == INVALID_SPEC else why
    return (
        Condition("Ready", "False", why.reason, why.message),
        Condition("Reconciling", "False", why.reason, why.message),
        _stalled(blockers, ()),
        *(Condition(kind, "Unknown", why.reason, why.message) for kind in unseen),
    )


def dated(
    current: Iterable[Condition], previous: Iterable[Mapping[str, Any]], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """The conditions as they stand in a status; the transition time moves only when the status does.

    Args:
        current: of now.
        previous: `status.conditions` as it was.
        generation: of the spec they speak of.
        now: the one clock.
    """
    before = {condition["type"]: condition for condition in previous}
    return [_dated(condition, before.get(condition.type, {}), generation, now) for condition in current]


def _dated(condition: Condition, before: Mapping[str, Any], generation: int, now: datetime) -> dict[str, Any]:
    same = before.get("status") == condition.status and "lastTransitionTime" in before
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if same else timestamp(now),
    }


def _not_ready(snapshot: FleetSnapshot, newest: StatusInput, previous: Sequence[Mapping[str, Any]]) -> Condition | None:
    """Why the fleet can't do its work; None where nothing keeps it from that."""
    away = snapshot.broker
    if away is not None and (snapshot.at - away.since >= UNSEEN_IS_NOT_READY or not _was_seen(previous)):
        return Condition("Ready", "False", "BrokerUnreachable", f"{away.why}; no worker is added or taken away")
    if newest.unmade is not None:
        return Condition("Ready", "False", newest.unmade.reason, newest.unmade.message)
    for name, pool in snapshot.pools.items():
        if pool.pod_failure is not None and pool.pod_failure.stops:
            return Condition("Ready", "False", pool.pod_failure.reason, f"pool {name}: {pool.pod_failure.message}")
    return None


def _was_seen(previous: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the broker has answered before, or the fleet was ready: only then is it a hiccup that it doesn't."""
    return any(it["type"] in {"Ready", "BrokerReachable"} and it["status"] == "True" for it in previous)


def _ready(
    snapshot: FleetSnapshot, decisions: Mapping[str, Decision], findings: Mapping[str, Sequence[Finding]]
) -> Condition:
    wrong = _worst_finding(findings)
    if all(decision.replicas == 0 for decision in decisions.values()):
        return Condition("Ready", "True", "Idle", wrong or f"{_why_idle(snapshot, decisions)}{_later(snapshot)}")
    busiest = max(decisions, key=lambda name: decisions[name].replicas)
    return Condition("Ready", "True", "Working", wrong or f"pool {busiest}: {decisions[busiest].message}")


def _why_idle(snapshot: FleetSnapshot, decisions: Mapping[str, Decision]) -> str:
    """Why no worker is asked for: where tasks wait all the same, the words of the pool with the most of them."""
    waiting = {
        name: known(snapshot.pools[name].ready) or 0
        for name, decision in decisions.items()
        if decision.rule != Rule.DEMAND and snapshot.pools[name].ready != 0
    }
    if not waiting:
        return "nothing to do: no worker is needed"
    most = max(waiting, key=lambda name: waiting[name])
    return f"pool {most}: {decisions[most].message}"


def _later(snapshot: FleetSnapshot) -> str:
    if not snapshot.about.delayed:
        return ""
    return f"; in the broker for later: {plural(snapshot.about.delayed, 'task')}"


def _worst_finding(findings: Mapping[str, Sequence[Finding]]) -> str:
    """What is wrong with a pool, the most serious of all; empty if nothing is."""
    found = [(REASONS.index(it.reason), pool, it) for pool, each in findings.items() for it in each]
    if not found:
        return ""
    _, pool, worst = min(found, key=lambda it: it[:2])
    return f"{worst.reason}: pool {pool}: {worst.message}"


def _was_rolled_out(previous: Iterable[Mapping[str, Any]], generation: int) -> bool:
    """Whether it was said of a generation that it is rolled out."""
    wanted = ("Reconciling", "False", generation)
    return any((it["type"], it["status"], it.get("observedGeneration")) == wanted for it in previous)


def _reconciling(fleet: Fleet, snapshot: FleetSnapshot, *, told: bool) -> Condition:
    """Who waits for a new version may send what an older worker throws away, also one of a pool that was removed.

    One that says nothing for a moment may take tasks again, as far as is known: what was told is not taken back.
    """
    if snapshot.rolling_out:
        names = ", ".join(snapshot.rolling_out)
        return Condition("Reconciling", "True", "RollingOut", f"a new template rolls out: {names}")
    if fleet.mode == "Preview":
        return Condition("Reconciling", "False", "RolledOut", "mode is Preview: what is there is left as it is")
    old = () if told else sorted(still_take(snapshot.leftover))
    if old:
        which = f"pool {old[0]}, which is" if len(old) == 1 else f"pools {named(old, MOST_POOLS_NAMED)}, which are"
        message = f"workers of {which} no longer asked for, may still take tasks"
        return Condition("Reconciling", "True", "RollingOut", message)
    return Condition("Reconciling", "False", "RolledOut", "every pod runs the current template")


def _stalled(blockers: Sequence[Blocker], warnings: Sequence[Problem]) -> Condition:
    if blockers:
        return Condition("Stalled", "True", blockers[0].reason, f"{blockers[0].message}{_more(blockers)}")
    if warnings:
        message = f"the spec is accepted; warning: {warnings[0]}{_more(warnings)}"
        return Condition("Stalled", "False", "AcceptedWithWarnings", message)
    return Condition("Stalled", "False", "Accepted", "the spec is accepted")


def _more(things: Sequence[object]) -> str:
    return f" (and {len(things) - 1} more)" if len(things) > 1 else ""


def _broker(fleet: Fleet, snapshot: FleetSnapshot) -> Condition:
    if snapshot.broker is not None:
        return Condition("BrokerReachable", "False", "Unreachable", snapshot.broker.why)
    if unknown := next(_unread(snapshot), None):
        return Condition("BrokerReachable", "True", "QueueUntold", f"{unknown.why}; its pool keeps its workers")
    if snapshot.mute is not None:
        return Condition("BrokerReachable", "True", "WorkersUnasked", f"{snapshot.mute.why}; no worker is taken away")
    shared = _shared(fleet, snapshot)
    if fleet.broker.stats_url is None:
        message = "queues are seen over AMQP; what is unacknowledged is asked from the workers (no broker.stats)"
        return Condition("BrokerReachable", "True", "DepthOnly", f"{message}{shared}")
    if snapshot.statistics is not None:
        return Condition("BrokerReachable", "True", "DepthOnly", f"{snapshot.statistics.why}; no worker is taken away")
    return Condition("BrokerReachable", "True", "Reachable", f"queues and statistics are seen{shared}")


def _shared(fleet: Fleet, snapshot: FleetSnapshot) -> str:
    """What can't be known because others consume the same queues on purpose; empty where none do."""
    pools = [it.name for it in fleet.pools if it.foreign_consumers == "Expected" and snapshot.pools[it.name].foreign]
    if not pools:
        return ""
    which = f"pool {pools[0]}" if len(pools) == 1 else f"pools {named(pools, MOST_POOLS_NAMED)}"
    return f"; others consume queues of {which} too, as expected: what these run is not known"


def _unread(snapshot: FleetSnapshot) -> Iterator[Unknown]:
    """Why queues can't be read although the broker answers."""
    return (it for pool in snapshot.pools.values() for it in pool.queues.values() if isinstance(it, Unknown))


def _queues_covered(fleet: Fleet) -> Condition:
    named = {queue for pool in fleet.pools for queue in pool.queues}
    expected = DOCUMENTED_QUEUES if fleet.app == "utilitarian" else tuple(sorted(named))
    missing = [] if any(pool.is_catch_all for pool in fleet.pools) else [q for q in expected if q not in named]
    uncovered = [queue for queue in missing if queue not in fleet.queues_elsewhere]
    if uncovered:
        meant = "if that is meant, name them in spec.queuesElsewhere"
        return Condition("QueuesCovered", "False", "NoPool", f"no pool consumes {', '.join(uncovered)}; {meant}")
    rest = f", {len(missing)} are left out on purpose (spec.queuesElsewhere)" if missing else ""
    covered = f"each of the {len(expected) - len(missing)} queues has a pool{rest}"
    return Condition("QueuesCovered", "True", "AllCovered", covered)


def _at_maximum(decisions: Mapping[str, Decision]) -> Condition:
    for name, decision in decisions.items():
        for step in decision.limits:
            return Condition("AtMaximum", "True", "MoreNeeded", f"pool {name}: {step.because}")
    return Condition("AtMaximum", "False", "EnoughRoom", "neither max nor maxWorkers keeps a pool from what it wants")


def _deadline(runs: Forecasts) -> Condition:
    risks = list(at_risk(runs))
    if risks:
        pool, risk = risks[0]
        return _at_risk(risk, f"pool {pool}, {risk.message}{_more(risks)}")
    due = [(it.deadline, pool, it) for pool, each in runs.items() for it in each if it.deadline is not None]
    if not due:
        return Condition("DeadlineAtRisk", "False", "NoOpenRun", "no run with a deadline is open")
    for _, pool, it in due:
        if it.remaining is None:
            message = f"pool {pool}: what is left of run {it.run.name} is unknown"
            return Condition("DeadlineAtRisk", "Unknown", "NotSeen", message)
    deadline, pool, first = min(due, key=itemgetter(0, 1))
    left = plural(first.remaining or 0, "task")
    done = f", done about {timestamp(first.eta)}" if first.eta else ""
    message = f"pool {pool}, run {first.run.name}: {left} left{done}, due {timestamp(deadline)}"
    return Condition("DeadlineAtRisk", "False", "InTime", message)


def _at_risk(risk: Risk, message: str) -> Condition:
    match risk.cause:
        case Cause.OVERDUE:
            return Condition("DeadlineAtRisk", "True", "Overdue", message)
        case Cause.WORKERS_MISSING:
            return Condition("DeadlineAtRisk", "True", "WorkersMissing", message)
        case Cause.MAXIMUM_REACHED:
            return Condition("DeadlineAtRisk", "True", "MaximumReached", message)
        case Cause.HELD_DOWN:
            return Condition("DeadlineAtRisk", "True", "HeldDown", message)
        case Cause.TOO_MUCH_WORK:
            return Condition("DeadlineAtRisk", "True", "TooMuchWork", message)
        case Cause.NOT_SEEN:
            return Condition("DeadlineAtRisk", "True", "NotSeen", message)


def known(count: int | Unknown, otherwise: int | None = None) -> int | None:
    """A count, or what stands for it where it is unknown."""
    return otherwise if isinstance(count, Unknown) else count
