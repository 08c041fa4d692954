"""What is wrong in a pool, seen over time: stuck workers, starved queues, foreign consumers.

A single look proves nothing: a worker that was just started consumes in a moment, and a broker counts for a while the
consumer of one that has ended. So each symptom must have lasted before it is said, and is said with its evidence.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.api.patience import Patience
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.changed import Kept
from utilitarian_operator.core.diagnosis.silence import causes
from utilitarian_operator.core.draining import steps as drain
from utilitarian_operator.core.draining.plan import slow_farewell
from utilitarian_operator.core.draining.workers import pool_workers
from utilitarian_operator.core.labels import node_name
from utilitarian_operator.core.moments import since
from utilitarian_operator.core.observation.broker_settings import TOO_LARGE
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.observation.own_queues import owed
from utilitarian_operator.core.wording import named, number, plural

STUCK = "Stuck"
STARVED = "Starved"
RUN_MISSED = "RunMissed"
SLOW_DRAIN = "SlowDrain"
MUTE = "Mute"
FOREIGN_CONSUMERS = "ForeignConsumers"
REASONS = (STUCK, STARVED, RUN_MISSED, SLOW_DRAIN, MUTE, FOREIGN_CONSUMERS)
"""The most serious first."""

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a pool that a person should know of.

    Args:
        reason: one of `REASONS`.
        message: the evidence, and what follows from it.
        pods: that are concerned, those longest in this state first.
    """

    reason: str
    message: str
    pods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SymptomHistory:
    """What is remembered of one pool's symptoms; small, and lost without harm: all then begins anew.

    Args:
        since: when each pod has shown one, by pod.
        heard: pods that have answered once.
        standing: tasks that the workers had begun, and since when that has not changed although work waits.
        foreign_since: since when there have been consumers that are not ours.
        unheard_since: since when none of the workers that run has ever answered.
    """

    since: Mapping[str, datetime] = field(default_factory=dict)
    heard: frozenset[str] = frozenset()
    standing: tuple[int, datetime] | None = None
    foreign_since: datetime | None = None
    unheard_since: datetime | None = None


_NO_SYMPTOMS = SymptomHistory()


@dataclass(frozen=True, slots=True)
class _Symptom:
    """What one worker shows at one look, and how long it must last to be said."""

    what: str
    patience: timedelta
    state: str = "is ready and"


def examine(
    fleet: Fleet, snapshot: FleetSnapshot, before: Mapping[str, SymptomHistory], kept: Kept | None = None
) -> tuple[dict[str, tuple[Finding, ...]], dict[str, SymptomHistory]]:
    """What is wrong in each pool, the most serious first, and what to remember; both by pool name.

    Args:
        fleet: what runs.
        snapshot: of this look, which must have reached the broker.
        before: of the last look.
        kept: what the look before has made.
    """
    waits, kept = fleet.patience, kept or Kept()
    answering = any(_answered(pod) for pool in snapshot.pools.values() for pod in pool.pods)
    findings: dict[str, tuple[Finding, ...]] = {}
    histories: dict[str, SymptomHistory] = {}
    for pool in fleet.pools:
        seen, symptoms = snapshot.pools[pool.name], before.get(pool.name, _NO_SYMPTOMS)
        if not seen.pods and not seen.foreign:
            findings[pool.name], histories[pool.name] = (), _NO_SYMPTOMS
            continue
        shown_now = kept.of(pool.name, _all_symptoms, pool, seen, symptoms.heard, waits, answering)
        shown = _told(shown_now, seen, snapshot)
        symptoms = _followed(seen, symptoms, shown, snapshot, kept.of(pool.name, _heard, seen, symptoms.heard))
        histories[pool.name] = symptoms
        mute = _mute(pool, symptoms, fleet, snapshot)
        found = [*_said(pool, seen, symptoms, shown, snapshot.at, waits), *mute]
        findings[pool.name] = tuple(sorted(found, key=lambda it: REASONS.index(it.reason)))
    return findings | dict(_of_removed(snapshot)), histories


def _of_removed(snapshot: FleetSnapshot) -> Iterator[tuple[str, tuple[Finding, ...]]]:
    """The pools that are no longer asked for and whose workers take long to leave: they hold places of the fleet."""
    for name, seen in snapshot.leftover.items():
        slow = slow_farewell(seen, snapshot.at)
        if slow and seen.reported is not None:
            why = "the pool is no longer asked for, and goes when its last worker has"
            yield name, (Finding(SLOW_DRAIN, f"{_who_is_slow(seen.reported.grace, slow)}; {why}", slow),)


def _told(shown: Mapping[str, _Symptom], seen: PoolSnapshot, snapshot: FleetSnapshot) -> Mapping[str, _Symptom]:
    """The symptoms that tell of a worker: silence tells nothing where none could be asked, or one said too much.

    Nor does that of a worker which says its queues alone: it lives, and can't tell of its tasks.
    """
    if snapshot.mute is not None:
        return {}
    all_may, partly = TOO_LARGE in snapshot.about.unreadable, snapshot.about.partly
    silent = {pod.name for pod in seen.pods if pod.word is None and (all_may or node_name(pod.name) in partly)}
    return {pod: symptom for pod, symptom in shown.items() if pod not in silent}


def _followed(
    seen: PoolSnapshot,
    symptoms: SymptomHistory,
    shown: Mapping[str, _Symptom],
    snapshot: FleetSnapshot,
    heard: frozenset[str],
) -> SymptomHistory:
    now = snapshot.at
    return SymptomHistory(
        since={pod: since(symptoms.since.get(pod), now) for pod in shown},
        heard=heard,
        standing=_standing(seen, symptoms, now),
        foreign_since=since(symptoms.foreign_since, now) if seen.foreign else None,
        unheard_since=_unheard_since(seen, symptoms.unheard_since, heard, snapshot),
    )


def _heard(seen: PoolSnapshot, before: frozenset[str]) -> frozenset[str]:
    """The pods whose worker has answered by now."""
    return frozenset(pod.name for pod in seen.pods if pod.name in before or _answered(pod))


def _answered(pod: PodSnapshot) -> bool:
    return pod.word is not None and not pod.blank


def _said(
    pool: Pool,
    seen: PoolSnapshot,
    symptoms: SymptomHistory,
    shown: Mapping[str, _Symptom],
    now: datetime,
    waits: Patience,
) -> Iterator[Finding]:
    stuck = {pod: symptom for pod, symptom in shown.items() if now - symptoms.since[pod] >= symptom.patience}
    if stuck:
        yield _stuck(stuck, symptoms)
    if symptoms.standing is not None and now - symptoms.standing[1] >= waits.no_progress and not stuck:
        yield Finding(STARVED, _why_starved(pool, seen, now - symptoms.standing[1]))
    marked = any(pod.marked is not None for pod in seen.pods)
    leaving = pool_workers(pool, seen, now, gives_back=False)  # what waits in them for its ETA is held, too
    slow = drain.slow(leaving, pool.drain_timeout, now) if marked else ()
    if slow:
        yield Finding(SLOW_DRAIN, _who_is_slow(pool.drain_timeout, slow), tuple(slow))
    unexpected = pool.foreign_consumers == "Unexpected"
    if unexpected and symptoms.foreign_since is not None and now - symptoms.foreign_since >= waits.foreign:
        yield Finding(FOREIGN_CONSUMERS, _who_consumes(seen))


def _unheard_since(
    seen: PoolSnapshot, before: datetime | None, heard: frozenset[str], snapshot: FleetSnapshot
) -> datetime | None:
    """While workers could be asked; of a container that was started again nothing was heard before."""
    running = [pod for pod in seen.pods if pod.running and pod.staying]
    if snapshot.mute is not None or not running or any(pod.name in heard for pod in running):
        return None
    return since(before, snapshot.at)


def _mute(pool: Pool, symptoms: SymptomHistory, fleet: Fleet, snapshot: FleetSnapshot) -> Iterator[Finding]:
    """A worker with a single thread answers nothing while it runs a task, which may be the first that it got."""
    patience = fleet.patience.mute
    patience = max(patience, pool.drain_timeout) if pool.worker.execution == "solo" else patience
    if symptoms.unheard_since is not None and snapshot.at - symptoms.unheard_since >= patience:
        unheard = symptoms.unheard_since.strftime("%H:%M:%SZ")
        remedy = causes(fleet.broker, snapshot.about.unreadable)
        yield Finding(MUTE, f"no worker has answered since {unheard}, so none is taken away: {remedy}")


def _who_is_slow(patience: timedelta, slow: Sequence[str]) -> str:
    after = format_duration(patience)
    what = "still hold tasks" if len(slow) > 1 else "still holds tasks"
    return f"{named(slow, MOST_NAMED)} {what} after a drain of {after} (drainTimeout); no task is cut off"


def _all_symptoms(
    pool: Pool,
    seen: PoolSnapshot,
    heard: frozenset[str],
    waits: Patience,
    answering: bool,
) -> dict[str, _Symptom]:
    """What each worker shows, by the name of its pod."""
    shown = dict(_symptoms(pool, seen, heard, waits, answering=answering))
    return shown | dict(_never_ready(pool, seen, heard, waits))


def _symptoms(
    pool: Pool, seen: PoolSnapshot, before: frozenset[str], waits: Patience, *, answering: bool
) -> Iterator[tuple[str, _Symptom]]:
    """What each worker that ought to consume shows.

    A queue whose leader is away says that nothing consumes it: what is in doubt is no sign. Nor is the word of one that
    hands messages to one consumer at a time.
    """
    serving = [pod for pod in seen.pods if pod.serves]
    there = {name: queue.consumers for name, queue in seen.queues.items() if isinstance(queue, Present)}
    consumed = [pod.word.consuming for pod in serving if pod.word is not None and pod.word.consuming is not None]
    heard = bool(before) or any(map(_answered, seen.pods))
    sure = {name: it.consumers for name, it in seen.queues.items() if isinstance(it, Present) and _is_sure(it)}
    unclaimed = {name: consumers - _consume(name, consumed) for name, consumers in sure.items()}
    for pod in serving:
        word, owes = pod.word, owed(pod, serving, there, catches_all=pool.is_catch_all)
        if word is not None and word.consuming is not None:
            yield from _of_one_that_answered(pod, word.consuming, owes, there, sure, waits)
        elif word is None and (answering or pod.name in before):
            idle = [queue in sure and unclaimed[queue] <= 0 for queue in owes or there]
            # One of a catch-all's queues may be another worker's own: only where all are idle it consumes none.
            none_consumes = bool(idle) and (all(idle) if pool.is_catch_all else any(idle))
            yield from _of_a_silent_one(pool, pod, waits, none_consumes=none_consumes, heard=heard)


def _is_sure(queue: Present) -> bool:
    """Whether a queue's consumers are all that it has."""
    return queue.doubt is None and not queue.single


def _never_ready(
    pool: Pool, seen: PoolSnapshot, heard: frozenset[str], waits: Patience
) -> Iterator[tuple[str, _Symptom]]:
    """Workers that run and have not come up; one that was ready once may have lost that to another container."""
    # It is not known what a catch-all consumes: where none of its workers ever answered, none is called ready.
    unknowable = pool.is_catch_all and not heard and not any(map(_answered, seen.pods))
    for pod in seen.pods:
        if not pod.running or not pod.staying or pod.ready or pod.gate is not None or unknowable:
            continue
        if pod.blank or (pod.word is None and pod.name not in heard):
            yield pod.name, _Symptom("has neither answered nor been ready", waits.starts_within, "runs and")


def _of_one_that_answered(
    pod: PodSnapshot,
    consuming: tuple[str, ...],
    owes: Sequence[str],
    there: Iterable[str],
    consumers: Mapping[str, int],
    waits: Patience,
) -> Iterator[tuple[str, _Symptom]]:
    lacking = [queue for queue in (owes if consuming else there) if queue not in consuming]
    unserved = [queue for queue in consumers if queue in consuming and not consumers[queue]]
    if lacking:
        yield pod.name, _Symptom(f"answers and does not consume {lacking[0]}", waits.not_consuming)
    elif unserved:
        what = f"says that it consumes {unserved[0]}, and the broker has no consumer of it"
        yield pod.name, _Symptom(what, waits.not_consuming)


def _consume(queue: str, consumed: Iterable[tuple[str, ...]]) -> int:
    return sum(queue in queues for queues in consumed)


def _of_a_silent_one(
    pool: Pool, pod: PodSnapshot, waits: Patience, *, none_consumes: bool, heard: bool
) -> Iterator[tuple[str, _Symptom]]:
    """One that runs a task in its only thread can't answer, and consumes all the same.

    Where no worker of the pool ever answered the cause is none of this worker's: another would be as mute.
    """
    if none_consumes:
        yield pod.name, _Symptom("neither answers nor consumes", 2 * waits.not_consuming)
    elif heard and pool.worker.execution != "solo":
        yield pod.name, _Symptom("has not answered", waits.mute)


def _stuck(stuck: Mapping[str, _Symptom], symptoms: SymptomHistory) -> Finding:
    pods = sorted(stuck, key=lambda pod: (symptoms.since[pod], pod))
    first = pods[0]
    others = f", and {plural(len(pods) - 1, 'other')}" if len(pods) > 1 else ""
    since = symptoms.since[first].strftime("%H:%M:%SZ")
    message = f"pod {first} {stuck[first].state} {stuck[first].what} since {since}{others}"
    return Finding(STUCK, message, tuple(pods))


def unseen(histories: Mapping[str, SymptomHistory]) -> dict[str, SymptomHistory]:
    """What is left of the symptoms when the broker was not seen at a look: who has answered; all else begins anew."""
    return {pool: SymptomHistory(heard=symptoms.heard) for pool, symptoms in histories.items()}


def _standing(seen: PoolSnapshot, symptoms: SymptomHistory, now: datetime) -> tuple[int, datetime] | None:
    """Since when work has waited while all its workers say that they run nothing and have begun nothing more."""
    if not (isinstance(seen.ready, int) and seen.ready):
        return None
    words = [pod.word for pod in seen.pods if pod.serves]
    samples = [pod.sample for pod in seen.pods if pod.serves]
    free = bool(words) and all(word is not None and not word.active and word.consuming for word in words)
    begun = [sample.begun for sample in samples if sample is not None and sample.begun is not None]
    if not (free and len(begun) == len(words)):
        return None
    total = sum(begun)
    known = symptoms.standing is not None and symptoms.standing[0] == total
    return total, since(symptoms.standing[1] if known and symptoms.standing is not None else None, now)


def _why_starved(pool: Pool, seen: PoolSnapshot, lasted: timedelta) -> str:
    words = [pod.word for pod in seen.pods if pod.serves and pod.word is not None]
    scheduled, reserved = (sum(getattr(word, what) for word in words) for what in ("scheduled", "reserved"))
    span = format_duration(timedelta(seconds=int(lasted.total_seconds())))
    waiting = seen.ready if isinstance(seen.ready, int) else 0
    free = (
        f"{plural(waiting, 'task')} wait and {plural(len(words), 'worker')} free of running tasks began none for {span}"
    )
    if scheduled:
        window = pool.worker.concurrency * max(pool.worker.prefetch_multiplier, 1)
        cause = (
            f"{plural(scheduled, 'task')} with a later time fill what they may hold ({number(window)} a worker); "
            "quorum queues with Celery's native delayed delivery keep such tasks in the broker"
        )
    elif reserved:
        cause = f"they hold {plural(reserved, 'message')} and start none, as workers do whose processes hang"
    elif any(pod.sample is not None and pod.sample.limited for pod in seen.pods if pod.serves):
        cause = "they wait for a task's rate_limit, and hold messages that they tell of in no answer"
    else:
        cause = "the broker hands them none: another consumer goes first (x-single-active-consumer)"
    return f"{free}: {cause}; more workers would not help"


def _who_consumes(seen: PoolSnapshot) -> str:
    queue = max(seen.foreign, key=lambda name: (seen.foreign[name], name))
    count = seen.foreign[queue]
    named = ", ".join(seen.strangers[:MOST_NAMED])
    more = len(seen.strangers) - MOST_NAMED
    names = f": {named}{f' and {number(more)} more' if more > 0 else ''}" if named else "; none of them answers"
    return f"queue {queue} has {plural(count, 'consumer')} that {_are(count)} not this fleet's{names}; left alone"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
