"""What may happen in each mode of a fleet, and what of a plan is left of it."""

from collections.abc import Collection
from dataclasses import replace

from utilitarian_operator.api.resource import Mode
from utilitarian_operator.core.beat.actions import Repairs
from utilitarian_operator.core.draining.plan import DrainPlan
from utilitarian_operator.core.objects.refusals import Refusals
from utilitarian_operator.core.plan import Plan


def makes_objects(mode: Mode) -> bool:
    """Whether a fleet makes objects and sends tasks; one that is previewed has no queue, no beat and no volume."""
    return mode != "Preview"


def allowed(plan: Plan, mode: Mode, contested: Collection[str] = ()) -> Plan:
    """The plan without what the mode forbids, and without what another client would undo.

    `Paused` changes no number of workers: those that were on their way out come back, pools that are no longer asked
    for go all the same. `Preview` makes and changes nothing; only workers that were led out before are taken back.

    Args:
        plan: as the rules have it.
        mode: of the fleet.
        contested: names of pools whose number of workers is left to another client.
    """
    if mode == "Auto":
        return _left_alone(plan, contested) if contested else plan
    drains = {pool: _returning(drain, mode) for pool, drain in plan.drains.items()}
    if makes_objects(mode):
        scales = tuple(it for it in plan.scales if it.farewell)
        return replace(plan, scales=scales, drains=drains, replacements=())
    return replace(
        plan,
        questions=None if plan.questions is None else replace(plan.questions, beats=False),
        scales=(),
        beat=Repairs(),
        objects=(),
        postponed=(),
        ahead=(),
        behind=(),
        deletions=(),
        guards=(),
        drains={pool: drain for pool, drain in drains.items() if not drain.farewell},
        replacements=(),
        keep=None if plan.keep is None else replace(plan.keep, makes_objects=False),
        refused=Refusals(),
    )


def _left_alone(plan: Plan, contested: Collection[str]) -> Plan:
    """No number of these pools is changed, and workers of theirs that were on their way out come back."""
    scales = tuple(it for it in plan.scales if it.farewell or it.pool not in contested)
    drains = {pool: _returning(it, "Auto") if pool in contested else it for pool, it in plan.drains.items()}
    return replace(plan, scales=scales, drains=drains)


def _returning(drain: DrainPlan, mode: Mode) -> DrainPlan:
    if drain.farewell:
        return drain
    return replace(drain, resize=None, steps=drain.returns, gates=drain.gates if makes_objects(mode) else ())
