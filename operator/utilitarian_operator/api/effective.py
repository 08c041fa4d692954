"""The fleet as it runs: every default filled in, every layer merged.

Layers, the later over the earlier: built-in, the built-in layout's pool, `spec.defaults`, the pool. Maps merge key by
key, lists replace. Environment variables merge by name instead, the pool's over the fleet's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic.alias_generators import to_snake

from utilitarian_operator.api.broker_url import Broker, effective_broker
from utilitarian_operator.api.built_in_pools import BUILT_IN_POOLS
from utilitarian_operator.api.cel_rules import BUILT_IN_MAX
from utilitarian_operator.api.kubernetes import Part
from utilitarian_operator.api.patience import PATIENCE, Patience
from utilitarian_operator.api.resource import (
    Disruption,
    Execution,
    ForeignConsumers,
    Mode,
    OutsideRuns,
    PoolSpec,
    PullPolicy,
    Until,
    UtilitarianWorkerPoolSpec,
    Wake,
)
from utilitarian_operator.api.units import parse_quantity

Tree = dict[str, Any]
"""A part of the resource as in YAML (camelCase), durations as timedelta."""

TEMPLATE = "template"
"""Of pods: merged by Kubernetes' own rules, once all else is there."""

DEFAULT_SIZE = "100Mi"
BUILT_IN_REQUESTS: Mapping[str, str] = {"cpu": "50m", "memory": "256Mi"}
BUILT_IN_WORKER: Tree = {"concurrency": 4, "execution": "prefork", "prefetchMultiplier": 1}
BUILT_IN_SCALING: Tree = {
    "min": 0,
    "max": BUILT_IN_MAX,
    "drainWithin": timedelta(minutes=10),
    "taskDuration": timedelta(seconds=5),
    "stabilization": timedelta(seconds=60),
    "idleAfter": timedelta(minutes=2),
    "outsideRuns": "React",
    "wake": "AtOnce",
}
BUILT_IN_SCHEDULE: Tree = {"workers": 1, "warmUp": timedelta(minutes=2), "until": "Drained"}
BUILT_IN_POOL: Tree = {"priority": 50, "drainTimeout": timedelta(hours=1), "disruption": "Allow"}


@dataclass(frozen=True)
class PodSettings:
    """What pods need from Kubernetes, each in Kubernetes' own shape; empty where nothing was asked for."""

    node_selector: Mapping[str, str]
    tolerations: tuple[Tree, ...]
    affinity: Tree
    topology_spread_constraints: tuple[Tree, ...] | None
    """None: not given, so the operator's own spread applies; empty: none is wanted."""
    priority_class_name: str | None
    service_account_name: str | None
    image_pull_secrets: tuple[Tree, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    security_context: Tree
    container_security_context: Tree
    volumes: tuple[Tree, ...]
    volume_mounts: tuple[Tree, ...]
    templates: tuple[Tree, ...]
    """Partial pod templates, the later over the earlier and all of them over the rest; null takes away."""


@dataclass(frozen=True)
class Worker:
    """How one worker runs; `resources` as in a container, `max_memory_per_child` a quantity of memory."""

    concurrency: int
    execution: Execution
    prefetch_multiplier: int
    max_tasks_per_child: int | None
    max_memory_per_child: str | None
    resources: Tree
    extra_args: tuple[str, ...]
    command_prefix: tuple[str, ...]
    events: bool


@dataclass(frozen=True)
class Scaling:
    """How many workers a pool has and what its tasks are promised."""

    min: int
    max: int
    drain_within: timedelta
    task_duration: timedelta
    stabilization: timedelta
    idle_after: timedelta
    outside_runs: OutsideRuns
    wake: Wake = "AtOnce"


@dataclass(frozen=True)
class Schedule:
    """A run that comes at a known time; `start` is a cron line in `time_zone`."""

    name: str
    start: str
    time_zone: str
    workers: int
    warm_up: timedelta
    finish_within: timedelta | None
    until: Until
    duration: timedelta | None


@dataclass(frozen=True)
class Rollout:
    """How workers of a new template take over; numbers of pods, or shares such as `25%`."""

    recreate: bool
    max_surge: int | str
    max_unavailable: int | str
    leaves_secrets: bool
    """Whether pods stay as they are when what their environment refers to changes."""
    leaves_mounts: bool
    """Whether they do when what is mounted changes."""

    @property
    def surges(self) -> bool:
        """Whether new workers come beside the old ones, which go when the new ones consume."""
        return not self.recreate and str(self.max_surge) not in {"0", "0%"}


@dataclass(frozen=True)
class Pool:
    """One Deployment of workers; without `queues` it is the catch-all. `env` and `env_from` hold the fleet's too."""

    name: str
    queues: tuple[str, ...]
    priority: int
    env: tuple[Tree, ...]
    env_from: tuple[Tree, ...]
    worker: Worker
    scaling: Scaling
    schedule: tuple[Schedule, ...]
    drain_timeout: timedelta
    disruption: Disruption
    pod: PodSettings
    image: str
    app: str
    pull_policy: PullPolicy | None
    rollout: Rollout
    disruption_budget: bool
    foreign_consumers: ForeignConsumers = "Unexpected"

    @property
    def is_catch_all(self) -> bool:
        """Whether its workers consume the application's own queues, without -Q."""
        return not self.queues


@dataclass(frozen=True)
class Storage:
    """Beat's volume, or none if `ephemeral`."""

    ephemeral: bool
    size: str
    storage_class_name: str | None


@dataclass(frozen=True)
class Beat:
    """The one scheduler; `resources` as in a container."""

    enabled: bool
    storage: Storage
    scheduler: str | None
    extra_args: tuple[str, ...]
    resources: Tree
    pod: PodSettings
    command_prefix: tuple[str, ...]
    image: str
    app: str
    pull_policy: PullPolicy | None


@dataclass(frozen=True)
class Fleet:
    """Everything that one resource asks for.

    `env` and `env_from` are what every container has; `patience` is the operator's, and no field of the resource;
    `restricted` says whether pods are to meet the restricted Pod Security Standard.
    """

    image: str
    app: str
    broker: Broker
    env: tuple[Tree, ...]
    env_from: tuple[Tree, ...]
    mode: Mode
    time_zone: str
    max_workers: int | None
    queues_elsewhere: tuple[str, ...]
    pools: tuple[Pool, ...]
    beat: Beat
    pod: PodSettings
    patience: Patience = PATIENCE
    restricted: bool = False


def effective_fleet(spec: UtilitarianWorkerPoolSpec, patience: Patience = PATIENCE) -> Fleet:
    """Merge the layers of a spec and fill in every default."""
    fleet_pod = tree(spec.pod)
    env, env_from = trees(spec.env), trees(spec.env_from)
    return Fleet(
        image=spec.image,
        app=spec.app,
        broker=effective_broker(spec.broker),
        env=env,
        env_from=env_from,
        mode=spec.mode,
        time_zone=spec.time_zone,
        max_workers=spec.max_workers,
        queues_elsewhere=spec.queues_elsewhere or (),
        pools=tuple(_pool(written, spec, env, env_from) for written in written_pools(spec)),
        beat=_beat(spec, fleet_pod),
        pod=_pod(fleet_pod),
        patience=patience,
        restricted=spec.pod_security == "Restricted",
    )


def written_pools(spec: UtilitarianWorkerPoolSpec) -> tuple[Tree, ...]:
    """Each pool's two lower layers merged: the built-in layout's pools, or the resource's own, over `spec.defaults`."""
    defaults = tree(spec.defaults)
    if spec.pools is None:
        return tuple(merged(pool, defaults) for pool in BUILT_IN_POOLS)
    return tuple(_over_defaults(pool, defaults) for pool in spec.pools)


def _over_defaults(pool: PoolSpec, defaults: Tree) -> Tree:
    written = tree(pool)
    worker = written.get("worker", {})
    inherited = dict(defaults.get("worker", {}))
    if worker.get("execution", "prefork") != "prefork":
        # The pool chose otherwise: what the defaults say about prefork's children is not meant for it.
        inherited.pop("maxTasksPerChild", None)
        inherited.pop("maxMemoryPerChild", None)
    if worker.get("execution") == "solo":
        inherited.pop("concurrency", None)
    scaling = dict(defaults.get("scaling", {}))
    if pool.queues is None:
        # A catch-all asleep would never learn its queues, so only its own `min` can be refused for being 0.
        scaling["min"] = max(1, scaling.get("min", 1))
    return merged({**defaults, "worker": inherited, "scaling": scaling}, written)


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """Lay one tree over another: maps merge key by key, everything else is replaced, but pod templates pile up."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if key == TEMPLATE and isinstance(value, dict | tuple):
            result[key] = (*_several(below), *_several(value))
            continue
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def _several(value: Any) -> tuple[Tree, ...]:
    return value if isinstance(value, tuple) else (value,) if isinstance(value, dict) else ()


def tree(part: Part | None) -> Tree:
    """A value as the user wrote it in YAML; empty where nothing was written."""
    return {} if part is None else part.model_dump(by_alias=True, exclude_none=True)


def trees(parts: tuple[Part, ...] | None) -> tuple[Tree, ...]:
    """Same, for a list."""
    return tuple(tree(part) for part in parts or ())


def _pool(written: Tree, spec: UtilitarianWorkerPoolSpec, env: tuple[Tree, ...], env_from: tuple[Tree, ...]) -> Pool:
    full = merged(BUILT_IN_POOL, written)
    return Pool(
        name=full["name"],
        queues=tuple(full.get("queues", ())),
        priority=full["priority"],
        env=_env_over(env, full.get("env", ())),
        env_from=(*env_from, *full.get("envFrom", ())),
        worker=_worker(full.get("worker", {})),
        scaling=Scaling(**_snake(merged(BUILT_IN_SCALING, full.get("scaling", {})))),
        schedule=tuple(_schedule(run, spec.time_zone) for run in full.get("schedule", ())),
        drain_timeout=full["drainTimeout"],
        disruption=full["disruption"],
        pod=_pod(merged(tree(spec.pod), full.get("pod", {}))),
        image=full.get("image", spec.image),
        app=full.get("app", spec.app),
        pull_policy=full.get("pullPolicy", spec.pull_policy),
        rollout=_rollout(full.get("rollout", {})),
        disruption_budget=full.get("disruptionBudget", True),
        foreign_consumers=full.get("foreignConsumers", "Unexpected"),
    )


def _rollout(written: Tree) -> Rollout:
    on_change = written.get("onSecretChange", "Roll")
    return Rollout(
        recreate=written.get("type") == "Recreate",
        max_surge=written.get("maxSurge", "25%"),
        max_unavailable=written.get("maxUnavailable", 0),
        leaves_secrets=on_change == "Leave",
        leaves_mounts=written.get("onMountChange", on_change) == "Leave",
    )


def _env_over(under: tuple[Tree, ...], over: tuple[Tree, ...]) -> tuple[Tree, ...]:
    """Variables by name, those of the pool in the place of the fleet's: later ones may refer to earlier ones."""
    return tuple({variable["name"]: variable for variable in (*under, *over)}.values())


def _worker(written: Tree) -> Worker:
    full = merged(BUILT_IN_WORKER, written)
    if written.get("execution") == "solo":
        full["concurrency"] = 1
    return Worker(
        concurrency=full["concurrency"],
        execution=full["execution"],
        prefetch_multiplier=full["prefetchMultiplier"],
        max_tasks_per_child=full.get("maxTasksPerChild"),
        max_memory_per_child=full.get("maxMemoryPerChild"),
        resources=_resources(full.get("resources", {})),
        extra_args=tuple(full.get("extraArgs", ())),
        command_prefix=tuple(full.get("commandPrefix", ())),
        events=full.get("events", False),
    )


def _resources(written: Tree) -> Tree:
    """A container's resources; a built-in request gives way to a smaller limit: Kubernetes refuses it above."""
    limits = written.get("limits", {})
    built_in = {name: _smaller(request, limits.get(name, request)) for name, request in BUILT_IN_REQUESTS.items()}
    requests = merged(built_in, written.get("requests", {}))
    return {"requests": requests, "limits": limits} if limits else {"requests": requests}


def _smaller(one: str, other: str) -> str:
    return min(one, other, key=parse_quantity)


def _schedule(written: Tree, time_zone: str) -> Schedule:
    full = merged({**BUILT_IN_SCHEDULE, "timeZone": time_zone}, written)
    return Schedule(finish_within=full.pop("finishWithin", None), duration=full.pop("duration", None), **_snake(full))


def _beat(fleet: UtilitarianWorkerPoolSpec, fleet_pod: Tree) -> Beat:
    spec, storage = fleet.beat, fleet.beat.storage
    return Beat(
        enabled=spec.enabled,
        storage=Storage(
            ephemeral=bool(storage and storage.ephemeral),
            size=(storage and storage.size) or DEFAULT_SIZE,
            storage_class_name=storage.storage_class_name if storage else None,
        ),
        scheduler=spec.scheduler,
        extra_args=spec.extra_args or (),
        resources=_resources(tree(spec.resources)),
        pod=_pod(merged(fleet_pod, tree(spec.pod))),
        command_prefix=spec.command_prefix or (),
        image=spec.image or fleet.image,
        app=spec.app or fleet.app,
        pull_policy=spec.pull_policy or fleet.pull_policy,
    )


def _pod(written: Tree) -> PodSettings:
    lists = ("tolerations", "imagePullSecrets", "volumes", "volumeMounts")
    maps = ("nodeSelector", "affinity", "labels", "annotations", "securityContext", "containerSecurityContext")
    rest = ("topologySpreadConstraints", "priorityClassName", "serviceAccountName")
    return PodSettings(
        **_snake({name: tuple(written.get(name, ())) for name in lists}),
        **_snake({name: written.get(name, {}) for name in maps}),
        **_snake({name: written.get(name) for name in rest}),
        templates=_several(written.get(TEMPLATE)),
    )


def _snake(written: Mapping[str, Any]) -> Tree:
    return {to_snake(name): value for name, value in written.items()}
