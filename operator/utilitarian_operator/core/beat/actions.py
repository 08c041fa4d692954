"""What must be done so that there is exactly one beat, and which events are recorded of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.core.beat.checks import beat_condition, loss, stuck
from utilitarian_operator.core.beat.duplicates import same_beat
from utilitarian_operator.core.objects.actions import Action, Create, controlled_by
from utilitarian_operator.core.objects.wanted import STATEFUL_SET, Wanted
from utilitarian_operator.core.observation.beat import BeatReadings, BeatSnapshot, OtherBeat
from utilitarian_operator.core.observation.causes.pod_status import why_not_ready
from utilitarian_operator.core.reasons import Reason

_WITH_EVENT = {Reason.BEAT_DUPLICATE, Reason.BEAT_BLOCKED, Reason.VOLUME_PENDING}
"""Reasons of `BeatReady` that are events, too, when they begin."""


@dataclass(frozen=True, slots=True)
class BeatMemory:
    """What is kept of beat from look to look.

    Args:
        recorded: the reason of `BeatReady` that has its event; `status` has it as well.
        scaled: the version of the StatefulSet whose wrong scale has its event.
        ahead: beats of other resources that must have ended before ours is made.
        behind: Deployments with old workers, after which it gets its new version.
    """

    recorded: str | None = None
    scaled: str = ""
    ahead: tuple[OtherBeat, ...] = ()
    behind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplaceBeatPod:
    """Delete beat's pod, which keeps a new template from being tried.

    Args:
        pod: as it was seen.
        note: what is recorded of it.
    """

    pod: ReadOnlyObject
    note: str


@dataclass(frozen=True, slots=True)
class Repairs:
    """What is put right of beat.

    Args:
        scaled_back: what is recorded of a wrong scale, which is undone with the object; empty where there is none.
        version: of the StatefulSet that had it.
        replace: the pod to replace, or None.
    """

    scaled_back: str = ""
    version: str = ""
    replace: ReplaceBeatPod | None = None


def recalled_beat(status: ReadOnlyObject) -> BeatMemory:
    """What the resource's status says of beat already is not recorded again."""
    conditions = status.get("conditions", [])
    return BeatMemory(next((it["reason"] for it in conditions if it.get("type") == "BeatReady"), None))


def in_turn(
    actions: Iterable[tuple[Wanted, Action]], rivals: Sequence[ReadOnlyObject], app: str
) -> tuple[list[tuple[Wanted, Action]], tuple[OtherBeat, ...]]:
    """The actions, without the one that makes beat while the same beat of another resource has not ended; and those.

    So it is when a resource is renamed: its old pod may need all of its grace.

    Args:
        actions: that are due.
        rivals: beats of other resources in the namespace, also of those that are gone.
        app: as it is given to Celery.
    """
    found: list[tuple[Wanted, Action]] = []
    ahead: tuple[OtherBeat, ...] = ()
    for wanted, action in actions:
        if isinstance(action, Create) and wanted.kind == STATEFUL_SET:
            ahead = same_beat(rivals, wanted.manifest["spec"]["template"], app)
            if ahead:
                continue
        found.append((wanted, action))
    return found, ahead


def repairs(beat: BeatReadings, uid: str, memory: BeatMemory, now: datetime) -> Repairs:
    """A pod that never ran and keeps a new template from being tried is replaced; a wrong scale is undone and recorded.

    Args:
        beat: as it was read.
        uid: of the resource: nothing of another's is touched.
        memory: of the look before.
        now: the one clock.
    """
    statefulset, pod = beat.statefulset, beat.pod
    if not statefulset or not controlled_by(dict(statefulset), uid):
        return Repairs()
    name, replicas = statefulset["metadata"]["name"], statefulset["spec"].get("replicas")
    version = statefulset["metadata"]["resourceVersion"]
    note = f"StatefulSet {name} was scaled to {replicas} and is put back to 1: there is exactly one beat"
    scaled_back = note if replicas != 1 and version != memory.scaled else ""
    if not pod or not stuck(statefulset, pod):
        return Repairs(scaled_back, version)
    why = why_not_ready(pod, now)
    never_ran = f"pod {pod['metadata']['name']} of an earlier template never ran and is replaced"
    return Repairs(scaled_back, version, ReplaceBeatPod(pod, f"{never_ran}: {why}" if why else never_ran))


def news(
    fleet: Fleet, before: ReadOnlyObject, snapshot: BeatSnapshot | None, recorded: str | None
) -> tuple[list[tuple[Reason, str]], str | None]:
    """The events of what begins, ends or was lost, and the reason that has its event now.

    Args:
        fleet: what runs.
        before: `status.beat` as it was written last.
        snapshot: of this look; None where beat is not asked for.
        recorded: the reason that had its event before.
    """
    lost, condition = loss(fleet, before, snapshot), beat_condition(fleet.beat, snapshot, fleet.patience)
    events = []
    if lost is not None:
        events.append((Reason.SCHEDULE_MOVED_ASIDE if lost.aside else Reason.SCHEDULE_LOST, lost.message))
    if condition.reason == recorded:
        return events, recorded
    if condition.reason in _WITH_EVENT:
        events.append((Reason(condition.reason), condition.message))
    elif recorded in _WITH_EVENT and condition.status == "True":
        events.append((Reason.BEAT_RECOVERED, condition.message))
    elif recorded in _WITH_EVENT:
        return events, recorded
    return events, condition.reason
