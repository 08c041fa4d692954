"""When a fleet is at rest: nothing is to do, and only something new, or the end of a short while, can change that.

Most looks of most fleets find what the look before has found. Such a look is compared and not decided anew, at a small
part of the cost. What is new is decided at once, as ever. What time alone brings about is decided at the end of the
while: a run that begins ends it, and what is counted down (idleAfter, a drain, a sign that must last) is no rest.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.beat.duplicates import also_beat
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.labels import node_name
from utilitarian_operator.core.look import Rest, Seen, Spec, State
from utilitarian_operator.core.observation.beat import BeatReadings
from utilitarian_operator.core.observation.broker import BrokerSnapshot
from utilitarian_operator.core.observation.fleet import ANSWER_HOLDS_S, Readings
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.plan import Figures, Plan
from utilitarian_operator.core.sizing.decision import Decision, Rule
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import GOOD_LOOKS
from utilitarian_operator.core.sizing.runs.run_times import coming_start

SHORTEST, LONGEST = timedelta(seconds=5), timedelta(seconds=30)
"""After so long a fleet at rest is decided anew, whatever is seen: the longer it has been at rest, the later."""

OF_THE_TIME = 6
"""What time alone brings about, by then, is late by no more than such a part of the time that it took."""

_TIMELESS = {Rule.DEMAND, Rule.BOUNDS, Rule.HOLD}
"""Rules whose word is the same as long as the facts are; that of a pool which waits for its next run until then."""


def _all_but(kind: type[Any], *but: str) -> Callable[[Any], tuple[Any, ...]]:
    """The values of all fields of a kind of value but some; what is added to it later is one of them."""
    return attrgetter(*(it.name for it in fields(kind) if it.name not in but))


_SEEN = _all_but(Seen, "resource", "read", "outcome", "beat")
_BEAT = _all_but(BeatReadings, "others")
_READ = _all_but(Readings, "at", "workers", "broker")
_BROKER = _all_but(BrokerSnapshot, "at", "answers", "samples", "worked", "seen_at")
_WORD = _all_but(WorkerLoad, "oldest_s", "took_s", "up_s")
"""What a worker says, but for how long it has run and how long its answer took."""


def undisturbed(state: State, spec: Spec, seen: Seen) -> bool:
    """Whether all is as it was when a fleet came to rest, and it was looked at all the time.

    Args:
        state: of the look before.
        spec: what is asked for.
        seen: at this look.
    """
    rest, read = state.rest, seen.read
    if rest is None or read is None or not timedelta() <= read.at - rest.last <= SHORTEST:
        return False
    before = rest.seen
    if before.read is None or seen.outcome is None or spec != rest.spec:
        return False
    done = seen.outcome.recorded and seen.outcome.failed is None
    same = seen.resource is before.resource and _SEEN(seen) == _SEEN(before) and _BEAT(seen.beat) == _BEAT(before.beat)
    return done and same and not seen.gone and _same_readings(before.read, read) and _no_other_beat(state, spec, seen)


def _no_other_beat(state: State, spec: Spec, seen: Seen) -> bool:
    """Whether the pods of others have the beats that they had; they are read now and then, and change all the time."""
    fleet = None if spec.running is None else spec.running.fleet
    if seen.beat.others is None or fleet is None:
        return True
    return also_beat(seen.beat.others, fleet.beat.app) == state.sightings.beat.others


def rested(state: State, at: datetime) -> State:
    """The state after one more look, of a moment, at which all was as before."""
    return state if state.rest is None else changed(state, rest=changed(state.rest, last=at))


def woken(state: State) -> State:
    """The state with which a fleet is decided anew: it was looked at until the end of its rest."""
    if state.rest is None:
        return state
    last, before = state.rest.last, state.sightings
    memories = {name: changed(it, looked_at=last) for name, it in state.memories.items()}
    beginnings = {name: changed(it, at=last) for name, it in before.beliefs.beginnings.items()}
    sightings = changed(
        before, drops=changed(before.drops, at=last), beliefs=changed(before.beliefs, beginnings=beginnings)
    )
    return changed(state, memories=memories, sightings=sightings, health=changed(state.health, at=last), rest=None)


def at_rest(spec: Spec, seen: Seen, state: State, plan: Plan, before: Rest | None = None) -> Rest | None:
    """Whether a fleet is at rest after a look.

    The time is that of the reading, as all is decided by it: what begins while all is read has not begun yet.

    Args:
        spec: what is asked for.
        seen: at the look.
        state: after it.
        plan: of it.
        before: the rest that goes on; None where the fleet was not at rest, or was disturbed.
    """
    figures = plan.figures
    if figures is None or not _nothing_to_do(plan) or not _settled(spec, seen, state, figures):
        return None
    at = figures.snapshot.at
    since = at if before is None else before.since
    lasts = min(max((at - since) / OF_THE_TIME, SHORTEST), LONGEST)
    until = min([at + lasts, *_openings(spec, figures.fleet, at)])
    return Rest(spec, seen, until, at, since) if until > at else None


def _nothing_to_do(plan: Plan) -> bool:
    drains = any(
        (it.resize, it.steps, it.gates, it.returns, it.slow, it.farewell) != _NO_DRAIN for it in plan.drains.values()
    )
    todo = (
        *plan.scales,
        *plan.objects,
        *plan.postponed,
        *plan.ahead,
        *plan.behind,
        *plan.deletions,
        *plan.guards,
        *plan.events,
    )
    beat = plan.beat.scaled_back or plan.beat.replace
    return not (todo or drains or beat or plan.replacements or plan.status or plan.refused.blockers)


_NO_DRAIN = (None, (), (), (), (), False)


def _settled(spec: Spec, seen: Seen, state: State, figures: Figures) -> bool:
    """Whether nothing is in the way, in doubt, counted down or about to end."""
    snapshot = figures.snapshot
    unseen = snapshot.broker or snapshot.statistics or snapshot.mute or spec.doubted or spec.blockers
    moves = snapshot.rolling_out or snapshot.leftover or seen.gone or state.drains.departures or state.waiting_since
    if (
        unseen
        or moves
        or spec.newest is not spec.running
        or state.good_looks < GOOD_LOOKS
        or figures.fleet.mode != "Auto"
    ):
        return False
    if seen.read is None or seen.read.behind or seen.read.usage or any(figures.findings.values()):
        return False
    return all(
        _pool_rests(snapshot.pools[pool.name], figures.decisions[pool.name], state.memories[pool.name])
        for pool in figures.fleet.pools
    )


def _pool_rests(seen: PoolSnapshot, decision: Decision, memory: Memory) -> bool:
    waits = (
        memory.waiting_since,
        memory.asked_since,
        memory.eta_sleep,
        memory.first_worker_since,
        memory.first_worker_turn,
    )
    if memory.runs or any(it is not None for it in waits) or any(it.rule not in _TIMELESS for it in decision.trail):
        return False
    doubtful = seen.foreign or seen.strangers or seen.pod_failure or seen.unlearned or seen.unacked != 0
    flows = seen.arrived or seen.left
    workers = decision.replicas == (seen.replicas or 0) == len(seen.pods) and seen.replicas is not None
    return workers and not doubtful and not flows and _empty(seen) and all(map(_idles, seen.pods))


def _empty(seen: PoolSnapshot) -> bool:
    return all(
        isinstance(it, Present) and not it.ready and not it.most and it.doubt is None for it in seen.queues.values()
    )


def _idles(pod: PodSnapshot) -> bool:
    held = pod.held
    open_gate = pod.gate is True or not pod.gated
    said = isinstance(held, WorkerLoad) and held.nothing and bool(held.consuming)
    new = pod.started_up or pod.usage or pod.completed or pod.blank or pod.lasted_s
    return said and open_gate and pod.serves and pod.caught_up and not new


def _openings(spec: Spec, fleet: Fleet, at: datetime) -> Iterator[datetime]:
    """When the next run of each schedule is prepared for, and when runs begin that a person has asked for."""
    yield from (coming_start(it, at) - it.warm_up for pool in fleet.pools for it in pool.schedule)
    yield from (it.start for it in spec.newest.by_hand.runs.values() if it.start > at)


def _same_readings(before: Readings, read: Readings) -> bool:
    after = read.broker
    return (
        not read.behind
        and not read.usage
        and (after.failed, after.mute) == (None, None)
        and _READ(read) == _READ(before)
        and _BROKER(after) == _BROKER(before.broker)
        and _same_words(before, read, read.pods)
    )


def _same_words(before: Readings, read: Readings, pods: Iterable[str]) -> bool:
    """Whether each worker has said what it said before, and not long ago; beat, which is not asked, says nothing."""
    for pod in pods:
        node = node_name(pod)
        one = before.workers.answer(node, before.workers.at - ANSWER_HOLDS_S)
        other = read.workers.answer(node, read.workers.at - ANSWER_HOLDS_S)
        if one is not other and (one is None or other is None or _WORD(one) != _WORD(other)):
            return False
    return True
