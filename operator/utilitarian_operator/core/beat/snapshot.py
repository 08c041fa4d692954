"""What is seen of the one beat at one look, made of what was read and of what the looks before have left."""

from collections.abc import Iterable
from datetime import datetime

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.names import beat_object
from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.core.beat.actions import BeatMemory
from utilitarian_operator.core.beat.duplicates import also_beat, elsewhere, same_beat
from utilitarian_operator.core.containers import lost_on
from utilitarian_operator.core.objects import beat_scripts
from utilitarian_operator.core.objects.manifests import BEAT_CHECK, READ_WRITE_ONCE_POD
from utilitarian_operator.core.observation.beat import (
    BeatReadings,
    BeatSightings,
    BeatSnapshot,
    Claim,
    OtherBeat,
    ScheduleFile,
)
from utilitarian_operator.core.observation.causes.pod_status import why_not_ready
from utilitarian_operator.core.observation.fleet import Readings


def beat_snapshot(
    fleet: Fleet, beat: BeatReadings, read: Readings, before: BeatSightings, memory: BeatMemory, *, sends: bool
) -> tuple[BeatSnapshot | None, BeatSightings]:
    """What is seen, None where beat is not asked for; and what is kept of it for the next look.

    Args:
        fleet: what runs.
        beat: what was read of beat.
        read: of the fleet, at the same look.
        before: what the look before has left.
        memory: of the look before: what beat waits for.
        sends: whether the fleet sends tasks; while it is only previewed, another's beat is the one that runs.
    """
    if not fleet.beat.enabled:
        return None, before
    kept, pod = _kept(fleet, beat, before, read.at), beat.pod
    # What this one waits for is no duplicate of it.
    neighbours = () if memory.ahead or not pod else same_beat(_neighbours(beat), pod, fleet.beat.app)
    others = (*kept.others, *neighbours) if sends else ()
    snapshot = BeatSnapshot(
        ready=beat.ready,
        failure=why_not_ready(pod, read.at, read.warnings) if pod and not _is_going(pod) else None,
        lost_on=lost_on(pod, overdue=beat.overdue) if pod else None,
        leaving=_is_going(pod),
        going=beat_object(read.resource) if _is_going(beat.statefulset) else "",
        previewed=not (sends or beat.statefulset),
        file=file_of(pod) if beat.ready else None,
        claim=kept.claim,
        others=others,
        elsewhere=_elsewhere(fleet, beat, read, others) if sends else (),
        ahead=memory.ahead,
        behind=memory.behind,
    )
    return snapshot, kept


def file_of(pod: ReadOnlyObject) -> ScheduleFile | None:
    """What the check said of the schedule file that a pod runs with."""
    for container in pod.get("status", {}).get("initContainerStatuses", []):
        ended = container.get("state", {}).get("terminated", {})
        if container.get("name") == BEAT_CHECK and ended.get("message") and ended.get("finishedAt"):
            word, what = beat_scripts.reported(str(ended["message"]))
            kept, moved = word == beat_scripts.KEPT, word == beat_scripts.MOVED
            return ScheduleFile(kept, moved, what, datetime.fromisoformat(ended["finishedAt"]))
    return None


def claim_of(live: ReadOnlyObject, now: datetime) -> Claim | None:
    """What a claim says of itself; None for an empty one.

    Args:
        live: as the API server has it; empty where there is none.
        now: the one clock.
    """
    if not live:
        return None
    phase = live.get("status", {}).get("phase", "")
    if phase != "Pending" or "deletionTimestamp" in live["metadata"]:
        return Claim(phase)
    made = datetime.fromisoformat(live["metadata"]["creationTimestamp"])
    return Claim(phase, now - made, READ_WRITE_ONCE_POD in live["spec"]["accessModes"])


def _is_going(body: ReadOnlyObject) -> bool:
    """Whether an object is being deleted, and is there still."""
    return "deletionTimestamp" in body.get("metadata", {})


def _kept(fleet: Fleet, beat: BeatReadings, before: BeatSightings, now: datetime) -> BeatSightings:
    """What was read at this look, or is still held from an earlier one."""
    others = before.others if beat.others is None else also_beat(beat.others, fleet.beat.app)
    if beat.ready or fleet.beat.storage.ephemeral:
        return BeatSightings(others)
    return BeatSightings(others, before.claim if beat.claim is None else claim_of(beat.claim, now))


def _neighbours(beat: BeatReadings) -> list[ReadOnlyObject]:
    """The beats of other resources in the namespace, which the operator runs as well."""
    ours = beat.pod["metadata"]
    rows = ((it["metadata"], it) for it in beat.beats)
    return [it for its, it in rows if its["namespace"] == ours["namespace"] and its["name"] != ours["name"]]


def _elsewhere(fleet: Fleet, beat: BeatReadings, read: Readings, others: Iterable[OtherBeat]) -> tuple[str, ...]:
    """Beats on the broker that are not ours; one of another application, which the operator runs, is no rival."""
    answering = read.workers.beats
    if not answering:
        return ()
    strangers = [it["metadata"]["name"] for it in beat.beats if not also_beat([it], fleet.beat.app)]
    ours = f"{beat_object(read.resource)}-0"
    return elsewhere(answering, ours, fleet.beat.extra_args, others, strangers)
