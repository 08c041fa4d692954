"""A resource with what was advised written into it."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from datetime import timedelta
from typing import Any

import yaml

from utilitarian_operator.api.built_in_pools import BUILT_IN_POOLS
from utilitarian_operator.api.effective import merged
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.simulation.report.advice import Change


def followed(resource: Object, changes: Iterable[Change]) -> Object:
    """The resource with these changes, without its status; pools that it left to the built-in layout are written out.

    Raises:
        KeyError: a change is about a pool that the resource doesn't have.
    """
    changed = deepcopy({key: value for key, value in resource.items() if key != "status"})
    spec = changed["spec"]
    if spec.get("pools") is None:
        spec["pools"] = [merged(_plain(pool), spec.get("defaults") or {}) for pool in BUILT_IN_POOLS]
    for change in changes:
        pools = {pool["name"]: pool for pool in spec["pools"]}
        for field in change.fields:
            _set(pools[change.pools[0]], field.field.split("."), field.to)
        spec["pools"] = [pool for pool in spec["pools"] if pool["name"] not in change.pools[1:]]
    return changed


def as_yaml(resource: Object) -> str:
    """A resource as a file has it; comments are not kept."""
    return yaml.safe_dump(resource, sort_keys=False, allow_unicode=True, width=120)


def _set(place: dict[str, Any], steps: list[str], value: object) -> None:
    for step in steps[:-1]:
        if not isinstance(place.get(step), dict):
            place[step] = {}
        place = place[step]
    place[steps[-1]] = list(value) if isinstance(value, tuple) else value


def _plain(value: Any) -> Any:
    """A built-in value as YAML has it."""
    if isinstance(value, Mapping):
        return {key: _plain(it) for key, it in value.items()}
    if isinstance(value, tuple):
        return [_plain(it) for it in value]
    return format_duration(value) if isinstance(value, timedelta) else value
