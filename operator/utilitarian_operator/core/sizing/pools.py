"""One decision for each pool: its own rules, then what the pools may have together, then a person's override."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Protocol

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.moments import since, timestamp
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.sizing import fleet_limits as budget
from utilitarian_operator.core.sizing import when_due
from utilitarian_operator.core.sizing.decision import Decision, Rule, Step
from utilitarian_operator.core.sizing.eta_sleep import deferring, followed, put_to_sleep
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import FRESH, Memory, marked, of_its_queues, remember, start_up_s
from utilitarian_operator.core.sizing.rule_input import FIRST_GUESS_START_UP, RuleInput, arrival_window
from utilitarian_operator.core.sizing.rules import decide
from utilitarian_operator.core.sizing.runs import open_runs
from utilitarian_operator.core.spec.by_hand import RunByHand
from utilitarian_operator.core.spec.override import Override

GOOD_LOOKS = 2
"""Complete looks that an operator must have had since it started before it takes a worker away."""


@dataclass(frozen=True)
class FleetContext:
    """What a decision depends on beside the pools; without slots, so that one can be made of another (`changed`).

    Args:
        now: the one clock.
        running_for: since the operator began to look at this fleet.
        good_looks: looks since then at which nothing was missing.
        overrides: what a person set, by pool name.
        runs_by_hand: that a person opened, by pool name.
        paused_until: when a person's pause ends; None where none is in force, or where it has no end.
        given_up: why pools leave their queues to another resource, by pool name.
        contested: the client to which the number of a pool's workers is left, by pool name.
        moved: whether the URL names another broker since the look before, or other addresses since a restart.
        removed: workers of pools that are no longer asked for, which hold their places until they are gone.
        in_words: whether a person reads why. A simulation decides 100,000 times, and only the numbers count.
    """

    now: datetime
    running_for: timedelta = timedelta.max
    good_looks: int = GOOD_LOOKS
    overrides: Mapping[str, Override] = field(default_factory=dict)
    runs_by_hand: Mapping[str, RunByHand] = field(default_factory=dict)
    paused_until: datetime | None = None
    given_up: Mapping[str, str] = field(default_factory=dict)
    contested: Mapping[str, str] = field(default_factory=dict)
    moved: bool = False
    removed: int = 0
    in_words: bool = True


class Beside(Protocol):
    """A pool of a fleet that is not looked at now, as the others must know it."""

    @property
    def own(self) -> Decision:
        """What was last decided for it by itself."""

    @property
    def current(self) -> int:
        """Workers asked for now, without those that drain."""

    @property
    def draining(self) -> int:
        """Workers there beside those."""

    @property
    def returnable(self) -> int:
        """Those of them that it takes back before it starts new ones."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What was decided at one look.

    Args:
        decisions: by pool name, of the pools that were looked at.
        memories: what is remembered of each, by pool name.
        own: what was decided for each by itself, before what the pools may have together.
    """

    decisions: dict[str, Decision]
    memories: dict[str, Memory]
    own: Mapping[str, Decision]


def decide_fleet(
    fleet: Fleet,
    seen: Mapping[str, Facts],
    memories: Mapping[str, Memory],
    context: FleetContext,
    beside: Mapping[str, Beside] = MappingProxyType({}),
) -> Sizes:
    """How many workers each pool is to have, for the operator, `plan`, `explain`, `simulate` and replay alike.

    Args:
        fleet: what is asked for.
        seen: the facts, by pool name; of the pools that are looked at now.
        memories: of the last time, by pool name; a pool without one starts afresh.
        context: of this look.
        beside: the other pools, by name; those that are seen may be among them.
    """
    own, remembered = {}, {}
    for pool in fleet.pools:
        if pool.name in seen:
            memory = memories.get(pool.name, FRESH)
            own[pool.name], remembered[pool.name] = decide_pool(pool, seen[pool.name], memory, context)
    decisions = _together(fleet, own, seen, remembered, context, beside)
    return Sizes(decisions, _with_turns(decisions, remembered, seen, context.now), own)


def _together(
    fleet: Fleet,
    own: Mapping[str, Decision],
    seen: Mapping[str, Facts],
    memories: Mapping[str, Memory],
    context: FleetContext,
    beside: Mapping[str, Beside],
) -> dict[str, Decision]:
    """The pools' own decisions within what they may have together, and within the mode of the fleet."""
    decisions = dict(own)
    declare = any(it.missing for it in seen.values()) and any(map(budget.declares, own.values()))
    if declare or not _fits(fleet.max_workers, own, seen, beside, context.removed):
        everyone = {name: own.get(name) or it.own for name, it in beside.items()} | decisions
        turns = {name: it.first_worker_turn for name, it in memories.items() if it.first_worker_turn is not None}
        shared = _shared(fleet, everyone, {**beside, **seen}, turns, context)
        decisions = {name: shared[name] for name in own}
    if fleet.mode == "Paused":
        return {
            name: _paused(decision, seen[name].current, context.paused_until) for name, decision in decisions.items()
        }
    others = {name: by for name, by in context.contested.items() if name in decisions}
    return decisions | {name: _contested(decisions[name], seen[name].current, by) for name, by in others.items()}


def _fits(
    ceiling: int | None,
    own: Mapping[str, Decision],
    seen: Mapping[str, Facts],
    beside: Mapping[str, Beside],
    removed: int,
) -> bool:
    """Whether the pools may have what each asks for by itself; a quick answer for most looks."""
    if ceiling is None:
        return True
    asked = removed
    for name, facts in seen.items():
        asked += facts.draining + max(own[name].replicas, facts.current)
    for name, other in beside.items():
        if name not in seen:
            asked += other.draining + max(other.own.replicas, other.current)
    return asked <= ceiling


def _shared(
    fleet: Fleet,
    decisions: Mapping[str, Decision],
    there: Mapping[str, Beside | Facts],
    turns: Mapping[str, datetime],
    context: FleetContext,
) -> dict[str, Decision]:
    current = {name: it.current for name, it in there.items()}
    shared = budget.in_turn(fleet.pools, decisions, current, turns, context.now)
    leaving = sum(it.draining for it in there.values()) + context.removed
    returnable = {it.name: there[it.name].returnable for it in fleet.pools if budget.takes_back(it)}
    return budget.within(fleet.max_workers, fleet.pools, shared, current, leaving, returnable)


def _with_turns(
    decisions: Mapping[str, Decision], memories: Mapping[str, Memory], seen: Mapping[str, Facts], now: datetime
) -> dict[str, Memory]:
    """The memories with when the turn of each pool's first worker began; forgotten once its queues are there."""
    return {name: _with_turn(decisions[name], memory, seen[name], now) for name, memory in memories.items()}


def _with_turn(decision: Decision, memory: Memory, facts: Facts, now: datetime) -> Memory:
    turn = memory.first_worker_turn
    if turn is None and not facts.missing:
        return memory
    if turn is not None and not facts.missing and not isinstance(facts.ready, Unknown):
        turn = None
    elif budget.declares(decision) and decision.replicas and not _lasts(turn, facts, now):
        turn = now
    return memory if turn == memory.first_worker_turn else changed(memory, first_worker_turn=turn)


def _lasts(turn: datetime | None, facts: Facts, now: datetime) -> bool:
    """Whether a turn goes on; one that is over goes on as long as no other pool waits."""
    return turn is not None and turn <= now and (facts.current > 0 or now - turn < budget.TURN_LASTS)


def decide_pool(pool: Pool, facts: Facts, memory: Memory, context: FleetContext) -> tuple[Decision, Memory]:
    """The decision for one pool by itself, and what is remembered of it."""
    memory = of_its_queues(pool, memory, moved=context.moved)
    now, before = context.now, memory
    if memory.eta_sleep is not None:
        idle_since = memory.idle_since
        sleep = followed(memory.eta_sleep, facts, timedelta() if idle_since is None else now - idle_since)
        if sleep != memory.eta_sleep:
            memory = changed(memory, eta_sleep=sleep)
        facts = deferring(facts, sleep, start_up_s(memory, FIRST_GUESS_START_UP), now)
    waiting = when_due.waiting_since(pool, facts, memory, now)
    empty = when_due.empty_looks(facts, memory)
    memory = remember(pool, facts, memory, now, arrival_window(pool, memory, now))
    if waiting != memory.waiting_since or empty != memory.empty_looks:
        memory = changed(memory, waiting_since=waiting, empty_looks=empty)
    asked, delay = when_due.start_followed(pool, facts, memory, now)
    if asked != memory.asked_since or delay != memory.start_delay_s:
        memory = changed(memory, asked_since=asked, start_delay_s=delay)
    if pool.schedule or memory.runs or memory.opened:
        memory = open_runs.opened_by_hand(pool, context.runs_by_hand.get(pool.name), memory, now)
        memory = open_runs.follow(pool, facts, memory, now, before)
    steady = context.running_for >= pool.scaling.stabilization and context.good_looks >= GOOD_LOOKS
    given = RuleInput(pool, facts, memory, now, steady, context.overrides.get(pool.name), context.in_words)
    decision, memory = decide(given)
    if (why := context.given_up.get(pool.name)) is not None:
        decision = decision.then(Step(Rule.QUEUE_TAKEN, decision.replicas, 0, why))
    sleep = put_to_sleep(memory.eta_sleep, facts, decision.replicas)
    return decision, marked(pool, memory if sleep == memory.eta_sleep else changed(memory, eta_sleep=sleep))


def looked_well(snapshot: FleetSnapshot) -> bool:
    """Whether a look was complete enough to count as a good one."""
    return snapshot.broker is None and snapshot.statistics is None


def _paused(decision: Decision, current: int, until: datetime | None) -> Decision:
    """A pause leaves the numbers of workers alone; the trail says what they would be."""
    if decision.replicas == current and decision.due is None:
        return decision
    paused = f"paused by annotation until {timestamp(until)}" if until else "paused"
    because = f"{paused}: would be {decision.replicas} ({decision.message})"
    return decision.then(Step(Rule.PAUSED, decision.replicas, current, because))


def _contested(decision: Decision, current: int, by: str) -> Decision:
    """Another client sets the number again and again, and is not fought; the trail says what it would be."""
    if decision.replicas == current and decision.due is None:
        return decision
    because = f"{by} sets the number, too, and is not fought: would be {decision.replicas} ({decision.message})"
    return decision.then(Step(Rule.CONTESTED, decision.replicas, current, because))


def _wants_workers(decision: Decision) -> bool:
    """Whether work that waits is to be done now: not in the next run, when it is due, or when a pause is over."""
    return bool(decision.trail[0].after) and decision.due is None and not decision.kept_at_zero


def first_seen_work(
    before: Mapping[str, datetime], snapshot: FleetSnapshot, decisions: Mapping[str, Decision]
) -> dict[str, datetime]:
    """Since when each sleeping pool has had work waiting: where the time to wake it is counted from.

    Messages that wait for their own time, for the pool's next run, or until they are due are none.
    """
    return {
        name: since(before.get(name), snapshot.at)
        for name, pool in snapshot.pools.items()
        if not pool.current and isinstance(pool.ready, int) and pool.ready and _wants_workers(decisions[name])
    }
