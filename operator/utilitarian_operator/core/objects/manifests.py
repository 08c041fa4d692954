"""Builds the objects of a fleet as Kubernetes manifests."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from utilitarian_operator.api.broker_url import CONTROL_EXCHANGE
from utilitarian_operator.api.effective import Beat, Fleet, PodSettings, Pool, Rollout, Worker
from utilitarian_operator.api.names import beat_object, pool_object
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.resource import API_VERSION, KIND
from utilitarian_operator.api.units import parse_quantity
from utilitarian_operator.core.labels import (
    CONFIG_CHECKSUM,
    CONSUMING,
    ENVIRONMENT,
    INSTANCE_LABEL,
    MANAGED_BY_LABEL,
    MANAGER,
    MOUNTS,
    MOUNTS_CHECKSUM,
    POOL_LABEL,
    TEMPLATE_HASH,
    Owner,
    node_name,
)
from utilitarian_operator.core.objects import beat_scripts
from utilitarian_operator.core.objects import pre_stop_hook as pre_stop
from utilitarian_operator.core.objects.broker_environment import BROKER_VARIABLE, broker_variables, broker_words
from utilitarian_operator.core.objects.pod_template import shares_processes, with_templates

KEPT_BY_ARGO_CD = {
    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
}
"""Annotations of what has no owner: tracking by the label `app.kubernetes.io/instance`, Argo CD would prune it."""


KIBIBYTE = 1024
LONGEST_LABEL = 63
"""Celery's unit for --max-memory-per-child."""

BEAT_FOLDER = "/var/lib/celery-beat"
BEAT_FILE = f"{BEAT_FOLDER}/schedule"
BEAT_CHECK = "check-schedule"
"""Name of the init container that looks at beat's schedule file."""

TERMINATION_MESSAGE = "/dev/termination-log"
"""Kubernetes' default for terminationMessagePath."""

READ_WRITE_ONCE, READ_WRITE_ONCE_POD = "ReadWriteOnce", "ReadWriteOncePod"
BEAT_GRACE_S = 30
"""Beat syncs its schedule file on SIGTERM, which takes it well under a second."""

BEAT_GROUP = 65534
"""fsGroup of beat's volume, so that an image of any user can write its schedule file."""


@dataclass(frozen=True, slots=True)
class Mounted:
    """What is written of what pods have mounted; None where nothing is.

    Args:
        on_pods: a checksum in the template, so that another one rolls them.
        each: digests of each object, on the object itself, which rolls nothing.
        noted: a checksum there, as an earlier version wrote it.
        environment: digests there of each object of the environment.
    """

    on_pods: str | None = None
    each: str | None = None
    noted: str | None = None
    environment: str | None = None


NOT_CARRIED = Mounted()


def deployment(
    owner: Owner, fleet: Fleet, pool: Pool, checksum: str | None = None, mounted: Mounted = NOT_CARRIED
) -> Object:
    """A pool's Deployment, without replicas: those are set when it is created and then only through /scale.

    Args:
        owner: the resource.
        fleet: the effective spec.
        pool: one of its pools.
        checksum: of what the pods' environment refers to; None leaves the annotation out.
        mounted: checksums of what they have mounted.
    """
    labels = _labels(owner, pool.app, "worker") | {POOL_LABEL: pool.name}
    selector = {INSTANCE_LABEL: owner.name, POOL_LABEL: pool.name}
    told = broker_words(fleet.broker, pool.env)
    container = {
        "name": "worker",
        **_image(pool),
        "command": [*told, *_worker_command(pool)],
        "env": [_pod_name(), *_for_the_hook(fleet), *_environment(fleet, pool.env)],
        "envFrom": list(pool.env_from),
        "resources": pool.worker.resources,
        "lifecycle": {"preStop": {"exec": {"command": [*told, *_hook(pool)]}}},
    }
    pod = _pod(pool.pod, container, restricted=fleet.restricted)
    pod["readinessGates"] = [{"conditionType": CONSUMING}]
    pod["terminationGracePeriodSeconds"] = int(pool.drain_timeout.total_seconds())
    if pool.pod.topology_spread_constraints is None:
        pod["topologySpreadConstraints"] = _spread(selector)
    spec = {
        "selector": {"matchLabels": selector},
        "revisionHistoryLimit": 2,
        "strategy": _strategy(pool.rollout),
        "template": with_templates(
            {"metadata": _pod_metadata(pool.pod, labels, checksum, mounted), "spec": pod}, pool.pod.templates, "worker"
        ),
    }
    made = _object("apps/v1", "Deployment", owner, pool_object(owner.name, pool.name), labels, spec)
    return _stamped(made, mounted)


def disruption_budget(owner: Owner, pool: Pool) -> Object:
    """A pool's PodDisruptionBudget: a node is emptied one worker at a time, and never held up by a broken one."""
    labels = _labels(owner, pool.app, "worker") | {POOL_LABEL: pool.name}
    spec = {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": {INSTANCE_LABEL: owner.name, POOL_LABEL: pool.name}},
    }
    name = pool_object(owner.name, pool.name)
    return _stamped(_object("policy/v1", "PodDisruptionBudget", owner, name, labels, spec))


def beat_statefulset(owner: Owner, fleet: Fleet, checksum: str | None = None, mounted: Mounted = NOT_CARRIED) -> Object:
    """The StatefulSet of the one beat; a StatefulSet because it never starts a pod before its predecessor is gone."""
    beat = fleet.beat
    labels = _labels(owner, beat.app, "beat")
    selector = {INSTANCE_LABEL: owner.name, "app.kubernetes.io/component": "beat"}
    container = {
        "name": "beat",
        **_image(beat),
        "command": [*broker_words(fleet.broker, fleet.env), *_beat_command(beat)],
        "env": _environment(fleet, fleet.env),
        "envFrom": list(fleet.env_from),
        "resources": beat.resources,
    }
    pod = _pod(beat.pod, container, restricted=fleet.restricted)
    pod["terminationGracePeriodSeconds"] = BEAT_GRACE_S
    pod["securityContext"] = _said({"fsGroup": BEAT_GROUP} | pod["securityContext"] | (beat.pod.security_context or {}))
    pod["volumes"] = [_beat_volume(owner, beat), *pod.get("volumes", [])]
    mount = {"name": "schedule", "mountPath": BEAT_FOLDER}
    container["volumeMounts"] = [mount, *container.get("volumeMounts", [])]
    container["livenessProbe"] = _beat_probe(behind=beat.command_prefix or shares_processes(beat.pod.templates))
    pod["initContainers"] = [_beat_check(container, mount, BEAT_FILE if beat.scheduler is None else "")]
    spec = {
        "replicas": 1,
        "serviceName": "",
        "selector": {"matchLabels": selector},
        "revisionHistoryLimit": 2,
        "template": with_templates(
            {"metadata": _pod_metadata(beat.pod, labels, checksum, mounted), "spec": pod}, beat.pod.templates, "beat"
        ),
    }
    return _stamped(_object("apps/v1", "StatefulSet", owner, beat_object(owner.name), labels, spec), mounted)


def beat_claim(owner: Owner, fleet: Fleet, access_mode: str = READ_WRITE_ONCE) -> Object | None:
    """The claim for beat's schedule file, without an owner: it outlives the resource. None if it is ephemeral.

    Args:
        owner: the resource.
        fleet: the effective spec.
        access_mode: READ_WRITE_ONCE_POD keeps a second pod from the file, where the storage can.
    """
    storage = fleet.beat.storage
    if storage.ephemeral:
        return None
    spec: Object = {"accessModes": [access_mode], "resources": {"requests": {"storage": storage.size}}}
    if storage.storage_class_name is not None:
        spec["storageClassName"] = storage.storage_class_name
    claim = _object(
        "v1", "PersistentVolumeClaim", owner, beat_object(owner.name), _labels(owner, fleet.beat.app, "beat"), spec
    )
    del claim["metadata"]["ownerReferences"]
    claim["metadata"]["annotations"] = dict(KEPT_BY_ARGO_CD)
    return claim


def fleet_objects(owner: Owner, fleet: Fleet) -> list[Object]:
    """Every object of a fleet, always in the same order: the pools' as they are written, then beat's."""
    objects: list[Object] = []
    for pool in fleet.pools:
        budget = [disruption_budget(owner, pool)] if pool.disruption_budget else []
        objects += [deployment(owner, fleet, pool), *budget]
    if fleet.beat.enabled:
        claim = beat_claim(owner, fleet)
        objects += [*([claim] if claim is not None else []), beat_statefulset(owner, fleet)]
    return objects


def unowned(manifest: Object) -> Object:
    """The manifest without what only a resource that exists can give: its uid, and the hash over it."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "ownerReferences"}
    annotations = {key: value for key, value in metadata.pop("annotations", {}).items() if key != TEMPLATE_HASH}
    return manifest | {"metadata": metadata | ({"annotations": annotations} if annotations else {})}


def _strategy(rollout: Rollout) -> Object:
    if rollout.recreate:
        return {"type": "Recreate"}
    numbers = {"maxUnavailable": rollout.max_unavailable, "maxSurge": rollout.max_surge}
    return {"type": "RollingUpdate", "rollingUpdate": numbers}


def _image(of: Pool | Beat) -> Object:
    return {"image": of.image} | ({"imagePullPolicy": of.pull_policy} if of.pull_policy else {})


def _worker_command(pool: Pool) -> list[str]:
    worker = pool.worker
    # What listens to events takes a worker without heartbeats for one that is gone.
    beats = "-E" if worker.events else "--without-heartbeat"
    queues = ["-Q", _literal(",".join(pool.queues))] if pool.queues else []
    return [
        *worker.command_prefix,
        *("celery", "-A", pool.app, "worker", "--loglevel=INFO", "-n", node_name("$(POD_NAME)"), *queues),
        *(f"--concurrency={worker.concurrency}", f"--pool={worker.execution}"),
        *(f"--prefetch-multiplier={worker.prefetch_multiplier}", *_recycling(worker)),
        *("--without-gossip", "--without-mingle", beats, *worker.extra_args),
    ]


def _literal(argument: str) -> str:
    """An argument of which Kubernetes expands nothing: it takes `$(NAME)` for a variable and `$$` for a dollar."""
    return argument.replace("$", "$$") if "$$" in argument or "$(" in argument else argument


def _hook(pool: Pool) -> list[str]:
    wrapped = bool(pool.worker.command_prefix) or shares_processes(pool.pod.templates)
    return pre_stop.command(pool.drain_timeout, pool.worker.execution, wrapped=wrapped)


def _recycling(worker: Worker) -> list[str]:
    flags = []
    if worker.max_tasks_per_child is not None:
        flags.append(f"--max-tasks-per-child={worker.max_tasks_per_child}")
    if worker.max_memory_per_child is not None:
        kibibytes = int(parse_quantity(worker.max_memory_per_child) / KIBIBYTE)
        flags.append(f"--max-memory-per-child={kibibytes}")
    return flags


def _beat_command(beat: Beat) -> list[str]:
    # No --pidfile: one that a killed beat left behind names process 1, which always lives, and would block the next.
    command = [*beat.command_prefix, "celery", "-A", beat.app, "beat", "--loglevel=INFO", "-s", BEAT_FILE]
    # Written after each task that is sent: with Celery's own 180 s, a beat that is killed sends them again.
    own = "beat.sync_every=1" if beat.scheduler is None else f"--scheduler={beat.scheduler}"
    return [*command, own, *beat.extra_args]


def _beat_check(beat: Object, mount: Object, file: str) -> Object:
    return {
        "name": BEAT_CHECK,
        **{name: beat[name] for name in ("image", "imagePullPolicy") if name in beat},
        "command": beat_scripts.check(file, TERMINATION_MESSAGE),
        "env": [_pod_name()],
        "resources": beat["resources"],
        "securityContext": beat["securityContext"],
        "volumeMounts": [mount],
    }


def _beat_probe(*, behind: object) -> Object:
    """Seldom and patient: a beat that hangs has hung for a quarter of an hour, and one that works is never ended."""
    exec_ = {"command": beat_scripts.alive(f"{BEAT_FOLDER}/.alive", BEAT_FILE if behind else None)}
    return {"exec": exec_, "periodSeconds": 60, "timeoutSeconds": 20, "failureThreshold": 3}


def _environment(fleet: Fleet, variables: tuple[Object, ...]) -> list[Object]:
    """The variables, after the broker's URL unless one of them is named so."""
    if any(variable["name"] == BROKER_VARIABLE for variable in variables):
        return list(variables)
    return [*broker_variables(fleet.broker), *variables]


def _for_the_hook(fleet: Fleet) -> list[Object]:
    """What the preStop hook alone needs to know."""
    variables: list[Object] = []
    if fleet.broker.ca is not None:
        # Without it the hook trusts what the system trusts, so no pod waits for it.
        ref = {"name": fleet.broker.ca.name, "key": fleet.broker.ca.key, "optional": True}
        variables.append({"name": pre_stop.CA_VARIABLE, "valueFrom": {"secretKeyRef": ref}})
    if fleet.broker.control_exchange != CONTROL_EXCHANGE:
        variables.append({"name": pre_stop.EXCHANGE_VARIABLE, "value": fleet.broker.control_exchange})
    return variables


def _pod_name() -> Object:
    return {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}


def _pod(settings: PodSettings, container: Object, *, restricted: bool) -> Object:
    """A pod spec of one container; what the settings leave out is left out, so that Kubernetes' defaults hold."""
    container["securityContext"] = _said(_container_security() | (settings.container_security_context or {}))
    if settings.volume_mounts:
        container["volumeMounts"] = list(settings.volume_mounts)
    pod: Object = {
        "containers": [container],
        "securityContext": _said(_pod_security(restricted=restricted) | (settings.security_context or {})),
    }
    if restricted and settings.service_account_name is None:
        pod["automountServiceAccountToken"] = False
    optional = {
        "nodeSelector": settings.node_selector,
        "tolerations": list(settings.tolerations),
        "affinity": settings.affinity,
        "topologySpreadConstraints": list(settings.topology_spread_constraints or ()),
        "priorityClassName": settings.priority_class_name,
        "serviceAccountName": settings.service_account_name,
        "imagePullSecrets": list(settings.image_pull_secrets),
        "volumes": list(settings.volumes),
    }
    return pod | {name: value for name, value in optional.items() if value}


def _pod_security(*, restricted: bool) -> Object:
    return {"seccompProfile": {"type": "RuntimeDefault"}} | ({"runAsNonRoot": True} if restricted else {})


def _said(fields: Mapping[str, Any]) -> Object:
    """The fields that are not null, which takes one of ours away: OpenShift chooses fsGroup itself."""
    return {name: value for name, value in fields.items() if value is not None}


def _container_security() -> Object:
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _spread(selector: Mapping[str, str]) -> list[Object]:
    """Over nodes where that is possible: the loss of one then costs a pool as few workers as can be."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(selector)},
        }
    ]


def _beat_volume(owner: Owner, beat: Beat) -> Object:
    if beat.storage.ephemeral:
        return {"name": "schedule", "emptyDir": {}}
    return {"name": "schedule", "persistentVolumeClaim": {"claimName": beat_object(owner.name)}}


def _labels(owner: Owner, app: str, component: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": _label_of(app),
        INSTANCE_LABEL: owner.name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "utilitarian",
        MANAGED_BY_LABEL: MANAGER,
    }


def _label_of(app: str) -> str:
    """The application's module as the value of a label, which may have 63 characters, the outer ones no punctuation."""
    return app.partition(":")[0][:LONGEST_LABEL].strip("._-") or "application"


def _pod_metadata(settings: PodSettings, labels: Mapping[str, str], checksum: str | None, mounted: Mounted) -> Object:
    metadata: Object = {"labels": {**settings.labels, **labels}}
    own = _said({CONFIG_CHECKSUM: checksum, MOUNTS_CHECKSUM: mounted.on_pods})
    if settings.annotations or own:
        metadata["annotations"] = {**settings.annotations, **own}
    return metadata


def _object(api_version: str, kind: str, owner: Owner, name: str, labels: Mapping[str, str], spec: Object) -> Object:
    reference = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = {"name": name, "namespace": owner.namespace, "labels": dict(labels), "ownerReferences": [reference]}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def _stamped(manifest: Object, mounted: Mounted = NOT_CARRIED) -> Object:
    said = _said({ENVIRONMENT: mounted.environment, MOUNTS: mounted.each, MOUNTS_CHECKSUM: mounted.noted})
    manifest["metadata"] |= {"annotations": said} if said else {}
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]
    manifest["metadata"]["annotations"] = {**said, TEMPLATE_HASH: digest}
    return manifest
