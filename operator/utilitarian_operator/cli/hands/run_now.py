"""`run-now`: opens a run of a pool now, as if its schedule began."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.api.effective import Fleet, Pool, Schedule
from utilitarian_operator.api.names import beat_object
from utilitarian_operator.api.objects import Object
from utilitarian_operator.cli.hands.steering import Change, Wish, steer
from utilitarian_operator.cli.output import WrongInput
from utilitarian_operator.cli.resources import fleet_of, meant, mode_of
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.sizing.runs import next_start
from utilitarian_operator.core.spec.by_hand import RUN_NOW, run_written
from utilitarian_operator.core.wording import plural

SENDS_NOTHING = (
    "the operator sends no tasks, and Celery's beat sends no entry before its time: have the application send them"
)


def run_now(wish: Wish, run: str | None) -> None:
    """Open a run of a pool."""

    def change(resource: Object, now: datetime) -> Change:
        fleet = fleet_of(resource)
        pool = next(it for it in fleet.pools if it.name == wish.pool)
        schedule = _schedule(pool, run)
        _refuse_beside_another(resource, pool, schedule, now)
        start = now.replace(microsecond=0)
        due = f", due {timestamp(start + schedule.finish_within)}" if schedule.finish_within else ""
        said = f"run {schedule.name} of {pool.name} begins now, with {plural(schedule.workers, 'worker')} at least{due}"
        annotation = {f"{RUN_NOW}{pool.name}": run_written(schedule.name, start)}
        return Change(said, annotation, notes=(_sending(resource, fleet), *_paused(resource)))

    steer(wish, change)


def _schedule(pool: Pool, run: str | None) -> Schedule:
    """The schedule of the run that is meant.

    Raises:
        WrongInput: none is, or several could be.
    """
    names = [it.name for it in pool.schedule]
    if not names:
        raise WrongInput(f"pool {pool.name} has no runs; scale {pool.name} N --for 2h gives it workers for a while")
    if run is None and len(names) > 1:
        raise WrongInput(f"pool {pool.name} has several runs, name one: {', '.join(names)}")
    found = next((it for it in pool.schedule if run in {None, it.name}), None)
    if found is None:
        raise WrongInput(f"pool {pool.name} has no run {run}; there are: {', '.join(names)}{meant(str(run), names)}")
    return found


def _refuse_beside_another(resource: Mapping[str, Any], pool: Pool, schedule: Schedule, now: datetime) -> None:
    """One run of a schedule at a time: a second one would take over what is left of the first.

    Raises:
        WrongInput: one is open, or is being prepared.
    """
    pools = (resource.get("status") or {}).get("pools") or ()
    entry: Mapping[str, Any] = next((it for it in pools if it.get("name") == pool.name), {})
    run = entry.get("run") or {}
    if run.get("name") == schedule.name:
        raise WrongInput(
            f"run {schedule.name} of {run.get('started', 'a while ago')} is open: it ends before another begins"
        )
    coming = next_start(schedule, now)
    if coming - now <= max(schedule.warm_up, timedelta(seconds=1)):
        raise WrongInput(f"run {schedule.name} is being prepared: it begins at {timestamp(coming)} by itself")


def _sending(resource: Object, fleet: Fleet) -> str:
    """How the tasks of the run come: as docs/beat.md has it."""
    if not fleet.beat.enabled:
        return SENDS_NOTHING
    namespace, name = resource["metadata"]["namespace"], resource["metadata"]["name"]
    pod = f"kubectl exec -n {namespace} {beat_object(name)}-0"
    return f"{SENDS_NOTHING}, for example by: {pod} -- celery -A {fleet.beat.app} call TASK"


def _paused(resource: Object) -> tuple[str, ...]:
    mode = mode_of(resource)
    return () if mode == "Auto" else (f"the fleet's mode is {mode}: no worker is added before it is Auto",)
