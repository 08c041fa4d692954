"""Lays partial pod templates over the operator's own, as Kubernetes merges a strategic merge patch."""

import copy
from collections.abc import Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from utilitarian_operator.api.objects import Object

KEYS: Mapping[str, str] = MappingProxyType(
    {
        "containers": "name",
        "initContainers": "name",
        "env": "name",
        "ports": "containerPort",
        "volumeMounts": "mountPath",
        "volumeDevices": "devicePath",
        "volumes": "name",
        "imagePullSecrets": "name",
        "hostAliases": "ip",
        "topologySpreadConstraints": "topologyKey",
        "resourceClaims": "name",
        "schedulingGates": "name",
        "readinessGates": "conditionType",
    }
)
"""Lists whose items are merged by a key (`patchMergeKey` of Kubernetes' API types); other lists are replaced. Readiness
gates are added to ours, although Kubernetes would replace them."""

OURS = ("worker", "beat")
"""The operator's containers: what a fleet's template says of the one does not concern pods of the other."""


def with_templates(made: Object, templates: Iterable[Object], container: str) -> Object:
    """A pod template with the partial ones over it, the later over the earlier.

    Args:
        made: the operator's.
        templates: as they were written; null takes a field away.
        container: the operator's own in it, `worker` or `beat`.
    """
    for template in templates:
        made = _merged(made, _concerning(template, container))
    return made


def shares_processes(templates: Iterable[Object]) -> bool:
    """Whether the pod's containers see each other's processes, so that ours is not process 1."""
    specs = [it["spec"] for it in templates if isinstance(it.get("spec"), dict)]
    name = "shareProcessNamespace"
    return [it[name] for it in specs if name in it][-1:] == [True]


def _concerning(template: Object, container: str) -> Object:
    spec = template.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("containers"), list):
        return template
    others = [name for name in OURS if name != container]
    ours = [it for it in spec["containers"] if not (isinstance(it, dict) and it.get("name") in others)]
    return {**template, "spec": {**spec, "containers": ours}}


def _merged(under: Object, over: Object) -> Object:
    result = dict(under)
    for name, value in over.items():
        below = result.get(name)
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            result[name] = _merged(below if isinstance(below, dict) else {}, value)
        elif isinstance(value, list) and name in KEYS:
            result[name] = _by_key(name, below if isinstance(below, list) else [], value)
        else:
            result[name] = copy.deepcopy(value)
    return result


def _by_key(name: str, under: list[Any], over: list[Any]) -> list[Any]:
    """Items of the same key merged where they stand, the others after them; a volume is replaced: it has one kind."""
    result = list(under)
    places = {_key(name, it): n for n, it in reversed(list(enumerate(result))) if isinstance(it, dict)}
    for item in over:
        if not isinstance(item, dict):
            result.append(item)  # the API server refuses it
            continue
        at = places.get(_key(name, item))
        if at is None:
            places[_key(name, item)] = len(result)
            result.append(_merged({}, item))
        else:
            result[at] = _merged({} if name == "volumes" else result[at], item)
    return result


def _key(name: str, item: Object) -> Hashable:
    """What tells an item from others: of ports also the protocol, as server-side apply has it."""
    value = item.get(KEYS[name])
    plain = value if isinstance(value, Hashable) else repr(value)
    return (plain, item.get("protocol") == "UDP") if name == "ports" else plain
