"""Decides a look: from what is asked for, what was seen and what is kept, all that is to happen because of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.names import pool_object
from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.core.at_rest import at_rest, rested, undisturbed, woken
from utilitarian_operator.core.beat.actions import BeatMemory, in_turn, news, repairs
from utilitarian_operator.core.beat.after_workers import after_workers, runs, still_take
from utilitarian_operator.core.beat.snapshot import beat_snapshot
from utilitarian_operator.core.beat.volume_claim import claims
from utilitarian_operator.core.blocker import INVALID_SPEC, SECRET_MISSING, Blocker
from utilitarian_operator.core.changed import Kept, changed
from utilitarian_operator.core.diagnosis.dropped_tasks import dropped_news, newly_dropped
from utilitarian_operator.core.diagnosis.finding_history import Health
from utilitarian_operator.core.diagnosis.memory_kills import with_kills
from utilitarian_operator.core.draining.eviction_guard import guards, idle_since
from utilitarian_operator.core.draining.plan import PendingScaleDown, drain_plans, reviewed, shrinking, works_still
from utilitarian_operator.core.forecast.news import watch, with_missed_runs
from utilitarian_operator.core.forecast.next_starts import upcoming
from utilitarian_operator.core.labels import Owner, owner_of
from utilitarian_operator.core.look import Recorded, Seen, Spec, State, context_of
from utilitarian_operator.core.made import made_objects, said_of_contents
from utilitarian_operator.core.mode import allowed, makes_objects
from utilitarian_operator.core.objects.actions import controlled_by, few_hand_overs, scale_action
from utilitarian_operator.core.objects.drift import all_applied, drifted, known_applied, may_repeat
from utilitarian_operator.core.objects.refusals import Refusals, deletion, scaling, taken
from utilitarian_operator.core.objects.rivals import advice, contests, own_deployments
from utilitarian_operator.core.objects.wanted import CLAIM, DEPLOYMENT, Todo, Wanted, todo
from utilitarian_operator.core.observation.beat import BeatReadings
from utilitarian_operator.core.observation.broker import moved, questions
from utilitarian_operator.core.observation.fleet import Readings, Sightings, fleet_snapshot
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.plan import Event, Figures, KeepSpec, Outcome, Plan, Scale, WriteStatus
from utilitarian_operator.core.reasons import MOST_EVENTS_AT_ONCE, Reason
from utilitarian_operator.core.sizing.decision import Decision
from utilitarian_operator.core.sizing.facts import facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext, decide_fleet, first_seen_work, looked_well
from utilitarian_operator.core.spec.acceptance import MEANWHILE, Judgement
from utilitarian_operator.core.status.change import only_figures_moved, patch, worth_writing
from utilitarian_operator.core.status.report import Reported, StatusInput
from utilitarian_operator.core.status.rollouts import rolled_out, rollouts, unmade
from utilitarian_operator.core.status.status import bare_status, fleet_status, refused_status
from utilitarian_operator.core.wording import named

NOT_ASKED_FOR = "the pool is no longer asked for"
_SAYS_WHY = {SECRET_MISSING}
"""Blockers that say already why the broker can't be seen."""


def step(spec: Spec, seen: Seen, state: State, now: datetime) -> tuple[Plan, State]:
    """Decide one look.

    Args:
        spec: what is asked for.
        seen: at this look.
        state: of the look before.
        now: the one clock.

    Returns:
        All that is to happen, and the state of this look.
    """
    rest = state.rest if undisturbed(state, spec, seen) else None
    if rest is not None and seen.read is not None and seen.read.at < rest.until:
        return Plan(same=tuple(seen.read.broker.sources())), rested(state, seen.read.at)
    state = settled(woken(state), seen.outcome)
    running = spec.running
    if running is None or running.fleet is None or seen.read is None:
        return _nothing_runs(spec, seen, state, now)
    kept = Kept(state.kept)
    fleet, owner = spec.in_force(running.fleet, now), owner_of(seen.resource)
    snapshot, sightings = _snapshot(fleet, seen.read, seen.beat, state, kept)
    asked = questions(snapshot, state.drains.shrinking)
    state = _observed(fleet, snapshot, changed(state, sightings=sightings), kept)
    ours = own_deployments(owner, seen.live) if fleet.mode == "Auto" else {}
    state = changed(state, writers=state.writers.seen(ours, now, seen.scaled))
    figures, state = _sized(spec, fleet, snapshot, state, kept)
    drained = _drained(figures, owner, seen, state, kept)
    plan, state = _with_objects(running, owner, seen, state, drained, now, kept)
    plan = changed(
        plan,
        questions=asked,
        beat=repairs(seen.beat, owner.uid, state.beat, now),
        guards=guards(fleet, figures.snapshot, seen.pods, state.idle),
        replacements=tuple(state.health.replacements(fleet, figures.snapshot)),
        keep=KeepSpec(running.generation, running.written, makes_objects=True),
        refused=state.refusals,
    )
    plan = allowed(plan, fleet.mode, figures.context.contested)
    plan = _with_rollouts(spec, seen, state, plan, figures)
    plan, state = _reported(spec, seen, state, plan, now, kept)
    return plan, changed(state, rest=at_rest(spec, seen, state, plan, rest), kept=kept.makings)


def _snapshot(
    fleet: Fleet, read: Readings, beat: BeatReadings, state: State, kept: Kept
) -> tuple[FleetSnapshot, Sightings]:
    """What is seen of the fleet and of its beat, and what is kept of it for the next look."""
    before, sends = state.sightings, makes_objects(fleet.mode)
    snapshot, sightings = fleet_snapshot(fleet, read, before, kept)
    of_beat, beat_kept = beat_snapshot(fleet, beat, read, before.beat, state.beat, sends=sends)
    return changed(snapshot, beat=of_beat), changed(sightings, beat=beat_kept)


def _observed(fleet: Fleet, snapshot: FleetSnapshot, state: State, kept: Kept) -> State:
    """The state with what a look says of the fleet's health, and of how well it is seen."""
    return changed(
        state,
        started=min(state.started, snapshot.at),  # the clock may have been set back
        health=state.health.examined(fleet, snapshot, kept),
        good_looks=state.good_looks + 1 if looked_well(snapshot) else 0,
        idle=idle_since(snapshot, state.idle),
    )


def _sized(spec: Spec, fleet: Fleet, snapshot: FleetSnapshot, state: State, kept: Kept) -> tuple[Figures, State]:
    """How many workers each pool needs, and the state with what is remembered of it."""
    context = context_of(spec, state, snapshot)
    figures = decide(fleet, state.health.doubted(snapshot), state.health, state.memories, context, kept)
    return figures, changed(
        state,
        runs=figures.runs,
        memories=figures.runs.memories,
        waiting_since=first_seen_work(state.waiting_since, figures.snapshot, figures.decisions),
        drains=changed(state.drains, shrinking=shrinking(figures.snapshot, figures.decisions, state.drains.shrinking)),
    )


def decide(
    fleet: Fleet,
    snapshot: FleetSnapshot,
    health: Health,
    memories: Mapping[str, Memory],
    context: FleetContext,
    kept: Kept,
) -> Figures:
    """Decide how many workers each pool needs.

    Args:
        fleet: what runs.
        snapshot: of this look.
        health: the findings of this look.
        memories: of the look before, by pool name.
        context: what the decision depends on beside the pools.
        kept: what the look before has made.
    """
    seen = {name: kept.of(name, facts, pool, health.starved(name)) for name, pool in snapshot.pools.items()}
    sizes = decide_fleet(fleet, seen, memories, context)
    runs = watch(fleet, snapshot, seen, sizes.decisions, memories, sizes.memories)
    return Figures(
        fleet, snapshot, context, seen, sizes.decisions, with_missed_runs(health.findings, runs.forecasts), runs
    )


def settled(state: State, outcome: Outcome | None) -> State:
    """The state with what became of the last plan."""
    if outcome is None:
        return state
    pending = {it.pool: it.pending for it in outcome.scaled if it.pending is not None}
    refused = {(it.wanted.kind, it.wanted.name) for it in outcome.refused}
    claims_made = (it for it in outcome.tried if it.kind == CLAIM)
    return changed(
        state,
        drains=changed(state.drains, departures={**state.drains.departures, **pending}),
        refusals=outcome.refusals(state.refusals),
        applied=all_applied(outcome.applied, outcome.tried, state.applied, outcome.at),
        claimed=state.claimed or any((it.kind, it.name) not in refused for it in claims_made),
        health=state.health.with_replaced(outcome.replaced),
        written=outcome.written or state.written,
    )


def _nothing_runs(spec: Spec, seen: Seen, state: State, now: datetime) -> tuple[Plan, State]:
    """What is in the way of the first spec; nothing where it is being found out whose its queues are."""
    blockers = _blockers(spec, Refusals())
    if spec.doubted and not blockers:
        return Plan(), state
    events = (*_of_note(state), *_of_blockers(blockers, state.recorded.blockers))
    status = refused_status(blockers, seen.resource["status"], spec.newest.generation, now)
    state = changed(state, recorded=changed(state.recorded, blockers=tuple(blockers)), note="")
    return Plan(events=events, status=_write(status, seen, state, now), conditions=tuple(status["conditions"])), state


def _drained(figures: Figures, owner: Owner, seen: Seen, state: State, kept: Kept) -> Plan:
    """What the pools need whose Deployments are this resource's."""
    deployments, before = seen.live[DEPLOYMENT], seen.read.deployments if seen.read else {}
    ours = {name for name, live in deployments.items() if controlled_by(live, owner.uid)}
    found = drain_plans(figures.fleet, figures.snapshot, figures.decisions, state.drains, kept)
    drains = {pool: drain for pool, drain in found.items() if pool_object(owner.name, pool) in ours}
    because = {pool: figures.decisions[pool].message if pool in figures.decisions else NOT_ASKED_FOR for pool in drains}
    scales = []
    for pool, drain in drains.items():
        name = pool_object(owner.name, pool)
        scale = scale_action(deployments[name], drain.resize.replicas, before.get(name)) if drain.resize else None
        if scale is not None:
            waiting, pending = state.waiting_since.get(pool), drain.pending(figures.snapshot.at)
            scales.append(Scale(pool, scale, because[pool], pending, waiting, drain.farewell))
    return Plan(figures=figures, scales=tuple(scales), drains=drains, because=because)


def _with_objects(  # noqa: PLR0913 - one look, and what the look before has made
    running: Judgement, owner: Owner, seen: Seen, state: State, plan: Plan, now: datetime, kept: Kept
) -> tuple[Plan, State]:
    """The plan with the objects to make, apply, adopt and delete."""
    figures, fleet = plan.figures, running.fleet
    if figures is None or fleet is None:
        return plan, state
    made = made_objects(running, owner, seen, state.made, now, kept)
    state = changed(state, made=made, applied=known_applied(state.applied, made.wanted if made else (), seen.live, now))
    todos = _todo(owner, seen, state, figures.decisions, now, kept)
    actions, ahead = in_turn(todos.actions, seen.beat.rivals, fleet.beat.app)
    sends = runs(seen.beat, seen.resource["status"].get("beat", {}), now, fleet.patience.beat_away)
    what = (owner, fleet, actions, seen.live, state.refusals, still_take(figures.snapshot.leftover))
    actions, behind = after_workers(*what, _repeatable(state, now), beat_runs=sends)
    actions += claims(owner, fleet, seen.beat, made=state.claimed)
    scales = [scaling(it.step) for it in allowed(plan, figures.fleet.mode, figures.context.contested).scales]
    going = [it for it in todos.deletions if not works_still(it.live, figures.snapshot)]
    asked_for = [*(it for it, _ in actions), *todos.taken, *scales, *map(deletion, going)]
    refusals = state.refusals.only(asked_for)
    plan = changed(
        plan,
        scales=tuple(it for it in plan.scales if refusals.due(scaling(it.step), now)),
        objects=tuple(few_hand_overs((it, action) for it, action in actions if refusals.due(it, now))),
        postponed=tuple(it for it, _ in actions if not refusals.due(it, now)),
        ahead=ahead,
        behind=behind,
        deletions=tuple(it for it in going if refusals.due(deletion(it), now)),
    )
    return plan, changed(state, refusals=refusals.noted(todos.taken, map(taken, todos.taken), now))


def _repeatable(state: State, now: datetime) -> Callable[[Wanted, ReadOnlyObject], bool]:
    """Whether an object may be applied that is not as it should be."""
    return lambda it, live: may_repeat(it.manifest, dict(live), state.applied.get((it.kind, it.name)), now)


def _todo(owner: Owner, seen: Seen, state: State, decisions: Mapping[str, Decision], now: datetime, kept: Kept) -> Todo:
    if state.made is None:
        return Todo((), (), ())
    replicas = {name: it.replicas for name, it in decisions.items()}

    def changed(it: Wanted, live: ReadOnlyObject) -> bool:
        return drifted(dict(live), state.applied.get((it.kind, it.name)), now)

    return todo(owner, state.made.wanted, seen.live, replicas, changed, _repeatable(state, now), kept)


def _with_rollouts(spec: Spec, seen: Seen, state: State, plan: Plan, figures: Figures) -> Plan:
    """The plan with its figures, whose snapshot has all that rolls out."""
    new = not rolled_out(seen.resource["status"], spec.newest.generation)
    more = rollouts(plan.objects, seen.live, plan.refused, state.applied, new=new, beat_waits=bool(plan.behind))
    there = tuple(sorted({*figures.snapshot.rolling_out, *more}))
    return changed(plan, figures=changed(figures, snapshot=changed(figures.snapshot, rolling_out=there)))


@dataclass(frozen=True, slots=True)
class _Report:
    """Events, and what has its event after them."""

    events: tuple[Event, ...]
    state: State
    figures: Figures


def _reported(spec: Spec, seen: Seen, state: State, plan: Plan, now: datetime, kept: Kept) -> tuple[Plan, State]:
    """The plan with its events and the status."""
    figures, running = plan.figures, spec.running
    if figures is None or running is None:
        return plan, state
    fleet, snapshot, owner = figures.fleet, figures.snapshot, owner_of(seen.resource)
    blockers = [*_blockers(spec, plan.refused), *contests(owner, fleet, state.writers, seen.rivals)]
    scaled = plan.beat.version if plan.beat.scaled_back else state.beat.scaled
    state = changed(state, beat=BeatMemory(state.beat.recorded, scaled, plan.ahead, plan.behind))
    report = _report(spec, seen, state, plan, figures, blockers, kept)
    generation = running.generation if spec.doubted else spec.newest.generation
    said = (spec.newest.warnings, upcoming(fleet, snapshot.at), figures.findings, figures.runs.forecasts)
    about = StatusInput(generation, blockers, *said, unmade=unmade(owner.uid, seen.live, plan.refused))
    look = Reported(fleet, snapshot, figures.decisions, report.state.memories, seen.resource["status"], about)
    bare, write = bare_status(look, kept), None
    if not only_figures_moved(bare, seen.resource["status"], state.written, now, kept):
        beside = (
            *advice(owner, fleet, seen.live, seen.rivals, state.applied),
            *said_of_contents(running, fleet, seen, state.made),
        )
        write = _write(fleet_status(changed(look, newest=changed(about, advice=beside)), bare), seen, state, now)
    plan = changed(plan, figures=report.figures, events=report.events, status=write)
    return changed(plan, conditions=tuple(bare["conditions"])), report.state


def _write(status: ReadOnlyObject, seen: Seen, state: State, now: datetime) -> WriteStatus | None:
    previous = seen.resource["status"]
    if not worth_writing(status, previous, state.written, now):
        return None
    return WriteStatus(status, patch(status, previous))


def _report(  # noqa: PLR0913 - one look, and what the look before has made
    spec: Spec, seen: Seen, state: State, plan: Plan, figures: Figures, blockers: Sequence[Blocker], kept: Kept
) -> _Report:
    """The events, in this order, and what is counted with them."""
    left, wrong = reviewed(state.drains.departures, figures.snapshot)
    slow = {pod: pool for pool, drain in plan.drains.items() for pod in drain.slow}
    losses, seen_losses = state.losses.new([*seen.pods.values(), *seen.gone], kept)
    named_now = seen.read.broker.name if seen.read is not None else None
    of_another = [Event(Reason.BROKER_CHANGED, it) for it in moved(state.broker, named_now, seen.resource["status"])]
    of_broker, broker = _of_broker(figures.snapshot, blockers, recorded=state.recorded.broker)
    beat_before = seen.resource["status"].get("beat", {})
    of_beat, beat = news(figures.fleet, beat_before, figures.snapshot.beat, state.beat.recorded)
    events = (
        *_of_note(state),
        *_of_victims(state.drains.departures, wrong),
        *_of_blockers(blockers, state.recorded.blockers, runs=makes_objects(figures.fleet.mode)),
        *(Event(Reason(it.cause), it.note()) for it, worth_an_event in losses if worth_an_event),
        *_of_warnings(spec.newest, state.recorded.warnings),
        *_of_findings(state, figures),
        *of_broker,
        *of_another,
        *_of_dropped(state, figures),
        *(Event(reason, note) for reason, note in of_beat),
    )
    warnings = spec.newest.generation if spec.newest.warnings else state.recorded.warnings
    state_after = changed(
        state,
        recorded=Recorded(tuple(blockers), warnings, broker, figures.snapshot.dropped),
        note="",
        broker=named_now or state.broker,
        losses=seen_losses,
        memories=with_kills(figures.fleet, state.memories, [it for it, _ in losses], figures.snapshot.at),
        health=state.health.with_all_recorded(),
        beat=changed(state.beat, recorded=beat),
        drains=state.drains.after(plan.drains, figures.snapshot, left, slow),
    )
    new = {pod: pool for pod, pool in slow.items() if pod not in state.drains.slow}
    lost = tuple((it.pool, it.cause) for it, _ in losses)
    dropped = newly_dropped(figures.fleet, figures.snapshot, state.recorded.dropped)
    return _Report(events, state_after, changed(figures, slow=new, wrong_victims=wrong, losses=lost, dropped=dropped))


def _blockers(spec: Spec, refusals: Refusals) -> list[Blocker]:
    """What keeps the fleet from being as its newest spec asks."""
    wrong = [Blocker(INVALID_SPEC, f"{it}{MEANWHILE}") for it in spec.newest.problems]
    return [*wrong, *spec.blockers, *refusals.blockers]


def _of_note(state: State) -> Iterator[Event]:
    if state.note:
        yield Event(Reason.MEMORY_UNREADABLE, state.note)


def _of_victims(pending: Mapping[str, PendingScaleDown], wrong: Mapping[str, tuple[str, ...]]) -> Iterator[Event]:
    for pool, victims in wrong.items():
        note = f"pool {pool}: {named(victims)} went instead of {named(sorted(pending[pool].going))}"
        yield Event(Reason.WRONG_VICTIM, f"{note}; the preStop hook lets them finish")


def _of_blockers(blockers: Sequence[Blocker], before: Sequence[Blocker], *, runs: bool = True) -> Iterator[Event]:
    for blocker in [it for it in blockers if it not in before][:MOST_EVENTS_AT_ONCE]:
        yield Event(Reason(blocker.reason), blocker.message)
    if before and not blockers:
        what = "the newest spec runs" if runs else "the newest spec is only previewed"
        yield Event(Reason.RECOVERED, f"nothing is in the way any more: {what}")


def _of_warnings(newest: Judgement, recorded: int) -> Iterator[Event]:
    if recorded != newest.generation:
        yield from (Event(Reason.SPEC_WARNING, str(it)) for it in newest.warnings[:MOST_EVENTS_AT_ONCE])


def _of_findings(state: State, figures: Figures) -> Iterable[Event]:
    runs = ((Reason(it.reason), it.note) for it in figures.runs.news)
    return [Event(reason, note) for reason, note in (*state.health.news(), *runs)][:MOST_EVENTS_AT_ONCE]


def _of_dropped(state: State, figures: Figures) -> Iterable[Event]:
    notes = dropped_news(figures.fleet, figures.snapshot, state.recorded.dropped)
    return [Event(Reason.TASKS_DROPPED, it) for it in notes][:MOST_EVENTS_AT_ONCE]


def _of_broker(
    snapshot: FleetSnapshot, blockers: Sequence[Blocker], *, recorded: bool
) -> tuple[tuple[Event, ...], bool]:
    """What is recorded of the broker, and whether it was recorded that it can't be reached."""
    if snapshot.broker is None:
        return ((Event(Reason.BROKER_REACHABLE, "the broker answers again"),) if recorded else ()), False
    if recorded or any(it.reason in _SAYS_WHY for it in blockers):
        return (), recorded
    note = f"{snapshot.broker.why}; no worker is added or taken away until it answers"
    return (Event(Reason.BROKER_UNREACHABLE, note),), True
