"""A new version comes to the workers first, and to beat when no old worker takes tasks any more.

Celery throws a task away that its worker doesn't know (`Received unregistered task`). A new beat may send such a task,
and during a rollout old workers are on the same queues.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.core.containers import spec_of_ours
from utilitarian_operator.core.objects.actions import Action, Apply
from utilitarian_operator.core.objects.refusals import Refusals
from utilitarian_operator.core.objects.wanted import DEPLOYMENT, STATEFUL_SET, Live, Wanted
from utilitarian_operator.core.observation.pod_failures import rolls_out


def after_workers(
    actions: Iterable[tuple[Wanted, Action]], live: Live, refusals: Refusals, *, runs: bool
) -> tuple[list[tuple[Wanted, Action]], tuple[str, ...]]:
    """The actions without the one that brings beat to another version while old workers take tasks; their Deployments.

    A beat that doesn't run, or that is to be scaled back to one, waits for nothing. What the API server refuses, or
    what is at zero, has no rollout that would end.

    Args:
        actions: that are due.
        live: the objects seen.
        refusals: what the API server refused.
        runs: whether beat does.
    """
    every = list(actions)
    deployments, beats = live[DEPLOYMENT], live[STATEFUL_SET]
    held = [it for it, action in every if isinstance(action, Apply) and it.kind == STATEFUL_SET and _renews(it, beats)]
    old = tuple(sorted(_old(every, deployments, refusals))) if held and runs else ()
    return ([(it, action) for it, action in every if it not in held] if old else every), old


def _renews(beat: Wanted, live: Mapping[str, ReadOnlyObject]) -> bool:
    """Whether the one beat gets another version; the scale of two is put right whatever waits."""
    there = live.get(beat.name)
    return there is not None and there["spec"].get("replicas") == 1 and _version(there) != _version(beat.manifest)


def _old(
    actions: Iterable[tuple[Wanted, Action]], live: Mapping[str, ReadOnlyObject], refusals: Refusals
) -> Iterator[str]:
    """The Deployments with workers of the version before: told to roll out now, before this look, or by others."""
    renewed = {
        it.name
        for it, action in actions
        if isinstance(action, Apply)
        and it.kind == DEPLOYMENT
        and not refusals.refused(it)
        and _version(live[it.name]) != _version(it.manifest)
    }
    for name, deployment in live.items():
        status = deployment.get("status", {})
        unseen = status.get("observedGeneration") != deployment["metadata"].get("generation")
        if status.get("replicas", 0) and (name in renewed or unseen or rolls_out(deployment)):
            yield name


def _version(it: ReadOnlyObject) -> tuple[str, str]:
    """Image and application (`-A`) of our container."""
    container = spec_of_ours(it["spec"]["template"])
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    app = next((word for before, word in pairwise(words) if before == "-A"), "")
    return str(container.get("image", "")), app
