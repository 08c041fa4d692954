"""What was seen of the one beat, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any


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
class BeatSnapshot:
    """What was seen of beat.

    Args:
        ready: whether its pod is.
        trouble: why its container can't run, in the kubelet's or the scheduler's words; None if nothing is wrong.
        lost_on: the node that doesn't answer while the pod is bound to it; None if it does.
        leaving: whether that pod is being deleted already.
        file: what is known of the schedule file of the running pod; None if nothing was said of it.
        claim: None where it was not looked at, as while beat is ready, or where there is none.
        others: pods that also run a beat of the application, as `NAME (COMMAND)`.
        elsewhere: node names of beats that answer on the broker and of which no pod is known.
        ahead: beats of other resources that must have ended before ours is made, as `others` are named.
    """

    ready: bool = False
    trouble: str | None = None
    lost_on: str | None = None
    leaving: bool = False
    file: ScheduleFile | None = None
    claim: Claim | None = None
    others: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    ahead: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BeatObjects:
    """The cluster's objects of beat, and what must be known to make them.

    Args:
        statefulset: of beat; empty if there is none.
        pod: of beat; empty if there is none.
        rivals: beats of other resources in the namespace, which may have to end before ours is made.
        claim_gone: whether there surely is no claim.
        access_mode: for a claim that is made.
    """

    statefulset: Mapping[str, Any] = field(default_factory=dict)
    pod: Mapping[str, Any] = field(default_factory=dict)
    rivals: tuple[Mapping[str, Any], ...] = ()
    claim_gone: bool = False
    access_mode: str = ""
