"""Which objects have pods of an earlier template, also where their own status does not say so yet.

A status that says of a new generation that all is rolled out has what waits for that go on: a GitOps tool's next wave.
"""

from collections.abc import Iterable, Iterator, Mapping

from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.core.blocker import Blocker
from utilitarian_operator.core.objects.actions import RENEWING, Action, controlled_by
from utilitarian_operator.core.objects.drift import Applied
from utilitarian_operator.core.objects.refusals import Refusals
from utilitarian_operator.core.objects.wanted import DEPLOYMENT, STATEFUL_SET, Live, Wanted, is_applied
from utilitarian_operator.core.observation.pod_failures import rolls_out

_WITH_PODS = (DEPLOYMENT, STATEFUL_SET)


def rollouts(
    actions: Iterable[tuple[Wanted, Action]],
    live: Live,
    refusals: Refusals,
    applied: Mapping[tuple[str, str], Applied],
    *,
    new: bool,
    beat_waits: bool,
) -> frozenset[str]:
    """All objects with pods of an earlier template, or of an earlier spec, by name.

    Args:
        actions: that are due.
        live: the objects seen.
        refusals: what the API server refused.
        applied: what was applied last, by kind and name.
        new: whether the status has yet to say of the newest spec that it is rolled out.
        beat_waits: whether beat's new version does.
    """
    now = to_be_renewed(actions, live, refusals) if new else ()
    return frozenset({*outdated(live), *unobserved(live, applied), *now, *(live[STATEFUL_SET] if beat_waits else ())})


def rolled_out(status: ReadOnlyObject, generation: int) -> bool:
    """Whether a status says of a generation that it is rolled out."""
    if status.get("observedGeneration") != generation:
        return False
    return any((it.get("type"), it.get("status")) == ("Reconciling", "False") for it in status.get("conditions", ()))


def outdated(live: Live) -> Iterator[str]:
    """The objects that say of themselves that they have pods of an earlier template, by name.

    They may say it only since the look began, in which the broker is asked as well.

    Args:
        live: the objects seen.
    """
    yield from (name for kind in _WITH_PODS for name, it in live[kind].items() if rolls_out(it))


def unobserved(live: Live, applied: Mapping[tuple[str, str], Applied]) -> Iterator[str]:
    """The objects whose controller has yet to see what was applied last, by name.

    Until then their status speaks of the template before, all of whose pods are there. Scaling does not matter.

    Args:
        live: the objects seen.
        applied: what was applied last, by kind and name.
    """
    for kind in _WITH_PODS:
        for name, it in live[kind].items():
            last, observed = applied.get((kind, name)), it.get("status", {}).get("observedGeneration") or 0
            # The watch may not have told of the apply itself yet; one that was made anew counts from 1 again.
            if last is not None and last.uid == it["metadata"].get("uid") and observed < last.generation:
                yield name


def to_be_renewed(actions: Iterable[tuple[Wanted, Action]], live: Live, refusals: Refusals) -> Iterator[str]:
    """The objects that are made, or get another manifest, now or at the next look, by name.

    What is refused has no rollout. One that was just made is handed over to apply first, and applied a look later.

    Args:
        actions: that are due.
        live: the objects seen.
        refusals: what the API server refused.
    """
    for it, action in actions:
        if it.kind in _WITH_PODS and isinstance(action, RENEWING) and not refusals.refused(it):
            there = live[it.kind].get(it.name)
            if there is None or not is_applied(it.manifest, there):
                yield it.name


def unmade(uid: str, live: Live, refusals: Refusals) -> Blocker | None:
    """Why a pool has no Deployment at all, the first where several have none; None where none was refused.

    Args:
        uid: of the resource.
        live: the objects seen.
        refusals: what the API server refused.
    """
    there = (it["metadata"]["name"] for it in live[DEPLOYMENT].values() if controlled_by(it, uid))
    missing = refusals.of(DEPLOYMENT)
    for name in there:
        missing.pop(name, None)
    return next(iter(missing.values()), None)
