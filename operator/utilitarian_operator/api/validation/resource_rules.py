"""What is wrong with a resource beyond the shape of its fields.

The API server has most of these rules too (`rules`, with the same words). They are checked again because a resource may
have been accepted under an older CRD. Only here: cron lines, time zones, and mounts without a volume.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic.alias_generators import to_camel

from utilitarian_operator.api import cel_rules as rules
from utilitarian_operator.api import names
from utilitarian_operator.api.effective import Fleet, Pool, Tree, effective_fleet, tree
from utilitarian_operator.api.kubernetes import Part
from utilitarian_operator.api.problem import InvalidSpec, Problem, field_path, shown
from utilitarian_operator.api.pydantic_messages import MOST_PROBLEMS
from utilitarian_operator.api.resource import (
    BeatSpec,
    PoolSpec,
    ScheduleSpec,
    UtilitarianWorkerPool,
    UtilitarianWorkerPoolSpec,
    WorkerSpec,
    parse,
)
from utilitarian_operator.api.strict_yaml import DEEPEST
from utilitarian_operator.api.units import format_duration, parse_quantity
from utilitarian_operator.api.validation.beat_arguments import check_beat_arguments
from utilitarian_operator.api.validation.command_prefix import check_command_prefix, prefix_warnings
from utilitarian_operator.api.validation.part_rules import broken_rules
from utilitarian_operator.api.validation.pod_security import NOTHING, check_pod_security
from utilitarian_operator.api.validation.pod_template import check_templates
from utilitarian_operator.api.validation.size import ENDLESS, MOST_OF_A_SPEC, too_large, weight_of_spec
from utilitarian_operator.api.validation.worker_arguments import check_worker_arguments

_ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)
"""Where the search for a run that never comes starts; any day does, since cronsim looks 50 years ahead."""


_STARTS_LOOKED_AT = 400
"""Enough for a line of each minute to meet its first pause, and for a daily one to see a whole year."""

AUTOSCALER_GRACE = timedelta(minutes=10)
"""What cluster-autoscaler grants a pod of a node that it takes away (`--max-graceful-termination-sec`)."""

_SEEN = (
    "all who may read the resource or a pod see a password that stands in it: put it into a Secret, and write "
    "{secretKeyRef: {name: …, key: …}}"
)


def accept(body: Mapping[str, Any], allowed: Collection[str] = NOTHING) -> UtilitarianWorkerPool:
    """Read a resource and check everything that can be checked without a cluster.

    Args:
        body: of the resource.
        allowed: what its pods may ask for beyond the baseline, by the names in `pod_security.REASONS`.

    Raises:
        InvalidSpec: with every Problem found; those of `check` only once the fields themselves are right.
    """
    if (unreadable := _unreadable(body.get("spec"))) is not None:  # nothing else can go through it
        raise InvalidSpec([unreadable])
    resource = parse(body)
    problems = [*check(resource.spec, resource.metadata.name), *check_pod_security(resource.spec, allowed)]
    if problems:
        raise InvalidSpec(problems[:MOST_PROBLEMS])
    return resource


def _unreadable(spec: object) -> Problem | None:
    """Why a spec is not looked at any further. First its size: all else takes longer the larger it is."""
    bytes_ = weight_of_spec(spec)
    deep = next(_too_deep(spec), None) if bytes_ <= MOST_OF_A_SPEC or bytes_ == ENDLESS else None
    return deep or too_large(spec, bytes_)


def _too_deep(spec: object) -> Iterator[Problem]:
    """The fields whose parts lie too deep within each other, down to where they are too deep."""
    todo: list[tuple[tuple[str | int, ...], Any]] = [(("spec",), spec)]
    while todo:
        path, here = todo.pop()
        if isinstance(here, Mapping | list) and len(path) >= DEEPEST:
            yield Problem(field_path(path), "", f"has more than {DEEPEST} parts within each other; write fewer")
        elif isinstance(here, Mapping):
            todo += [((*path, str(name)), it) for name, it in here.items()]
        elif isinstance(here, list):
            todo += [((*path, number), it) for number, it in enumerate(here)]


def check(spec: UtilitarianWorkerPoolSpec, name: str = "") -> list[Problem]:
    """What is wrong with a spec whose fields are right one by one.

    Args:
        spec: as written.
        name: of the resource; its rules are left out if empty.
    """
    fleet = effective_fleet(spec)
    return [
        *(_check_name(name, fleet) if name else ()),
        *_check_parts(spec),
        *_check_times(spec),
        *_check_queues(fleet),
        *_check_pools(spec, fleet),
        *_check_budget(fleet),
        *check_beat_arguments(fleet.beat.extra_args),
        *check_templates(spec),
        *_check_mounts(fleet),
    ]


def warnings(spec: UtilitarianWorkerPoolSpec) -> list[Problem]:
    """What will run, but probably not as meant.

    Memory that children may take beyond the container's limit, work that can't be held while a worker always stands,
    runs that leave no time between them, and a grace that node autoscalers would cut short. The built-in grace of an
    hour is not written by the user, and is not warned of.
    """
    found = [
        warning
        for index, pool in enumerate(effective_fleet(spec).pools)
        for warning in (
            *_memory(index, pool),
            *_held_by_none(index, pool),
            *_due_to_none(index, pool),
            *_without_a_pause(index, pool),
        )
    ]
    if spec.broker.from_ is not None and isinstance(spec.broker.from_.password, str):
        found.append(Problem("spec.broker.from.password", "", _SEEN))
    for path, part in parts(spec, "spec"):
        if isinstance(part, WorkerSpec | BeatSpec):
            found += prefix_warnings(f"{path}.commandPrefix", part.command_prefix or ())
    return [*found, *(warning for index, pool in enumerate(spec.pools or ()) for warning in _grace(index, pool))]


def parts(part: Part, path: str) -> Iterator[tuple[str, Part]]:
    """A part and every part below it, each with its path."""
    yield path, part
    for field, about in type(part).model_fields.items():
        value = getattr(part, field)
        below = f"{path}.{about.alias or to_camel(field)}"
        if isinstance(value, Part):
            yield from parts(value, below)
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, Part):
                    yield from parts(item, f"{below}[{index}]")


def _check_parts(spec: UtilitarianWorkerPoolSpec) -> Iterator[Problem]:
    for path, part in parts(spec, "spec"):
        yield from broken_rules(path, part)
        if isinstance(part, WorkerSpec):
            yield from check_worker_arguments(f"{path}.extraArgs", part.extra_args or ())
        if isinstance(part, WorkerSpec | BeatSpec):
            yield from check_command_prefix(f"{path}.commandPrefix", part.command_prefix or ())


def _check_name(name: str, fleet: Fleet) -> Iterator[Problem]:
    if not names.is_label(name):
        yield Problem("metadata.name", shown("metadata.name", name), rules.NAME_IS_LABEL.message)
    for index, pool in enumerate(fleet.pools):
        if not names.fits(name, pool.name):
            yield Problem(f"spec.pools[{index}].name", f"{name}-{pool.name}", rules.NAMES_FIT.message)


def _check_times(spec: UtilitarianWorkerPoolSpec) -> Iterator[Problem]:
    yield from _check_zone("spec.timeZone", spec.time_zone)
    for path, part in parts(spec, "spec"):
        if isinstance(part, ScheduleSpec):
            yield from _check_cron(f"{path}.start", part.start)
            yield from _check_zone(f"{path}.timeZone", part.time_zone or "UTC")


def _check_zone(path: str, zone: str) -> Iterator[Problem]:
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, LookupError):
        yield Problem(path, shown(path, zone), "no such time zone: write one of the IANA database, such as Europe/Oslo")


def _check_cron(path: str, line: str) -> Iterator[Problem]:
    try:
        next(CronSim(line, _ANY_DAY))
    except CronSimError as error:
        yield Problem(path, shown(path, line), f'not a cron line ({error}): write it like "0 3 1 * *" or "0 3 L * *"')
    except StopIteration:
        yield Problem(path, shown(path, line), "this moment never comes: check day and month")


def _check_queues(fleet: Fleet) -> Iterator[Problem]:
    owner: dict[str, int] = {}
    for index, pool in enumerate(fleet.pools):
        for number, queue in enumerate(pool.queues):
            if owner.setdefault(queue, index) != index:
                path = f"spec.pools[{index}].queues[{number}]"
                yield Problem(path, shown(path, queue), rules.QUEUE_IN_ONE_POOL[0].message)
    without = [index for index, pool in enumerate(fleet.pools) if pool.is_catch_all]
    for index in without[1:]:
        yield Problem(f"spec.pools[{index}].queues", "", rules.ONE_CATCH_ALL.message)


def _check_pools(spec: UtilitarianWorkerPoolSpec, fleet: Fleet) -> Iterator[Problem]:
    for index, pool in enumerate(fleet.pools):
        at = "spec.defaults" if spec.pools is None else f"spec.pools[{index}]"
        scaling = pool.scaling
        if scaling.min > scaling.max:
            yield Problem(f"{at}.scaling.min", str(scaling.min), rules.MIN_WITHIN_MAX.message)
        for number, run in enumerate(pool.schedule):
            if run.workers > scaling.max:
                yield Problem(f"{at}.schedule[{number}].workers", str(run.workers), rules.RUNS_WITHIN_MAX.message)
        if scaling.outside_runs == "Hold" and not pool.schedule:
            yield Problem(f"{at}.scaling.outsideRuns", "Hold", rules.HOLD_NEEDS_RUNS.message)
        if spec.pools is None and index == 0 and any((scaling.min > scaling.max, scaling.outside_runs == "Hold")):
            return  # the layout's pools differ in neither: once is enough
        if spec.pools is not None:
            yield from _check_inherited(at, spec.pools[index], tree(spec.defaults).get("worker", {}))


def _check_inherited(at: str, pool: PoolSpec, defaults: Tree) -> Iterator[Problem]:
    """A pool that sets what only fits another execution than the one it inherits."""
    worker = pool.worker
    inherited = defaults.get("execution", "prefork")
    if worker is None or worker.execution is not None:
        return
    if inherited != "prefork" and (worker.max_tasks_per_child or worker.max_memory_per_child):
        yield Problem(f"{at}.worker", "an object", rules.PREFORK_ONLY_INHERITED.message)
    if inherited == "solo" and (worker.concurrency or 1) > 1:
        yield Problem(f"{at}.worker.concurrency", str(worker.concurrency), rules.SOLO_INHERITED.message)


def _check_budget(fleet: Fleet) -> Iterator[Problem]:
    needed = sum(pool.scaling.min for pool in fleet.pools)
    if fleet.max_workers is not None and needed > fleet.max_workers:
        remedy = f"{rules.MINS_WITHIN_BUDGET.message} (together they are {needed})"
        yield Problem("spec.maxWorkers", str(fleet.max_workers), remedy)


def _check_mounts(fleet: Fleet) -> Iterator[Problem]:
    settings = [(f"spec.pools[{index}].pod", pool.pod) for index, pool in enumerate(fleet.pools)]
    for at, pod in [*settings, ("spec.beat.pod", fleet.beat.pod)]:
        known = {volume["name"] for volume in pod.volumes}
        missing = sorted({mount["name"] for mount in pod.volume_mounts} - known)
        if missing:
            remedy = f"no volume is called {missing[0]}: add it to volumes, here or in the fleet's pod"
            yield Problem(f"{at}.volumeMounts", "", remedy)


def _memory(index: int, pool: Pool) -> Iterator[Problem]:
    child, limit = pool.worker.max_memory_per_child, pool.worker.resources.get("limits", {}).get("memory")
    if child is None or limit is None:
        return
    processes = pool.worker.concurrency + 1
    if processes * parse_quantity(child) > parse_quantity(limit):
        yield Problem(
            f"spec.pools[{index}].worker.maxMemoryPerChild",
            child,
            f"{processes} processes of {child} may take more than the container's limit of {limit}, which kills the "
            "worker with its tasks: lower concurrency or maxMemoryPerChild, or raise the limit",
        )


def _always_awake(pool: Pool) -> tuple[str, str]:
    """Why a pool never sleeps, and what lets it sleep."""
    if pool.is_catch_all:
        return "a catch-all always has a worker", "name its queues and set min: 0"
    return f"scaling.min is {pool.scaling.min}", "set min: 0"


def _held_by_none(index: int, pool: Pool) -> Iterator[Problem]:
    scaling = pool.scaling
    if scaling.outside_runs != "Hold" or not scaling.min:
        return
    always, cure = _always_awake(pool)
    yield Problem(
        f"spec.pools[{index}].scaling.outsideRuns",
        "Hold",
        f"{always}, and a worker that stands takes what comes outside the runs too: {cure}, or write React",
    )


def _due_to_none(index: int, pool: Pool) -> Iterator[Problem]:
    scaling = pool.scaling
    if scaling.wake != "WhenDue" or not (pool.is_catch_all or scaling.min):
        return
    always, cure = _always_awake(pool)
    yield Problem(
        f"spec.pools[{index}].scaling.wake",
        "WhenDue",
        f"{always}, so the pool never sleeps and this has no effect: {cure}, or leave wake out",
    )


def _without_a_pause(index: int, pool: Pool) -> Iterator[Problem]:
    """Schedules whose warm-up or duration reaches from each start to the next, so that the pool never sleeps."""
    for number, schedule in enumerate(pool.schedule):
        for field, length in (("warmUp", schedule.warm_up), ("duration", schedule.duration)):
            if length is not None and length >= (pause := _longest_pause(schedule.start, length)):
                yield Problem(
                    f"spec.pools[{index}].schedule[{number}].{field}",
                    format_duration(length),
                    f"two starts are {format_duration(pause)} apart at most, so the pool never sleeps and no more than "
                    "3 runs are distinguished: make it shorter, or set scaling.min",
                )


def _longest_pause(line: str, enough: timedelta) -> timedelta:
    """The longest time between two starts; a time that is longer than enough says as much."""
    starts, longest = CronSim(line, _ANY_DAY), timedelta()
    before = next(starts)
    for _ in range(_STARTS_LOOKED_AT):
        start = next(starts)
        longest, before = max(longest, start - before), start
        if longest > enough:
            break
    return longest


def _grace(index: int, pool: PoolSpec) -> Iterator[Problem]:
    grace = pool.drain_timeout
    if grace is None or grace <= AUTOSCALER_GRACE or pool.disruption == "Avoid":
        return
    yield Problem(
        f"spec.pools[{index}].drainTimeout",
        format_duration(grace),
        f"cluster-autoscaler ends a pod {format_duration(AUTOSCALER_GRACE)} after it asked it to go, with its tasks: "
        "where one runs, write disruption: Avoid, which keeps it from busy workers",
    )
