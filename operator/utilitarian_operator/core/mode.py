"""What may happen in each mode of a fleet, and what of a plan is left of it."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from utilitarian_operator.api.resource import Mode
from utilitarian_operator.core.beat.actions import Repairs
from utilitarian_operator.core.draining.plan import DrainPlan
from utilitarian_operator.core.objects.refusals import Refusals
from utilitarian_operator.core.plan import Plan

NONE_IS_LED_OUT: Mapping[Mode, str] = {
    "Paused": "while the fleet is paused, none is led out",
    "Preview": "while the fleet is only previewed, none is led out",
}


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
    because = _because(plan, {pool for pool, drain in drains.items() if not drain.farewell}, NONE_IS_LED_OUT[mode])
    if makes_objects(mode):
        scales = tuple(it for it in plan.scales if it.farewell)
        return replace(plan, scales=scales, drains=drains, because=because, replacements=())
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
        because=because,
        replacements=(),
        keep=None if plan.keep is None else replace(plan.keep, makes_objects=False),
        refused=Refusals(),
    )


def _left_alone(plan: Plan, contested: Collection[str]) -> Plan:
    """No number of these pools is changed, and workers of theirs that were on their way out come back."""
    scales = tuple(it for it in plan.scales if it.farewell or it.pool not in contested)
    drains = {pool: _returning(it, "Auto") if pool in contested else it for pool, it in plan.drains.items()}
    back = {pool for pool in plan.drains.keys() & {*contested} if not plan.drains[pool].farewell}
    because = _because(plan, back, "its number of workers is left to another client")
    return replace(plan, scales=scales, drains=drains, because=because)


def _because(plan: Plan, back: Collection[str], why: str) -> Mapping[str, str]:
    """Why workers come back, by pool name: for what the rules have it, fewer of them might do."""
    return {**plan.because, **dict.fromkeys(back, why)}


def _returning(drain: DrainPlan, mode: Mode) -> DrainPlan:
    if drain.farewell:
        return drain
    return replace(drain, resize=None, steps=drain.returns, gates=drain.gates if makes_objects(mode) else ())
