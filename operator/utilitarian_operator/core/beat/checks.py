"""What the operator says of the one beat, and which of its pods must be replaced."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from utilitarian_operator.api.effective import Beat, Fleet
from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.api.patience import PATIENCE, Patience
from utilitarian_operator.core.condition import Condition
from utilitarian_operator.core.containers import ours
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.observation.beat import BeatSnapshot, OtherBeat
from utilitarian_operator.core.sizing.runs.run_times import last_start
from utilitarian_operator.core.wording import named, plural

KEPT_SINCE = "memorySince"
"""Of status.beat: since when beat has remembered without a gap when each task was last sent."""

MOST_NAMED = 5
"""Runs that one sentence names."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Beat has lost its memory.

    Args:
        aside: whether the file is still there, under another name.
        message: what happened, which runs are concerned and what to do.
    """

    aside: bool
    message: str


def beat_condition(beat: Beat, snapshot: BeatSnapshot | None, waits: Patience = PATIENCE) -> Condition:
    """The condition `BeatReady`.

    Args:
        beat: as it is asked for.
        snapshot: of this look; None where beat is not asked for.
        waits: how long symptoms must last.
    """
    if snapshot is None:
        return Condition(
            "BeatReady", "True", "Disabled", "spec.beat.enabled is false: no scheduled tasks are sent from here"
        )
    if snapshot.ahead:
        return Condition("BeatReady", "False", "BeatStarting", _after(snapshot.ahead))
    return _down(snapshot, waits) or Condition(
        "BeatReady", "True", "Running", _running(beat) + _behind(snapshot.behind)
    )


def _down(snapshot: BeatSnapshot, waits: Patience) -> Condition | None:
    if snapshot.others or snapshot.elsewhere:
        message = _duplicate(snapshot.others) if snapshot.others else _elsewhere(snapshot.elsewhere)
        return Condition("BeatReady", "False", "BeatDuplicate", message)
    if snapshot.lost_on:
        return Condition("BeatReady", "False", "BeatBlocked", _blocked(snapshot))
    if snapshot.ready:
        return None
    if snapshot.claim and (snapshot.claim.phase == "Lost" or snapshot.claim.waiting >= waits.beat_pending):
        return Condition("BeatReady", "False", "VolumePending", _pending(snapshot, waits))
    if snapshot.failure:
        return Condition("BeatReady", "False", "BeatFailing", snapshot.failure)
    return Condition("BeatReady", "False", "BeatStarting", _starting(snapshot))


def _starting(snapshot: BeatSnapshot) -> str:
    """What is to go, and has not gone yet, gets no pod any more, and no other of its name can be made beside it."""
    if snapshot.previewed:
        return "mode is Preview: no beat is made"
    if not (snapshot.going or snapshot.leaving):
        return "beat is not ready yet"
    what = f"StatefulSet {snapshot.going}" if snapshot.going else "the pod before it"
    waits = "foregroundDeletion: that its pod has ended" if snapshot.going else "none: that its containers have ended"
    return (
        f"beat is not started: {what} is being deleted, and another one is made when it has gone; "
        f"what it waits for is in its metadata.finalizers ({waits})"
    )


def _duplicate(others: Sequence[OtherBeat]) -> str:
    runs = "runs" if len(others) == 1 else "run"
    return (
        f"{plural(len(others), 'other pod')} of the namespace also {runs} beat, so that tasks are sent more than once: "
        f"{', '.join(map(str, others[:MOST_NAMED]))}; delete what runs it, or set spec.beat.enabled to false"
    )


def _after(ahead: Sequence[OtherBeat]) -> str:
    return (
        "beat is started when the same beat of another resource has ended, so that no task is sent twice: "
        f"{', '.join(map(str, ahead[:MOST_NAMED]))}; if that one is to stay, set spec.beat.enabled to false here"
    )


def _elsewhere(nodes: Sequence[str]) -> str:
    answers = "beat answers" if len(nodes) == 1 else "beats answer"
    return (
        f"{plural(len(nodes), 'other')} {answers} on the broker from elsewhere, so that tasks are sent more than once: "
        f"{', '.join(nodes[:MOST_NAMED])}; stop it, or set spec.beat.enabled to false; if it is another application's, "
        "give that a virtual host of its own"
    )


def _running(beat: Beat) -> str:
    if beat.scheduler is not None:
        return f"exactly one beat runs; its memory is that of the scheduler {beat.scheduler}"
    if beat.storage.ephemeral:
        return (
            "exactly one beat runs; storage.ephemeral: a run that falls into a downtime of beat is skipped in silence"
        )
    return "exactly one beat runs"


def _behind(deployments: Sequence[str]) -> str:
    if not deployments:
        return ""
    return f"; it gets its new version when no old worker of {named(deployments, MOST_NAMED)} takes tasks"


def _blocked(snapshot: BeatSnapshot) -> str:
    doing = "can't be ended" if snapshot.leaving else "may still run there, unseen"
    return (
        f"node {snapshot.lost_on} doesn't answer: beat {doing}, so none is started elsewhere and nothing may be sent; "
        "bring the node back or, once it is certain that it is off, "
        f"kubectl taint nodes {snapshot.lost_on} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
    )


def _pending(snapshot: BeatSnapshot, waits: Patience) -> str:
    if snapshot.claim and snapshot.claim.phase == "Lost":
        return (
            "spec.beat.storage: the claim has lost its volume, and with it when each task was last sent; "
            "restore the volume, or delete the claim: a new one is made"
        )
    why = f" ({snapshot.failure})" if snapshot.failure else ""
    mode = (
        "; if its driver can't do ReadWriteOncePod, make it by hand with ReadWriteOnce"
        if _for_one_pod(snapshot)
        else ""
    )
    return (
        f"spec.beat.storage: the claim has waited for a volume for over {waits.beat_pending.seconds} s{why}; "
        "see kubectl describe pvc, make a volume that fits it, or delete the claim and set storageClassName, "
        f"or ephemeral where a skipped run does no harm{mode}"
    )


def _for_one_pod(snapshot: BeatSnapshot) -> bool:
    return snapshot.claim is not None and snapshot.claim.for_one_pod


def stuck(statefulset: ReadOnlyObject, pod: ReadOnlyObject) -> bool:
    """Whether a pod of an old template never ran and keeps the new one from being tried.

    A StatefulSet waits for its pod to be ready before it replaces it, also when that can't be
    (kubernetes/kubernetes#67250).
    """
    status = statefulset.get("status", {})
    newest = status.get("updateRevision")
    seen = status.get("observedGeneration") == statefulset.get("metadata", {}).get("generation")
    labels = pod.get("metadata", {}).get("labels") or {}
    old = newest and labels.get("controller-revision-hash") not in {None, newest}
    state = (ours(pod) or {}).get("state", {})
    runs = "running" in state or "terminated" in state
    return bool(seen and old and not runs and "deletionTimestamp" not in pod["metadata"])


def memory_since(before: ReadOnlyObject, snapshot: BeatSnapshot | None) -> str | None:
    """`status.beat.memorySince` as it is to be.

    Args:
        before: `status.beat` as it was.
        snapshot: of this look.
    """
    known: str | None = before.get(KEPT_SINCE)
    if snapshot is None or snapshot.file is None or (known and snapshot.file.kept):
        return known
    return timestamp(snapshot.file.at)


def loss(fleet: Fleet, before: ReadOnlyObject, snapshot: BeatSnapshot | None) -> Loss | None:
    """What is to be reported once when beat started without the memory it had; None if it has it, or is the first.

    Args:
        fleet: what runs.
        before: `status.beat` as it was written last.
        snapshot: of this look.
    """
    since = memory_since(before, snapshot)
    if snapshot is None or snapshot.file is None or since == before.get(KEPT_SINCE):
        return None
    aside = snapshot.file.moved
    expected = KEPT_SINCE not in before or fleet.beat.storage.ephemeral
    if snapshot.file.kept or (expected and not aside):
        return None
    runs = _fell_into(fleet, before, snapshot.file.at)
    skipped = f"; skipped: {', '.join(runs)}" if runs else ""
    message = (
        f"beat starts without its memory of when each task was last sent: {snapshot.file.what}{skipped}; "
        "a run that was due while it was down is not sent: send it by hand (docs/beat.md)"
    )
    return Loss(aside, message)


def _fell_into(fleet: Fleet, before: ReadOnlyObject, started: datetime) -> list[str]:
    """The runs of the pools' schedules between the last sign of beat and its start."""
    went = before.get("lastSeen")
    if went is None:
        return []
    runs = [(pool.name, it.name, last_start(it, started)) for pool in fleet.pools for it in pool.schedule]
    missed = [
        f"{pool} {name} of {timestamp(at, 'minutes')}" for pool, name, at in runs if at > datetime.fromisoformat(went)
    ]
    return missed[:MOST_NAMED]
