"""`run-now`: opens a run of a pool now, as if its schedule began."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.api.effective import Fleet, Pool, Schedule
from utilitarian_operator.api.names import beat_object
from utilitarian_operator.api.objects import Object
from utilitarian_operator.cli.hands.steering import Change, Wish, kept_still, steer
from utilitarian_operator.cli.output import WrongInput
from utilitarian_operator.cli.resources import annotations_of, fleet_of, meant
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.sizing.memory_json import from_text
from utilitarian_operator.core.sizing.runs.run_times import WITHOUT_A_DEADLINE, next_start
from utilitarian_operator.core.spec.by_hand import RUN_NOW, RunByHand, by_hand, run_written
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
        asked = by_hand(annotations_of(resource))[0].runs.get(pool.name)
        _refuse_beside_another(resource, pool, schedule, asked, now)
        start = now.replace(microsecond=0)
        due = f", due {timestamp(start + schedule.finish_within)}" if schedule.finish_within else ""
        said = f"run {schedule.name} of {pool.name} begins now, with {plural(schedule.workers, 'worker')} at least{due}"
        annotation = {f"{RUN_NOW}{pool.name}": run_written(schedule.name, start)}
        return Change(said, annotation, notes=(_sending(resource, fleet), *_notes(resource, pool, asked, now)))

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


def _refuse_beside_another(
    resource: Mapping[str, Any], pool: Pool, schedule: Schedule, asked: RunByHand | None, now: datetime
) -> None:
    """One run of a schedule at a time: a second one would take over what is left of the first.

    Raises:
        WrongInput: one is open, was asked for just now, or is being prepared.
    """
    if (started := _open(resource, pool, schedule, now)) is not None:
        raise WrongInput(f"run {schedule.name} of {started} is open: it ends before another begins")
    if asked is not None and asked.name == schedule.name and asked.start <= now and _waits(resource, pool, asked, now):
        raise WrongInput(
            f"run {schedule.name} was asked for at {timestamp(asked.start)}: the operator opens it at its next look"
        )
    coming = next_start(schedule, now)
    if coming - now <= max(schedule.warm_up, timedelta(seconds=1)):
        raise WrongInput(f"run {schedule.name} is being prepared: it begins at {timestamp(coming)} by itself")


def _open(resource: Mapping[str, Any], pool: Pool, schedule: Schedule, now: datetime) -> str | None:
    """When the open run of a schedule began; None where none is open. Of several runs a pool's status shows one."""
    entry = _entry(resource, pool)
    run = entry.get("run") or {}
    if run.get("name") == schedule.name:
        return str(run.get("started", "a while ago"))
    kept = from_text(entry.get("memory"), now).runs
    return next((timestamp(it.start) for it in kept if it.name == schedule.name), None)


def _waits(resource: Mapping[str, Any], pool: Pool, asked: RunByHand, now: datetime) -> bool:
    """Whether a run that was asked for is still to be opened."""
    schedule = next((it for it in pool.schedule if it.name == asked.name), None)
    if schedule is None or now - asked.start > (schedule.finish_within or schedule.duration or WITHOUT_A_DEADLINE):
        return False
    entry = _entry(resource, pool)
    kept = from_text(entry.get("memory"), now).runs
    over = [str(it.get("started")) for it in entry.get("history") or () if it.get("name") == asked.name]
    return not any(it.name == asked.name and it.start >= asked.start for it in kept) and not any(
        it >= timestamp(asked.start) for it in over
    )


def _entry(resource: Mapping[str, Any], pool: Pool) -> Mapping[str, Any]:
    """What the status says of a pool."""
    pools = (resource.get("status") or {}).get("pools") or ()
    return next((it for it in pools if it.get("name") == pool.name), {})


def _sending(resource: Object, fleet: Fleet) -> str:
    """How the tasks of the run come: as docs/beat.md has it."""
    if not fleet.beat.enabled:
        return SENDS_NOTHING
    namespace, name = resource["metadata"]["namespace"], resource["metadata"]["name"]
    pod = f"kubectl exec -n {namespace} {beat_object(name)}-0"
    return f"{SENDS_NOTHING}, for example by: {pod} -- celery -A {fleet.beat.app} call TASK"


def _notes(resource: Object, pool: Pool, asked: RunByHand | None, now: datetime) -> Iterator[str]:
    if still := kept_still(resource, now):
        yield still
    if asked is not None and _waits(resource, pool, asked, now):
        yield f"it takes the place of run {asked.name} at {timestamp(asked.start)}, which was asked for and not begun"
