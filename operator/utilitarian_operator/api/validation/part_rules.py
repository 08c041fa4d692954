"""The rules within one part of the resource, in Python; `cel_rules` has the same rules in CEL."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from utilitarian_operator.api import cel_rules as rules
from utilitarian_operator.api import kubernetes, resource
from utilitarian_operator.api.broker_url import is_host
from utilitarian_operator.api.names import BEAT
from utilitarian_operator.api.problem import Problem, shown
from utilitarian_operator.api.units import parse_quantity


@dataclass(frozen=True)
class Local:
    """A rule of one kind of part.

    Args:
        kind: of the parts it holds for.
        field: what it is about, as in YAML; empty for the part as a whole.
        message: what is wrong and what to do.
        holds: whether a part obeys.
    """

    kind: type[kubernetes.Part]
    field: str
    message: str
    holds: Callable[[Any], bool]


def broken_rules(path: str, part: kubernetes.Part) -> Iterator[Problem]:
    """The rules of the table that a part breaks."""
    for local in LOCAL_RULES:
        if isinstance(part, local.kind) and not local.holds(part):
            yield Problem(f"{path}.{local.field}".rstrip("."), _value(path, part, local.field), local.message)


def _value(path: str, part: kubernetes.Part, field: str) -> str:
    if not field:
        return ""
    return shown(f"{path}.{field}", part.model_dump(mode="json", by_alias=True)[field])


def _no_flags(forbidden: str, arguments: Iterable[str] | None) -> bool:
    return not any(re.search(forbidden, argument) for argument in arguments or ())


def _no_names(taken: tuple[str, ...], given: Iterable[str] | None) -> bool:
    return not any(name.startswith(taken) for name in given or ())


def _distinct(items: Iterable[Any] | None) -> bool:
    values = list(items or ())
    return len(values) == len(set(values))


def _within_limits(resources: kubernetes.Resources) -> bool:
    limits = resources.limits or {}
    requests = resources.requests or {}
    return all(parse_quantity(requests[name]) <= parse_quantity(limits[name]) for name in requests if name in limits)


def _one_source(source: kubernetes.EnvSource) -> bool:
    return sum(getattr(source, field) is not None for field in type(source).model_fields) == 1


def _ephemeral_alone(storage: resource.StorageSpec) -> bool:
    return not (storage.ephemeral and (storage.size or storage.storage_class_name))


def _some_pods_move(rollout: resource.RolloutSpec) -> bool:
    nothing = (0, "0%", "00%", "000%")
    return rollout.max_surge not in nothing or rollout.max_unavailable not in (None, *nothing)


def _prefork_only(worker: resource.WorkerSpec) -> bool:
    chosen = worker.execution or "prefork"
    return chosen == "prefork" or (worker.max_tasks_per_child is None and worker.max_memory_per_child is None)


def _catch_all_awake(pool: resource.PoolSpec) -> bool:
    return pool.queues is not None or pool.scaling is None or pool.scaling.min != 0


_TWICE = "{} comes twice: names must differ"
_LABELS = ("utilitarian.io/", "app.kubernetes.io/")
_ANNOTATIONS = ("utilitarian.io/", "controller.kubernetes.io/pod-deletion-cost")

LOCAL_RULES: tuple[Local, ...] = (
    Local(
        resource.TLSSpec,
        "",
        rules.CERT_WITH_KEY.message,
        lambda tls: (tls.cert_from is None) == (tls.key_from is None),
    ),
    Local(
        resource.BrokerSpec,
        "",
        rules.ONE_BROKER_URL.message,
        lambda broker: (broker.url_from is None) != (broker.from_ is None),
    ),
    Local(
        kubernetes.KeySource,
        "",
        rules.ONE_KEY_SOURCE.message,
        lambda source: (source.secret_key_ref is None) != (source.config_map_key_ref is None),
    ),
    Local(
        resource.BrokerPartsSpec,
        "password",
        "a password without a username is no login: give username too",
        lambda parts: parts.password is None or parts.username is not None,
    ),
    Local(
        resource.BrokerPartsSpec,
        "host",
        "write the name or the address alone: scheme, port and virtual host are fields of their own",
        lambda parts: not isinstance(parts.host, str) or is_host(parts.host),
    ),
    Local(
        resource.BrokerPartsSpec,
        "port",
        "write a port from 1 to 65535, or a reference to one",
        lambda parts: not isinstance(parts.port, str) or (parts.port.isdecimal() and 0 < int(parts.port) < 1 << 16),
    ),
    Local(
        resource.BrokerPartsSpec,
        "scheme",
        "write amqp or amqps, or a reference to one",
        lambda parts: not isinstance(parts.scheme, str) or parts.scheme in {"amqp", "amqps", "pyamqp"},
    ),
    Local(resource.RolloutSpec, "", rules.SOME_PODS_MOVE.message, _some_pods_move),
    Local(
        resource.RolloutSpec,
        "",
        rules.RECREATE_ALONE.message,
        lambda rollout: rollout.type != "Recreate" or (rollout.max_surge is None and rollout.max_unavailable is None),
    ),
    Local(resource.WorkerSpec, "", rules.PREFORK_ONLY.message, _prefork_only),
    Local(
        resource.WorkerSpec,
        "concurrency",
        rules.SOLO_IS_ONE.message,
        lambda worker: worker.execution != "solo" or worker.concurrency in (None, 1),
    ),
    Local(
        resource.BeatSpec,
        "extraArgs",
        rules.BEAT_ARGUMENTS.message,
        lambda beat: _no_flags(rules.BEAT_FLAGS, beat.extra_args),
    ),
    Local(resource.StorageSpec, "", rules.EPHEMERAL_HAS_NO_SIZE.message, _ephemeral_alone),
    Local(
        resource.ScheduleSpec,
        "",
        rules.DURATION_WITH_UNTIL.message,
        lambda run: (run.duration is not None) == (run.until == "Duration"),
    ),
    Local(resource.PoolSpec, "name", rules.NOT_BEAT.message, lambda pool: pool.name != BEAT),
    Local(resource.PoolSpec, "scaling", rules.CATCH_ALL_AWAKE.message, _catch_all_awake),
    Local(resource.PoolSpec, "queues", rules.SOME_QUEUE.message, lambda pool: pool.queues != ()),
    Local(resource.PoolSpec, "queues", _TWICE.format("a queue"), lambda pool: _distinct(pool.queues)),
    Local(
        resource.PoolSpec,
        "schedule",
        _TWICE.format("a schedule's name"),
        lambda pool: _distinct(run.name for run in pool.schedule or ()),
    ),
    Local(resource.UtilitarianWorkerPoolSpec, "pools", rules.SOME_POOL.message, lambda spec: spec.pools != ()),
    Local(
        resource.UtilitarianWorkerPoolSpec,
        "pools",
        _TWICE.format("a pool's name"),
        lambda spec: _distinct(pool.name for pool in spec.pools or ()),
    ),
    *(
        Local(
            kind, "env", _TWICE.format("a variable's name"), lambda part: _distinct(var.name for var in part.env or ())
        )
        for kind in (resource.PoolSpec, resource.UtilitarianWorkerPoolSpec)
    ),
    Local(kubernetes.Resources, "requests", rules.REQUESTS_WITHIN_LIMITS.message, _within_limits),
    Local(
        kubernetes.EnvVar,
        "",
        rules.ONE_VALUE.message,
        lambda variable: variable.value is None or variable.value_from is None,
    ),
    Local(kubernetes.EnvSource, "", rules.ONE_ENV_SOURCE.message, _one_source),
    Local(
        kubernetes.EnvFrom,
        "",
        rules.ONE_ENV_FROM.message,
        lambda source: (source.secret_ref is None) != (source.config_map_ref is None),
    ),
    Local(
        kubernetes.Toleration,
        "value",
        rules.TOLERATION_VALUE.message,
        lambda toleration: toleration.operator != "Exists" or toleration.value is None,
    ),
    Local(
        kubernetes.Toleration,
        "",
        rules.TOLERATION_KEY.message,
        lambda toleration: toleration.key is not None or toleration.operator == "Exists",
    ),
    Local(kubernetes.PodSpec, "labels", rules.OWN_LABELS.message, lambda pod: _no_names(_LABELS, pod.labels)),
    Local(
        kubernetes.PodSpec,
        "annotations",
        rules.OWN_ANNOTATIONS.message,
        lambda pod: _no_names(_ANNOTATIONS, pod.annotations),
    ),
    Local(
        kubernetes.PodSpec,
        "volumes",
        _TWICE.format("a volume's name"),
        lambda pod: _distinct(volume.get("name") for volume in pod.volumes or ()),
    ),
    Local(
        kubernetes.PodSpec,
        "volumeMounts",
        _TWICE.format("a mountPath"),
        lambda pod: _distinct(mount.mount_path for mount in pod.volume_mounts or ()),
    ),
    Local(
        kubernetes.PodSpec,
        "imagePullSecrets",
        _TWICE.format("a Secret's name"),
        lambda pod: _distinct(secret.name for secret in pod.image_pull_secrets or ()),
    ),
)
