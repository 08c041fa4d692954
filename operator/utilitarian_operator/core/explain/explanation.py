"""Why a pool has its size, in plain words with its numbers, from the resource alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.diagnosis.findings import REASONS
from utilitarian_operator.core.explain import usage_advice
from utilitarian_operator.core.explain.cautions import Caution, cautions
from utilitarian_operator.core.explain.from_status import NO_REASON, facts_from_status, trail_from_status
from utilitarian_operator.core.explain.next_changes import TradeOff, outlook, trade_offs
from utilitarian_operator.core.explain.recommendations import Figures, Recommendation, recommendations
from utilitarian_operator.core.explain.run_sentences import open_run, past_runs
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.sizing.decision import Decision, Rule, Step
from utilitarian_operator.core.sizing.memory import Memory, arrival_rate, highest, longest_seen, longest_task
from utilitarian_operator.core.sizing.memory_json import from_text
from utilitarian_operator.core.sizing.rule_input import RuleInput, arrival_window
from utilitarian_operator.core.sizing.runs import run_times
from utilitarian_operator.core.sizing.usage import Usage
from utilitarian_operator.core.spec.by_hand import by_hand
from utilitarian_operator.core.spec.override import overrides
from utilitarian_operator.core.wording import number, plural, seconds

_GOOD = {"Ready": "True", "Stalled": "False", "BrokerReachable": "True", "QueuesCovered": "True", "BeatReady": "True"}
_NAMED_ELSEWHERE = "`status` names the queues that no pool consumes, and how to say that it is meant"

LONGEST_S = 366 * 24 * 3600.0
"""A figure above it is no measured task but an edited status."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that a resource tells of one pool.

    Args:
        pool: its name.
        summary: one sentence with its size and the reason.
        seen: what was seen, by name.
        runs: the open one, and the last that are over, by name.
        trail: each rule's step, in order.
        remembered: what counts beside what is seen, by name.
        ahead: what would change the number.
        trade_offs: what the settings cost whatever the number is.
        cautions: what will run as it is written and may surprise, of the pool and of the whole fleet.
        recommendations: what to change.
        warnings: what is wrong with the pool, and conditions of the fleet that are not as they should be.
    """

    pool: str
    summary: str
    seen: Mapping[str, str]
    runs: Mapping[str, str]
    trail: tuple[Step, ...]
    remembered: Mapping[str, str]
    ahead: tuple[str, ...]
    trade_offs: tuple[TradeOff, ...]
    cautions: tuple[Caution, ...]
    recommendations: tuple[Recommendation, ...]
    warnings: tuple[str, ...]


def explain(resource: Mapping[str, Any], fleet: Fleet, name: str, now: datetime) -> Explanation:
    """Explain a pool from its resource.

    Args:
        resource: with its status.
        fleet: the effective spec of the resource.
        name: of one of the fleet's pools.
        now: the one clock.
    """
    status = resource.get("status") or {}
    pool = next(pool for pool in fleet.pools if pool.name == name)
    of_pool: Mapping[str, Any] = next((entry for entry in status.get("pools") or () if entry.get("name") == name), {})
    memory, facts, trail = (
        from_text(of_pool.get("memory"), now),
        facts_from_status(of_pool, now),
        trail_from_status(of_pool),
    )
    annotations = resource["metadata"].get("annotations") or {}
    paused = fleet.mode == "Paused" or by_hand(annotations)[0].pause(fleet.mode, now) is not None
    given = RuleInput(pool, facts, memory, now, override=overrides(annotations)[0].get(name))
    return Explanation(
        pool=name,
        summary=_summary(of_pool),
        seen=dict(_seen(of_pool, status.get("delayed"))),
        runs=dict(_runs(of_pool)),
        trail=trail,
        remembered=dict(_remembered(given)),
        ahead=tuple(outlook(fleet, given, trail, paused=paused)) if of_pool else (),
        trade_offs=tuple(trade_offs(given, kept_in_broker="delayed" in status)),
        cautions=cautions(fleet, {name: given.seconds_per_task}, only=name),
        recommendations=recommendations(pool, figures(given, trail)),
        warnings=(*_finding(of_pool), *wrong_conditions(status, beside_a_pool=True), *_advised(status, name)),
    )


def figures(given: RuleInput, trail: tuple[Step, ...] = ()) -> Figures:
    """What the operator has learned of a pool, for the recommendations."""
    memory = given.memory
    asked = [step.before for step in trail if step.rule == Rule.BOUNDS and step.after < step.before]
    return Figures(
        seconds_per_task=given.seconds_per_task,
        completions=memory.completions,
        longest_s=min(longest_task(memory, given.seconds_per_task), LONGEST_S),
        start_up_s=memory.start_up_s,
        work=given.facts.at_least,
        needed=asked[-1] if asked else None,
        usage=memory.usage,
        most_workers=max(highest(memory), given.facts.current, *(it.most_workers for it in memory.history), 0),
    )


def wrong_conditions(status: Mapping[str, Any], *, beside_a_pool: bool = False) -> Iterator[str]:
    """The conditions that are not as they should be, each with its reason and its sentence.

    Args:
        status: of the fleet.
        beside_a_pool: said for one pool of several: queues that have none are named in the fleet's own view, once.
    """
    for condition in status.get("conditions") or ():
        kind, state = condition.get("type", "Unknown"), condition.get("status", "Unknown")
        if kind != "Reconciling" and state != _GOOD.get(kind, "False"):
            message = condition.get("message", NO_REASON)
            said = _NAMED_ELSEWHERE if beside_a_pool and kind == "QueuesCovered" else message
            yield f"{kind}={state}, {condition.get('reason', 'Unknown')}: {said}"


def _finding(of_pool: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the pool itself, as its status has it."""
    if of_pool.get("reason") in REASONS:
        yield f"{of_pool['reason']}: {of_pool.get('message', '')}"


def _advised(status: Mapping[str, Any], name: str) -> Iterator[str]:
    """What the status advises of the pool."""
    yield from (it for it in status.get("advice") or () if it.startswith((f"pool {name}:", f"pool {name},")))


def why_from_status(of_pool: Mapping[str, Any]) -> str:
    """The sentence of the rule that set a pool's number; its own message where the status has no room for the rules."""
    trail = trail_from_status(of_pool)
    return Decision(of_pool.get("desired") or 0, trail).message if trail else str(of_pool.get("message", NO_REASON))


def next_run(pool: Pool, now: datetime) -> tuple[str, datetime] | None:
    """Name and start of the pool's next run; None if it has no schedule."""
    coming = [(run_times.next_start(schedule, now), schedule.name) for schedule in pool.schedule]
    return (min(coming)[1], min(coming)[0]) if coming else None


def _summary(of_pool: Mapping[str, Any]) -> str:
    if not of_pool:
        return "no operator has looked at it yet: its status is empty"
    wanted, ready = of_pool.get("desired") or 0, of_pool.get("ready") or 0
    return f"{plural(wanted, 'worker')} wanted, {number(ready)} ready: {why_from_status(of_pool)}"


def _seen(of_pool: Mapping[str, Any], delayed: int | None) -> Iterator[tuple[str, str]]:
    if not of_pool:
        return
    for title, key in (("waiting", "backlog"), ("not acknowledged", "unacked"), ("running", "busy")):
        value = of_pool.get(key)
        yield title, "unknown" if value is None else plural(value, "message" if key == "unacked" else "task")
    if of_pool.get("deferred"):
        yield "for later", plural(of_pool["deferred"], "task")
    if delayed:
        yield "in the broker", f"{plural(delayed, 'task')} for later, of all queues: each wakes its pool when it is due"
    leaving = f", {number(of_pool['draining'])} leaving" if of_pool.get("draining") else ""
    yield (
        "workers",
        f"{number(of_pool.get('ready') or 0)} ready of {number(of_pool.get('replicas') or 0)} asked for{leaving}",
    )


def _runs(of_pool: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if sentence := open_run(of_pool):
        yield "open", sentence
    yield from past_runs(of_pool)


def _remembered(given: RuleInput) -> Iterator[tuple[str, str]]:
    pool, memory = given.pool, given.memory
    guess = format_duration(pool.scaling.task_duration)
    measured = f"over {plural(round(memory.completions), 'task')}" if memory.completions else "none was measured"
    yield "a task takes", f"{seconds(given.seconds_per_task)} ({measured}; first guess {guess})"
    if longest := longest_task(memory, given.seconds_per_task):
        seen = longest_seen(memory)
        hung = f" (one ran for {seconds(seen)} and is taken for one that hung)" if seen > longest else ""
        yield "longest task", f"{seconds(longest)}{hung}"
    how = "measured" if memory.start_up_s is not None else "assumed: none was measured"
    yield "a worker starts in", f"{seconds(given.start_up_s)} ({how})"
    if memory.start_waited_s:
        yield "the newest waited", f"{seconds(memory.start_waited_s)} for a node, its image, a volume or the broker"
    if memory.start_delay_s:
        yield (
            "the last start took",
            f"{seconds(memory.start_delay_s)} more than that: the next is asked for as much earlier",
        )
    yield from _used(pool, memory.usage)
    yield from _arrivals(pool, memory, given.now)
    yield from _moments(memory)
    if highest(memory):
        within = format_duration(pool.scaling.stabilization)
        yield "largest demand", f"{plural(highest(memory), 'worker')} within the last {within}"
    for run in memory.runs:
        first = f", first task at {timestamp(run.first_message)}" if run.first_message else ", no task yet"
        begun = "opens at" if run.start > given.now else "open since"
        yield f"run {run.name}", f"{begun} {timestamp(run.start)}{first}"


def _used(pool: Pool, usage: Usage) -> Iterator[tuple[str, str]]:
    if usage.cores is not None:
        minutes = plural(len(usage.cpu_per_slot), "minute")
        yield "a busy slot uses", f"{usage_advice.percent(usage.cores)} of a core (over {minutes} with work)"
    if usage.peak_memory is not None:
        limited = usage_advice.memory_of(pool, usage) if usage.slots == pool.worker.concurrency else None
        yield "peak memory", f"{limited or usage_advice.gibibytes(usage.peak_memory)} ({plural(usage.slots, 'slot')})"
    if usage.killed_at is not None:
        yield "killed for memory", timestamp(usage.killed_at)


def _arrivals(pool: Pool, memory: Memory, now: datetime) -> Iterator[tuple[str, str]]:
    window = arrival_window(pool, memory, now)
    rate = arrival_rate(memory, window, now)
    if rate:
        span = format_duration(timedelta(seconds=round(window.total_seconds())))
        yield "arrivals", f"{number(rate)} a second over the last {span}"


def _moments(memory: Memory) -> Iterator[tuple[str, str]]:
    named = {
        "idle since": memory.idle_since,
        "busy since": memory.busy_since,
        "more than enough since": memory.surplus_since,
    }
    for title, moment in named.items():
        if moment is not None:
            yield title, timestamp(moment)
    if memory.first_worker_spent:
        yield "missing queue", "a worker ran to declare it and did not: none is started for that again"
