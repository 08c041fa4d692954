"""What will run as written and probably surprises its owner, by the resource alone: a table of rules with names.

What needs the broker's or the workers' own word is in `core/diagnosis/broker_advice.py`; what is almost surely a
mistake is a warning of `api/validation/resource_rules.py`, which the API server's answer has, too.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.containers import WORKER, waits
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.manifests import deployment
from utilitarian_operator.core.objects.wanted import pod_templates
from utilitarian_operator.core.spec.mounts import MOST_MOUNTED, mounts
from utilitarian_operator.core.wording import named, number, seconds

CELERYS_OWN = "celery"
"""The queue that Celery sends to where nothing else is said (`task_default_queue`)."""

MANY_BEHIND_ONE = 16
"""Messages behind the one task of a worker from which on that is worth saying whatever a task takes."""

_ONE_NODE = ("awsElasticBlockStore", "azureDisk", "cinder", "fc", "gcePersistentDisk", "iscsi", "rbd", "vsphereVolume")
"""Kinds of volumes that one node can write to at a time."""


@dataclass(frozen=True, slots=True)
class Caution:
    """One thing to know of a resource.

    Args:
        rule: its name in `RULES`.
        pool: that it concerns; empty where it is the whole fleet.
        path: of the field, the pool by its name.
        what: happens.
        cure: what to change.
    """

    rule: str
    pool: str
    path: str
    what: str
    cure: str


_Found = Iterator[tuple[str, str, str]]
"""Field, what happens, and what to change."""


def cautions(
    fleet: Fleet, seconds_per_task: Mapping[str, float] | None = None, only: str | None = None
) -> tuple[Caution, ...]:
    """All that the rules find, in the order of the rules.

    Args:
        fleet: what is asked for.
        seconds_per_task: measured, by pool name; where a pool is not in it the guess of its `taskDuration` counts.
        only: name of the pool that is meant, beside the fleet; None for all of them.
    """
    measured = seconds_per_task or {}
    found = []
    for rule, look in OF_A_FLEET.items():
        found += [Caution(rule, "", f"spec.{at}", what, cure) for at, what, cure in look(fleet)]
    for rule, look_at in OF_A_POOL.items():
        for pool in (it for it in fleet.pools if only in {None, it.name}):
            s = measured.get(pool.name, pool.scaling.task_duration.total_seconds())
            prefix = f"pools.{pool.name}"
            found += [
                Caution(rule, pool.name, f"{prefix}.{at}", what, cure) for at, what, cure in look_at(fleet, pool, s)
            ]
    return tuple(found)


def _celery_without_a_pool(fleet: Fleet) -> _Found:
    """Celery's own tasks (a chord's end, the cleaning of results) go to the application's default queue."""
    consumed = {queue for pool in fleet.pools for queue in pool.queues} | set(fleet.queues_elsewhere)
    variables = [it["name"] for env in (fleet.env, *(pool.env for pool in fleet.pools)) for it in env]
    backend = next((name for name in variables if "RESULT_BACKEND" in name.upper()), None)
    if backend is None or CELERYS_OWN in consumed or any(pool.is_catch_all for pool in fleet.pools):
        return
    yield (
        "pools",
        (
            f"no pool consumes the queue {CELERYS_OWN}. With a result backend ({backend}) Celery sends tasks of its "
            "own, which end chords and clean up results, to the default queue of the application. That is its name, "
            "unless the application sets task_default_queue"
        ),
        f"{CELERYS_OWN} among a pool's queues, or in spec.queuesElsewhere if another queue is the default",
    )


def _mounts_not_followed(fleet: Fleet) -> _Found:
    followed = mounts(pod_templates("NAME", fleet), fleet)
    too_many = ["beat" if name is None else f"pool {name}" for name, of_pod in followed.items() if of_pod is None]
    if too_many:
        yield (
            "pools",
            (
                f"a change of what {named(too_many, 3)} mounts rolls no pod: with it the fleet would mount more than "
                f"{MOST_MOUNTED} Secrets and ConfigMaps, which are not all read twice a minute"
            ),
            "fewer objects with more keys each, or kubectl rollout restart after a change",
        )


def _prefetch_behind_a_task(_: Fleet, pool: Pool, s: float) -> _Found:
    worker, promise = pool.worker, pool.scaling.drain_within
    multiplier, held = worker.prefetch_multiplier, worker.concurrency * worker.prefetch_multiplier
    alone = worker.concurrency == 1 and multiplier >= MANY_BEHIND_ONE
    if multiplier == 1 or not (alone or multiplier * s > promise.total_seconds()):
        return
    took = timedelta(seconds=round(multiplier * s))
    yield (
        "worker.prefetchMultiplier",
        (
            f"a busy worker holds {number(held)} messages, which wait for what it runs, about {format_duration(took)} "
            f"at {seconds(s)} a task and longer behind a long one, while other workers may be idle; one that is led "
            "out does all of them first"
        ),
        "worker.prefetchMultiplier: 1",
    )


def _volume_of_one_node(fleet: Fleet, pool: Pool, _: float) -> _Found:
    if pool.scaling.max == 1 and not pool.rollout.surges:
        return
    for volume in _named(_pod(fleet, pool).get("volumes")):
        claim = _map(volume.get("persistentVolumeClaim"))
        what = f"claim {claim.get('claimName')}" if claim and not claim.get("readOnly") else ""
        what = what or next((f"volume {volume['name']} ({kind})" for kind in _ONE_NODE if kind in volume), "")
        if not what:
            continue
        many = f"up to {number(pool.scaling.max)} workers" if pool.scaling.max > 1 else "two workers in a rollout"
        unless = " unless it is ReadWriteMany" if claim else ""
        yield (
            "pod.volumes",
            f"{many} mount the {what}: one node at a time can have it{unless}, and workers on others wait for ever",
            "a volume for many nodes (ReadWriteMany), or scaling.max: 1 with rollout: {type: Recreate}",
        )


def _sidecar_ends_first(fleet: Fleet, pool: Pool, _: float) -> _Found:
    others = [it for it in _named(_pod(fleet, pool).get("containers")) if it["name"] != WORKER]
    told = {it["name"]: {"lifecycle": _map(it.get("lifecycle")), "env": _named(it.get("env"))} for it in others}
    beside = [name for name, container in told.items() if not waits(container)]
    if beside:
        yield (
            "pod.template",
            (
                f"when a pod ends, {named(beside, 3)} gets the signal to end as the worker's preStop hook begins, and "
                "not after the worker: a proxy takes the worker's connections along, an exporter or a log shipper "
                "misses the last tasks"
            ),
            "initContainers with restartPolicy: Always, which end after the worker; or a preStop hook of its own",
        )


OF_A_FLEET: Mapping[str, Callable[[Fleet], _Found]] = {
    "celery-without-a-pool": _celery_without_a_pool,
    "mounts-not-followed": _mounts_not_followed,
}
OF_A_POOL: Mapping[str, Callable[[Fleet, Pool, float], _Found]] = {
    "prefetch-behind-a-task": _prefetch_behind_a_task,
    "volume-of-one-node": _volume_of_one_node,
    "sidecar-ends-first": _sidecar_ends_first,
}
RULES = (*OF_A_FLEET, *OF_A_POOL)
"""The names of all rules."""


def _pod(fleet: Fleet, pool: Pool) -> Object:
    """The pod's specification as it will be, templates included."""
    spec: Object = deployment(Owner("", "NAME", ""), fleet, pool)["spec"]["template"]["spec"]
    return spec


def _named(value: object) -> list[Object]:
    """The entries of a list that have a name; a template may have others, which the API server will refuse."""
    entries = value if isinstance(value, list) else []
    return [it for it in entries if isinstance(it, dict) and isinstance(it.get("name"), str)]


def _map(value: Any) -> Object:
    return value if isinstance(value, dict) else {}
