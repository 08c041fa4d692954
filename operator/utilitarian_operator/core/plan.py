"""Everything that is to happen because of one look, in order, as values; and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.core.beat.actions import Repairs
from utilitarian_operator.core.diagnosis.finding_history import Replace
from utilitarian_operator.core.diagnosis.findings import Finding
from utilitarian_operator.core.diagnosis.pod_losses import Cause
from utilitarian_operator.core.draining.eviction_guard import GuardPod
from utilitarian_operator.core.draining.plan import DrainPlan, PendingScaleDown
from utilitarian_operator.core.forecast.news import Watched
from utilitarian_operator.core.objects.actions import Action, Delete, ScaleTo
from utilitarian_operator.core.objects.refusals import Refusal, Refusals
from utilitarian_operator.core.objects.wanted import Wanted
from utilitarian_operator.core.observation.beat import OtherBeat
from utilitarian_operator.core.observation.broker import Questions
from utilitarian_operator.core.observation.model.figures import Source
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.core.sizing.decision import Decision
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.pools import FleetContext
from utilitarian_operator.core.status.change import Written


@dataclass(frozen=True, slots=True)
class Event:
    """What is recorded of the resource.

    Args:
        reason: of the event.
        note: one sentence.
    """

    reason: Reason
    note: str


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale request of one pool.

    Args:
        pool: its name.
        step: the request.
        because: the sentence behind it.
        pending: what a step down must take, and what it must not; None for a step up.
        waiting_since: when work was first seen on the pool, if it sleeps.
        farewell: whether the pool is no longer asked for.
    """

    pool: str
    step: ScaleTo
    because: str
    pending: PendingScaleDown | None = None
    waiting_since: datetime | None = None
    farewell: bool = False


@dataclass(frozen=True, slots=True)
class KeepSpec:
    """Keep the spec that runs, as it was written.

    Args:
        generation: of the resource.
        spec: as it was written.
        makes_objects: whether it lets the operator make objects.
    """

    generation: int
    spec: ReadOnlyObject
    makes_objects: bool


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """Write the status.

    Args:
        wanted: as it is to become.
        patch: what must be merged into the one that is there.
    """

    wanted: ReadOnlyObject
    patch: ReadOnlyObject


@dataclass(frozen=True)
class Figures:
    """What the metrics, and a record of the decision, are made of.

    Without slots, so that one can be made of another (`changed`).

    Args:
        fleet: what runs.
        snapshot: of this look.
        context: what the decision depended on beside the pools.
        facts: what it was made from, by pool name.
        decisions: by pool name.
        findings: what is wrong with each pool, by its name.
        runs: the runs at this look.
        slow: pods whose drain has just become slow, each with its pool.
        wrong_victims: pods that went although they were not to, by pool name.
        losses: the losses of pods that are new, each with its pool.
        dropped: tasks that were dropped since they were recorded last, by pool name.
    """

    fleet: Fleet
    snapshot: FleetSnapshot
    context: FleetContext
    facts: Mapping[str, Facts]
    decisions: Mapping[str, Decision]
    findings: Mapping[str, tuple[Finding, ...]]
    runs: Watched
    slow: Mapping[str, str] = field(default_factory=dict)
    wrong_victims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    losses: tuple[tuple[str, Cause], ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Everything that is to happen because of one look, in this order.

    Without slots, so that one can be made of another (`changed`).

    Args:
        figures: None where nothing runs.
        questions: what workers are asked from now on, in the background; None where nothing runs.
        scales: scale requests; they go first, so that waking is fast.
        beat: what is put right of beat.
        objects: to make, apply or adopt, each with what is to be done.
        postponed: objects that the API server refused, and that are tried again only after a pause.
        ahead: beats of other resources that must have ended before ours is made.
        behind: Deployments with old workers, after which beat gets its new version.
        deletions: of objects that are no longer asked for.
        guards: annotations that ask node autoscalers to leave a worker alone.
        drains: the steps for single pods, by pool name.
        because: the sentence behind each pool's number, by pool name.
        events: what is recorded.
        replacements: stuck workers to replace.
        keep: the spec to keep.
        refused: what was refused, and still holds.
        status: None where it is not worth a write.
        conditions: of the resource, as they stand in the status, also where that is not worth a write.
        same: of a look at which all was as at the one before, so that nothing of the above was made anew: how fresh
            each source is; None of all others.
    """

    figures: Figures | None = None
    questions: Questions | None = None
    scales: tuple[Scale, ...] = ()
    beat: Repairs = field(default_factory=Repairs)
    objects: tuple[tuple[Wanted, Action], ...] = ()
    postponed: tuple[Wanted, ...] = ()
    ahead: tuple[OtherBeat, ...] = ()
    behind: tuple[str, ...] = ()
    deletions: tuple[Delete, ...] = ()
    guards: tuple[GuardPod, ...] = ()
    drains: Mapping[str, DrainPlan] = field(default_factory=dict)
    because: Mapping[str, str] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    replacements: tuple[Replace, ...] = ()
    keep: KeepSpec | None = None
    refused: Refusals = field(default_factory=Refusals)
    status: WriteStatus | None = None
    conditions: tuple[ReadOnlyObject, ...] = ()
    same: tuple[Source, ...] | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a plan.

    Without slots, so that one can be made of another (`changed`).

    Args:
        at: when its objects were tried.
        scaled: the scale requests that were accepted.
        tried: objects that were to be made, applied or deleted, and scale requests.
        refused: those of them that the API server refused, or whose names belong to another owner.
        applied: the objects as the answers to their applies had them: what another client changed a moment later,
            and the watch has seen meanwhile, is not in them.
        missed: objects that were to be made, and could not be because something changed meanwhile.
        replaced: stuck workers whose pods were deleted.
        recorded: whether all events were recorded, or at least tried.
        written: the status, if it was written.
        failed: what ended it before its end.
    """

    at: datetime
    scaled: tuple[Scale, ...] = ()
    tried: tuple[Wanted, ...] = ()
    refused: tuple[Refusal, ...] = ()
    applied: tuple[ReadOnlyObject, ...] = ()
    missed: tuple[Wanted, ...] = ()
    replaced: tuple[Replace, ...] = ()
    recorded: bool = False
    written: Written | None = None
    failed: Exception | None = None

    def refusals(self, before: Refusals) -> Refusals:
        """What is refused now.

        Args:
            before: what was refused before the plan was carried out.
        """
        return before.noted(self.tried, self.refused, self.at)

    def overtakes(self, plan: Plan) -> bool:
        """Whether the status of the plan must not be written: it doesn't say what is refused, or could not be made."""
        return bool(self.missed) or self.refusals(plan.refused).blockers != plan.refused.blockers
