"""Which of a broker's settings probably don't go well with a fleet, as advice."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.api.patience import Patience
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.diagnosis.consumer_timeout import timeout_advice
from utilitarian_operator.core.diagnosis.dropped_tasks import dropped_advice
from utilitarian_operator.core.diagnosis.silence import SAYS_TOO_MUCH, causes
from utilitarian_operator.core.labels import node_name
from utilitarian_operator.core.observation.broker_settings import (
    TOO_LARGE,
    BrokerSettings,
    at_least,
    delivery_limit,
)
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present, QueueSnapshot
from utilitarian_operator.core.sizing.memory import FRESH, Memory, longest_seen
from utilitarian_operator.core.sizing.when_due import longest_start_up_s
from utilitarian_operator.core.wording import named, number, plural, seconds

MOST = 20
"""Sentences of advice at a time; the others follow when these are done."""

MOST_NAMED = 5
"""Workers of a pool that are named in one sentence."""

HANDED_OVER = timedelta(seconds=5)
"""A task that is due later, and is in a worker all the same, was not kept back by the broker."""

_NATIVE = {
    "istio-proxy": 'let Istio make it a native sidecar: pod.annotations: {sidecar.istio.io/nativeSidecar: "true"}',
    "linkerd-proxy": (
        "let Linkerd make it a native sidecar: pod.annotations: "
        '{config.linkerd.io/proxy-enable-native-sidecar: "true"} (config.beta.linkerd.io/… before 2.20)'
    ),
}
"""What has a mesh's proxy end after the worker, by its container."""


def advice(fleet: Fleet, snapshot: FleetSnapshot, memories: Mapping[str, Memory]) -> tuple[str, ...]:
    """What had better be changed, each a sentence with where, why and what to do; at most `MOST`.

    Args:
        fleet: what runs.
        snapshot: of this look.
        memories: by pool name.
    """
    settings = snapshot.about
    found = [*_of_the_broker(settings, snapshot, fleet.patience), *_of_delayed_delivery(settings)]
    for pool in fleet.pools:
        memory = memories.get(pool.name, FRESH)
        for name, queue in snapshot.pools[pool.name].queues.items():
            found += _of_a_queue(pool, name, settings)
            found += _of_one_at_a_time(pool, name, queue, settings)
        found += timeout_advice(pool, snapshot.pools[pool.name], memory, settings, snapshot.at)
        found += _of_prefetch(pool, snapshot.pools[pool.name], memory)
        found += _of_later_tasks(pool, snapshot, settings)
        found += _of_tasks_never_begun(pool, snapshot.pools[pool.name])
        found += _of_queues_that_stay(pool, snapshot.pools[pool.name])
        found += (*_of_silence(fleet, pool, snapshot), *_of_one_that_says_too_much(fleet, pool, snapshot))
        found += _of_one_that_says_a_part(fleet, pool, snapshot)
        found += _of_a_proxy(pool, snapshot.pools[pool.name])
        found += (*_of_expiry(pool, snapshot, memory), *dropped_advice(pool, snapshot))
    return tuple(found[:MOST])


def _of_the_broker(settings: BrokerSettings, snapshot: FleetSnapshot, waits: Patience) -> Iterator[str]:
    """A worker whose remote control is refused can't tell its version of Celery either."""
    if not at_least(settings.version, 4, 3) or at_least(settings.celery, 5, 7):
        return
    if settings.celery is not None or _none_answers(snapshot, waits):
        which = f"Celery {settings.celery}" if settings.celery else "workers of which none answers"
        yield (
            f"RabbitMQ {settings.version} with {which}: the mailbox of Celery up to 5.6 is refused where "
            "transient_nonexcl_queues is not permitted, as newer versions will, and a worker that can't be asked is "
            "never led out; use Celery 5.7 or newer"
        )


def _of_delayed_delivery(settings: BrokerSettings) -> Iterator[str]:
    """RabbitMQ up to 4.0.0 takes a message that expires into the same queue again for a cycle, and drops it.

    Celery takes the headers away that it goes by from 5.6.3 on (celery #9867, and the sources of 5.6.2 and 5.6.3).
    """
    known = settings.delayed is not None and settings.celery is not None and settings.version is not None
    if not known or at_least(settings.celery, 5, 6, 3) or at_least(settings.version, 4, 0, 1):
        return
    yield (
        f"Celery {settings.celery} with RabbitMQ {settings.version}: a task that waits in the broker for its time "
        "(native delayed delivery) and is retried may be dropped without a word; use Celery 5.6.3 or newer, or "
        "RabbitMQ 4.0.1"
    )


def _none_answers(snapshot: FleetSnapshot, waits: Patience) -> bool:
    serving = [pod for pool in snapshot.pools.values() for pod in pool.pods if pod.serves]
    return bool(serving) and all(
        pod.word is None and isinstance(pod.held, Unknown) and snapshot.at - pod.held.since >= waits.unread
        for pod in serving
    )


def _of_a_queue(pool: Pool, queue: str, settings: BrokerSettings) -> Iterator[str]:
    declared = settings.queues.get(queue)
    if declared is None:
        return
    has = declared.settings
    limit = delivery_limit(settings, queue)
    if limit is not None and "dead-letter-exchange" not in has:
        yield (
            f"pool {pool.name}, queue {queue}: a message is dropped after {number(limit)} deliveries (a worker's "
            "death counts as one for all that it held); set a policy with a dead-letter-exchange"
        )
    yield from _of_its_end(pool, queue, has)


def _of_one_at_a_time(pool: Pool, name: str, queue: QueueSnapshot, settings: BrokerSettings) -> Iterator[str]:
    """By the management API, or by the pool's own workers."""
    declared = settings.queues.get(name)
    known = declared is not None and declared.settings.get("single-active-consumer") is True
    said = isinstance(queue, Present) and queue.single
    if (known or said) and pool.scaling.max > 1:
        yield (
            f"pool {pool.name}, queue {name}: only one consumer at a time gets messages (x-single-active-consumer), "
            f"and scaling.max is {number(pool.scaling.max)}; set it to 1"
        )


def _of_its_end(pool: Pool, queue: str, has: Mapping[str, Any]) -> Iterator[str]:
    """A queue that goes when none consumes it, as while its pool sleeps, takes with it what waits in it."""
    if pool.scaling.min:
        return
    if has.get("auto-delete") is True:
        yield (
            f"pool {pool.name}, queue {queue}: the broker deletes it with its last consumer (auto_delete), and a pool "
            "may have none: tasks that are sent then are lost; set scaling.min to 1, or declare it without auto_delete"
        )
    expires = has.get("expires")
    if isinstance(expires, int):
        after = format_duration(timedelta(milliseconds=expires))
        yield (
            f"pool {pool.name}, queue {queue}: the broker deletes it, with the tasks in it, when it was not used for "
            f"{after} (expires): the operator's own questions keep it, and without an operator nothing does while "
            "the pool sleeps; set scaling.min to 1, or take expires away"
        )


def _of_prefetch(pool: Pool, seen: PoolSnapshot, memory: Memory) -> Iterator[str]:
    """Messages reserved behind long tasks wait for them, even while other workers are idle."""
    acked_early = any(pod.sample is not None and pod.sample.acked_early for pod in seen.pods)
    promise = pool.scaling.drain_within
    if acked_early and pool.worker.prefetch_multiplier != 1 and longest_seen(memory) > promise.total_seconds():
        yield (
            f"pool {pool.name}: the longest task took {seconds(longest_seen(memory))}, longer than drainWithin "
            f"({format_duration(promise)}), and messages wait behind it in its worker; set worker.prefetchMultiplier "
            "to 1, or acknowledge late in the application"
        )


def _of_later_tasks(pool: Pool, snapshot: FleetSnapshot, settings: BrokerSettings) -> Iterator[str]:
    """The broker hands a task that it kept over in its last second: one that waits longer in a worker was not kept."""
    held = [pod.held for pod in snapshot.pools[pool.name].pods if isinstance(pod.held, WorkerLoad)]
    if settings.delayed is not None and any(it.first_due and it.first_due - snapshot.at > HANDED_OVER for it in held):
        yield (
            f"pool {pool.name}: tasks with a later time wait inside a worker, although Celery has queues for them in "
            "the broker (native delayed delivery); that needs a topic exchange, and Celery 5.5 or newer at the sender"
        )


def _of_tasks_never_begun(pool: Pool, seen: PoolSnapshot) -> Iterator[str]:
    """The first of the workers that have any."""
    for pod in seen.pods:
        if pod.word is not None and pod.word.never_begun:
            yield (
                f"pool {pool.name}: worker {pod.name} calls {plural(pod.word.never_begun, 'task')} active and never "
                "began any of them; Celery 5.7 loses such tasks on threads after its broker was away, unless "
                "the application sets worker_enable_prefetch_count_reduction to False"
            )
            return


def _of_silence(fleet: Fleet, pool: Pool, snapshot: FleetSnapshot) -> Iterator[str]:
    """Said while workers could be asked and none of the pool's has answered, nor did when it was asked slowly."""
    running, silent = _silent(snapshot.pools[pool.name])
    since = min(silent.values(), default=snapshot.at)
    lasts = snapshot.at - since >= _patience(pool, fleet.patience.mute)
    says_nothing = any(node_name(name) not in snapshot.about.partly for name in silent)
    if snapshot.mute is None and running and len(silent) == running and lasts and says_nothing:
        remedy = causes(fleet.broker, snapshot.about.unreadable)
        yield f"pool {pool.name}: none of its {plural(running, 'worker')} answers, so none is taken away; {remedy}"


def _of_one_that_says_too_much(fleet: Fleet, pool: Pool, snapshot: FleetSnapshot) -> Iterator[str]:
    """Whose answer was too large is not known: the answer is not read."""
    running, silent = _silent(snapshot.pools[pool.name])
    patience = _patience(pool, fleet.patience.unread)
    names = sorted(name for name, since in silent.items() if snapshot.at - since >= patience)
    if snapshot.mute is None and TOO_LARGE in snapshot.about.unreadable and names and len(silent) < running:
        yield (
            f"pool {pool.name}: an answer is too large to be read, {SAYS_TOO_MUCH}; workers that say nothing count as "
            f"busy and are not taken away: {named(names, MOST_NAMED)}"
        )


def _of_one_that_says_a_part(fleet: Fleet, pool: Pool, snapshot: FleetSnapshot) -> Iterator[str]:
    """Celery tells of tasks that wait with their arguments, and sends no answer at all where these are no JSON."""
    _, silent = _silent(snapshot.pools[pool.name])
    patience, about = _patience(pool, fleet.patience.unread), snapshot.about
    names = sorted(it for it, at in silent.items() if snapshot.at - at >= patience and node_name(it) in about.partly)
    if snapshot.mute is None and names and not about.unreadable:
        yield (
            f"pool {pool.name}: workers say which queues they consume and not what they hold, probably since arguments "
            "of tasks that wait in them are no JSON (set task_serializer to json in the application); they count as "
            f"busy meanwhile: {named(names, MOST_NAMED)}"
        )


def _silent(seen: PoolSnapshot) -> tuple[int, dict[str, datetime]]:
    """How many workers of a pool run and stay, and since when each of those is silent that say nothing."""
    running = [pod for pod in seen.pods if pod.running and pod.staying]
    unheard = {it.name: it.held.since for it in running if it.word is None and isinstance(it.held, Unknown)}
    return len(running), unheard


def _patience(pool: Pool, otherwise: timedelta) -> timedelta:
    """How long a worker may be silent; one with a single thread is while it runs a task."""
    return max(otherwise, pool.drain_timeout) if pool.worker.execution == "solo" else otherwise


def _of_queues_that_stay(pool: Pool, seen: PoolSnapshot) -> Iterator[str]:
    """A queue of one worker alone that is not deleted with it, as Celery's worker_direct makes them."""
    staying = {queue for pod in seen.pods if pod.word is not None for queue in pod.word.own - pod.word.passing}
    if staying:
        yield (
            f"pool {pool.name}: each worker has a queue of its own, which stays on the broker for ever when the worker "
            f"is gone ({min(staying)}: Celery's worker_direct makes such); set a policy with expires for their names"
        )


def _of_a_proxy(pool: Pool, seen: PoolSnapshot) -> Iterator[str]:
    """The first that is seen: a mesh puts the same into all pods."""
    for name in sorted({pod.early_proxy for pod in seen.pods if pod.staying} - {""})[:1]:
        yield (
            f"pool {pool.name}: the container {name} of its pods ends at the same signal as the worker's preStop hook "
            "begins, and takes the worker's connections along: in a rollout, an eviction or a kubectl delete a busy "
            "worker is cut off from its broker, and tasks that are acknowledged late run twice; "
            f"{_NATIVE[name]}"
        )


def _of_expiry(pool: Pool, snapshot: FleetSnapshot, memory: Memory) -> Iterator[str]:
    """The task that expires first of those whose pool may let them wait for longer."""
    queues, promise = snapshot.pools[pool.name].queues, pool.scaling.drain_within
    here = [it for it in snapshot.about.expiring if it.queue in queues and it.after < promise]
    if not here:
        return
    first = min(here, key=lambda it: it.after)
    asleep, how = _wait_of_a_sleeping_pool(pool, memory)
    expires = f"pool {pool.name}, queue {first.queue}: {first.what} expires after {format_duration(first.after)}"
    if asleep is not None and first.after < asleep:
        yield (
            f"{expires}, and a pool without a worker {how}: it is dropped then without being run; let it expire later "
            f"than drainWithin ({format_duration(promise)}), or set scaling.min to 1"
        )
    else:
        yield (
            f"{expires}, and a task may wait for drainWithin ({format_duration(promise)}): one that expires meanwhile "
            "is dropped without being run; where that is not meant, set scaling.drainWithin below it"
        )


def _wait_of_a_sleeping_pool(pool: Pool, memory: Memory) -> tuple[timedelta | None, str]:
    """How long the first task waits, in words too; None where a worker always stands, or no start was measured."""
    if pool.scaling.min or pool.is_catch_all:
        return None, ""
    if pool.scaling.wake == "WhenDue":
        return pool.scaling.drain_within, "lets its first task wait as long as drainWithin allows (wake: WhenDue)"
    u = longest_start_up_s(pool, memory)
    return (None, "") if u is None else (timedelta(seconds=u), f"needs {seconds(u)} to start one")
