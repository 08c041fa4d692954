"""What a partial pod template may not say: what the operator stands on, and what a field of the resource says."""

import posixpath
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from utilitarian_operator.api import cel_rules as rules
from utilitarian_operator.api.problem import Problem
from utilitarian_operator.api.resource import UtilitarianWorkerPoolSpec

_OURS = "the operator sets it: leave it out"
_METADATA = "only labels and annotations of a pod template are yours"
_DIRECTIVE = "directives of a patch are not known here: write null to take a field away"
_NOT_TAKEN = "the operator stands on what it holds: it can be added to, not taken away"

_OF_THE_SPEC: Mapping[str, str] = MappingProxyType(
    {
        "terminationGracePeriodSeconds": "it is the time that a worker has to finish its tasks: use drainTimeout",
        "restartPolicy": _OURS,
        "activeDeadlineSeconds": "it would end workers at their work: leave it out",
        "hostname": _OURS,
        "subdomain": _OURS,
        "ephemeralContainers": "a pod template has none: use containers or initContainers",
    }
)
_OF_THE_CONTAINER: Mapping[str, str] = MappingProxyType(
    {
        "command": "use commandPrefix, app and extraArgs",
        "args": "use extraArgs",
        "image": "use image of the fleet, the pool or beat",
        "resources": "use worker.resources or beat.resources",
        "env": "use env, whose Secrets are followed when they change",
        "envFrom": "use envFrom, whose Secrets are followed when they change",
        "restartPolicy": _OURS,
        "restartPolicyRules": _OURS,
    }
)
_CONTAINERS = ("worker", "beat")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_GRACE = "terminationGracePeriodSeconds"
_BEATS_VOLUME, _BEATS_CHECK = "schedule", "check-schedule"
_BEATS_FOLDER = "/var/lib/celery-beat"
_BEATS_MEMORY = "beat keeps its memory there: mount it elsewhere"
_OWN_PREFIX = "utilitarian.io/"
_LABELS = (_OWN_PREFIX, "app.kubernetes.io/")
_ANNOTATIONS = (_OWN_PREFIX, "controller.kubernetes.io/pod-deletion-cost")


_OF_BEAT = ("spec.pod", "spec.beat.pod")

MOST_PARTS = 1_000
"""Fields and values of one template: it is laid over each pool's pod, and no other fleet is looked at meanwhile."""


def check_templates(spec: UtilitarianWorkerPoolSpec) -> Iterator[Problem]:
    """What of the templates of a spec is refused, each with its field."""
    pools = [(f"spec.pools[{number}].pod", pool.pod) for number, pool in enumerate(spec.pools or ())]
    defaults = spec.defaults.pod if spec.defaults else None
    for at, pod in [("spec.pod", spec.pod), ("spec.defaults.pod", defaults), *pools, ("spec.beat.pod", spec.beat.pod)]:
        mounts = pod.volume_mounts if pod is not None and at in _OF_BEAT else None
        for number, mount in enumerate(mounts or ()):
            if spec.beat.enabled is not False and covers_beats_memory(mount.mount_path):
                yield Problem(f"{at}.volumeMounts[{number}].mountPath", "", _BEATS_MEMORY)
        if pod is not None and pod.template is not None:
            if more_parts_than(MOST_PARTS, pod.template):
                yield Problem(f"{at}.template", "", f"has more than {MOST_PARTS} fields and values; write fewer")
            else:
                yield from _template(f"{at}.template", pod.template)


def more_parts_than(most: int, value: object) -> bool:
    """Whether a value consists of more fields and values than that."""
    todo, count = [value], 0
    while todo and count <= most:
        here = todo.pop()
        count += 1
        if isinstance(here, Mapping):
            todo += here.values()
        elif isinstance(here, list):
            todo += here
    return count > most


def _template(at: str, template: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _directives(at, template)
    for name, check in (("metadata", _metadata), ("spec", _spec)):
        part = template.get(name)
        if isinstance(part, dict):
            yield from check(f"{at}.{name}", part)
        elif name in template:
            yield Problem(f"{at}.{name}", "", _NOT_TAKEN if part is None else "must be an object with named fields")
    for name in template.keys() - {"metadata", "spec"}:
        yield Problem(f"{at}.{name}", "", "is no field of a pod template; the fields are metadata and spec")


def _directives(at: str, node: object) -> Iterator[Problem]:
    if isinstance(node, dict):
        for name, child in node.items():
            if str(name).startswith("$"):
                yield Problem(f"{at}.{name}", "", _DIRECTIVE)
            yield from _directives(f"{at}.{name}", child)
    elif isinstance(node, list):
        for number, child in enumerate(node):
            yield from _directives(f"{at}[{number}]", child)


def _metadata(at: str, metadata: Mapping[str, Any]) -> Iterator[Problem]:
    taken = {"labels": (_LABELS, rules.OWN_LABELS), "annotations": (_ANNOTATIONS, rules.OWN_ANNOTATIONS)}
    for name, value in metadata.items():
        if name not in taken:
            yield Problem(f"{at}.{name}", "", _METADATA)
        elif not isinstance(value, dict):
            yield Problem(f"{at}.{name}", "", _NOT_TAKEN if value is None else "must be an object with named fields")
        else:
            prefixes, rule = taken[name]
            if any(str(key).startswith(prefixes) for key in value):
                yield Problem(f"{at}.{name}", "", rule.message)


def _spec(at: str, spec: Mapping[str, Any]) -> Iterator[Problem]:
    yield from (Problem(f"{at}.{name}", "", why) for name, why in _OF_THE_SPEC.items() if name in spec)
    for name in ("containers", "initContainers", "volumes", "readinessGates"):
        if name in spec and not isinstance(spec[name], list):
            yield Problem(f"{at}.{name}", "", _NOT_TAKEN if spec[name] is None else "must be a list")
    for number, container in _named(spec, "containers"):
        if container.get("name") in _CONTAINERS:
            yield from _container(f"{at}.containers[{number}]", container)
    for number, gate in _named(spec, "readinessGates"):
        if str(gate.get("conditionType")).startswith(_OWN_PREFIX):
            yield Problem(f"{at}.readinessGates[{number}].conditionType", "", _OURS)
    for name, own in (("volumes", _BEATS_VOLUME), ("initContainers", _BEATS_CHECK)):
        for number, item in _named(spec, name):
            if item.get("name") == own:
                yield Problem(f"{at}.{name}[{number}].name", "", f"{own} is beat's own: choose another name")


def _container(at: str, container: Mapping[str, Any]) -> Iterator[Problem]:
    yield from (Problem(f"{at}.{name}", "", why) for name, why in _OF_THE_CONTAINER.items() if name in container)
    lifecycle = container.get("lifecycle", {})
    if not isinstance(lifecycle, dict):
        yield Problem(f"{at}.lifecycle", "", _NOT_TAKEN)
    elif "preStop" in lifecycle or "stopSignal" in lifecycle:
        yield Problem(
            f"{at}.lifecycle", "", "the preStop hook lets the worker finish its tasks: only postStart is yours"
        )
    for name in _PROBES:
        probe = container.get(name)
        if isinstance(probe, dict) and probe.get(_GRACE) is not None:
            why = "a container that the probe fails would have that time alone to finish its tasks: leave it out"
            yield Problem(f"{at}.{name}.{_GRACE}", "", why)
    if "volumeMounts" in container and not isinstance(container["volumeMounts"], list):
        yield Problem(f"{at}.volumeMounts", "", _NOT_TAKEN)
    for number, mount in _named(container, "volumeMounts") if container["name"] == "beat" else ():
        if covers_beats_memory(str(mount.get("mountPath"))):
            yield Problem(f"{at}.volumeMounts[{number}].mountPath", "", _BEATS_MEMORY)


def covers_beats_memory(path: str) -> bool:
    """Whether what is mounted there, however that is written, would lie over beat's schedule file."""
    plain = posixpath.normpath(f"/{path}").replace("//", "/")
    return f"{plain}/".startswith(f"{_BEATS_FOLDER}/")


def _named(spec: Mapping[str, Any], name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    items = spec.get(name)
    yield from ((n, it) for n, it in enumerate(items if isinstance(items, list) else ()) if isinstance(it, dict))
