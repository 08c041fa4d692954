"""What was read and seen of the one beat, as values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from utilitarian_operator.api.objects import ReadOnlyObject


@dataclass(frozen=True, slots=True)
class ScheduleFile:
    """What the check before beat's start said of the schedule file.

    Args:
        kept: whether beat goes on with the one that was there.
        moved: whether it could not be read and was moved aside.
        what: what happened, as a clause.
        at: when.
    """

    kept: bool
    moved: bool
    what: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """What was seen of the claim for beat's volume.

    Args:
        phase: `Pending`, `Bound`, `Lost`, or empty while it was just made.
        waiting: since it was made, while it is not bound.
        for_one_pod: whether it asks for ReadWriteOncePod.
    """

    phase: str
    waiting: timedelta = timedelta()
    for_one_pod: bool = False


@dataclass(frozen=True, slots=True)
class OtherBeat:
    """A pod, or what will be one, that runs a beat of the application and is not the fleet's own.

    Args:
        name: of the pod.
        command: that runs it, without options that may hold a password.
    """

    name: str
    command: str

    def __str__(self) -> str:
        """`NAME (COMMAND)`, as conditions have it."""
        return f"{self.name} ({self.command})"


@dataclass(frozen=True, slots=True)
class BeatSnapshot:
    """What was seen of beat.

    Args:
        ready: whether its pod is.
        failure: why its container can't run, in the kubelet's or the scheduler's words; None if nothing is wrong, or
            if it is not to run any more.
        lost_on: the node that doesn't answer while the pod is bound to it; None if it does.
        leaving: whether its pod is being deleted already.
        going: name of its StatefulSet where that is being deleted, and has not gone yet; else empty.
        previewed: whether there is none, and none is made, because the fleet is only previewed.
        file: what is known of the schedule file of the running pod; None if nothing was said of it.
        claim: None where it was not looked at, as while beat is ready, or where there is none.
        others: pods that also run a beat of the application.
        elsewhere: node names of beats that answer on the broker and of which no pod is known.
        ahead: beats of other resources that must have ended before ours is made.
        behind: Deployments with old workers, after which it gets its new version.
    """

    ready: bool = False
    failure: str | None = None
    lost_on: str | None = None
    leaving: bool = False
    going: str = ""
    previewed: bool = False
    file: ScheduleFile | None = None
    claim: Claim | None = None
    others: tuple[OtherBeat, ...] = ()
    elsewhere: tuple[str, ...] = ()
    ahead: tuple[OtherBeat, ...] = ()
    behind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BeatSightings:
    """What is kept of what was seen of beat until a request sees it again.

    Args:
        others: pods of others that run a beat of the application.
        claim: the claim for its volume; None where it was not looked at, or where there is none.
    """

    others: tuple[OtherBeat, ...] = ()
    claim: Claim | None = None


@dataclass(frozen=True)
class BeatReadings:
    """What was read of beat at one look, as the API server and its watches gave it.

    Without slots, so that one can be made of another (`changed`).

    Args:
        statefulset: of beat; empty if there is none.
        pod: of beat; empty if there is none.
        overdue: whether it was seen to leave for its whole grace and `OVERDUE` more, by a clock that nothing sets:
            by one that is before the API server's each pod that leaves would be late.
        rivals: beats of other resources in the namespace, also of those that are gone; read while ours is not made.
        beats: the pods of beat of all resources that the operator runs, this one's as well.
        others: pods of the namespace that are not the operator's; None where they were not read at this look.
        claim: for its volume; empty if there surely is none, None where it was not read at this look.
        storage_classes: of the cluster; read where the claim may have to be made, empty where they may not be seen.
        csi_drivers: the same.
    """

    statefulset: ReadOnlyObject = field(default_factory=dict)
    pod: ReadOnlyObject = field(default_factory=dict)
    overdue: bool = False
    rivals: Sequence[ReadOnlyObject] = ()
    beats: Sequence[ReadOnlyObject] = ()
    others: Sequence[ReadOnlyObject] | None = None
    claim: ReadOnlyObject | None = None
    storage_classes: Sequence[ReadOnlyObject] = ()
    csi_drivers: Sequence[ReadOnlyObject] = ()

    @property
    def ready(self) -> bool:
        """Whether its pod is."""
        return bool(self.statefulset.get("status", {}).get("readyReplicas"))

    @property
    def claim_is_gone(self) -> bool:
        """Whether there surely is no claim."""
        return self.claim is not None and not self.claim
