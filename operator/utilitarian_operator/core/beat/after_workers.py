"""A new version comes to the workers first, and to beat when no old worker takes tasks any more.

Celery throws a task away that its worker doesn't know (`Received unregistered task`). A new beat may send such a task,
and during a rollout old workers are on the same queues.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TypeAlias

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.core.containers import spec_of_ours
from utilitarian_operator.core.labels import POOL_LABEL, Owner
from utilitarian_operator.core.moments import apart
from utilitarian_operator.core.objects import manifests
from utilitarian_operator.core.objects.actions import RENEWING, Action, Apply, controlled_by
from utilitarian_operator.core.objects.refusals import Refusals
from utilitarian_operator.core.objects.wanted import (
    DEPLOYMENT,
    STATEFUL_SET,
    Live,
    Wanted,
    contents_on,
    is_applied,
    todo,
)
from utilitarian_operator.core.observation.beat import BeatReadings
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.pod_failures import rolls_out

Due: TypeAlias = list[tuple[Wanted, Action]]
"""What is to be done, each with the object that it is for."""


def after_workers(  # noqa: PLR0913 - what is due, what is there, and of whom
    owner: Owner,
    fleet: Fleet,
    actions: Due,
    live: Live,
    refusals: Refusals,
    old_pools: Collection[str] = (),
    may_repeat: Callable[[Wanted, Object], bool] = lambda _, __: True,
    *,
    beat_runs: bool = True,
) -> tuple[Due, tuple[str, ...]]:
    """The actions without the one that brings beat to another version while old workers take tasks; their Deployments.

    What beat's Secrets hold comes to it meanwhile, in the version that runs. A beat that doesn't run, or is to be
    scaled back to one, waits for nothing. What the API server refuses, or is at zero, has no rollout that would end.

    Args:
        owner: the resource.
        fleet: what runs.
        actions: that are due.
        live: the objects seen.
        refusals: what the API server refused.
        old_pools: that are no longer asked for and whose workers take tasks, by `still_take`.
        may_repeat: whether an object that is not as it should be may be applied now.
        beat_runs: by `runs`.
    """
    beats = live[STATEFUL_SET]
    new = (it for it, action in actions if isinstance(action, Apply) and _renews(owner, fleet, it, beats))
    beat = next(new, None) if beat_runs else None
    behind = () if beat is None else tuple(sorted(_behind(owner, fleet, beat, actions, live, refusals, old_pools)))
    if beat is None or not behind:
        return actions, ()
    there = beats[beat.name]
    meanwhile = _as_it_runs(owner, fleet, beat, there)
    instead = todo(owner, meanwhile, {STATEFUL_SET: {beat.name: there}}, {}, may_repeat=may_repeat).actions
    return [*((it, action) for it, action in actions if it is not beat), *instead], behind


def still_take(leftover: Mapping[str, PoolSnapshot]) -> frozenset[str]:
    """Pools that are no longer asked for and whose workers still take tasks, or may: one that says nothing."""
    return frozenset(name for name, pool in leftover.items() if any(_takes(it) for it in pool.pods))


def runs(beat: BeatReadings, before: ReadOnlyObject, now: datetime, patience: timedelta) -> bool:
    """Whether beat runs, or is about to again: one that is restarted, or moved to another node, keeps its version.

    Args:
        beat: as it was read.
        before: `status.beat` as it was written last.
        now: the one clock.
        patience: after it was last seen running it counts as one that doesn't run.
    """
    went: str | None = before.get("lastSeen")
    lately = went is not None and apart(now, datetime.fromisoformat(went)) < patience
    return beat.ready or bool(before.get("ready")) or lately


def _takes(pod: PodSnapshot) -> bool:
    cancelled = isinstance(pod.held, WorkerLoad) and pod.held.consuming == ()
    return pod.running and not pod.leaving and not cancelled


def _renews(owner: Owner, fleet: Fleet, it: Wanted, live: Mapping[str, Object]) -> bool:
    """Whether the one beat gets another version; the scale of two is put right whatever waits.

    Not where only what its Secrets hold is new: a webhook may have given it another image than it was asked for with.
    """
    there = live.get(it.name) if it.kind == STATEFUL_SET else None
    if there is None or there["spec"].get("replicas") != 1 or _version(there) == _version(it):
        return False
    return not is_applied(manifests.beat_statefulset(owner, fleet, *contents_on(there)), there)


def _behind(  # noqa: PLR0913 - as above
    owner: Owner,
    fleet: Fleet,
    beat: Wanted,
    actions: Due,
    live: Live,
    refusals: Refusals,
    old_pools: Collection[str],
) -> Iterator[str]:
    """The Deployments with old workers that take tasks."""
    ours = {name: it for name, it in live[DEPLOYMENT].items() if controlled_by(it, owner.uid)}
    asked_for = {pool.name for pool in fleet.pools}
    yield from _rolling(actions, {name: it for name, it in ours.items() if _pool(it) in asked_for}, refusals)
    left = {name: it for name, it in ours.items() if _pool(it) in old_pools}
    yield from (name for name, it in left.items() if _version(it) != _version(beat))


def _rolling(
    actions: Iterable[tuple[Wanted, Action]], live: Mapping[str, ReadOnlyObject], refusals: Refusals
) -> Iterator[str]:
    """The Deployments with workers of the version before: told to roll out now, before this look, or by others."""
    renewed = {
        it.name
        for it, action in actions
        if isinstance(action, RENEWING)
        and it.kind == DEPLOYMENT
        and it.name in live
        and not refusals.refused(it)
        and _version(live[it.name]) != _version(it)
    }
    for name, deployment in live.items():
        status = deployment.get("status", {})
        unseen = status.get("observedGeneration") != deployment["metadata"].get("generation")
        if status.get("replicas", 0) and (name in renewed or unseen or rolls_out(deployment)):
            yield name


def _as_it_runs(owner: Owner, fleet: Fleet, beat: Wanted, there: ReadOnlyObject) -> Iterator[Wanted]:
    """Beat in the version that is there, with what its Secrets hold now; nothing where more than these two is changed.

    What else an edit changes of beat belongs to the new version, and the old one may not know it.
    """
    image, app = _version(there)
    older = replace(fleet, beat=replace(fleet.beat, image=image, app=app))
    before = manifests.beat_statefulset(owner, older, *contents_on(there))
    if is_applied(before, there):
        yield replace(beat, manifest=manifests.beat_statefulset(owner, older, *contents_on(beat.manifest)))


def _version(it: Wanted | ReadOnlyObject) -> tuple[str, str]:
    """Image and application (`-A`) of our container."""
    container = spec_of_ours((it.manifest if isinstance(it, Wanted) else it)["spec"]["template"])
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    app = next((word for before, word in pairwise(words) if before == "-A"), "")
    return str(container.get("image", "")), app


def _pool(deployment: ReadOnlyObject) -> str:
    return str((deployment["metadata"].get("labels") or {}).get(POOL_LABEL))
