"""Variants of a resource for `--sweep`: one field, several values."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import yaml

from utilitarian_operator.api.strict_yaml import StrictLoader
from utilitarian_operator.errors import OperatorError


class InvalidSweep(OperatorError):
    """A `--sweep` that can't be done; the message says why and how to write it."""


def variants(resource: Mapping[str, Any], sweep: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The resource with each of the values, each with `FIELD=VALUE`.

    Args:
        resource: as in YAML.
        sweep: `pools.NAME.scaling.FIELD=a,b,c`, or the path of a field of `spec` that is no list.

    Raises:
        InvalidSweep: it is written otherwise, or there is no such pool.
    """
    path, equals, values = sweep.partition("=")
    steps = path.split(".")
    if not equals or not values or len(steps) < 1 or not all(steps):
        raise InvalidSweep(f"--sweep {sweep}: write it like pools.amr-hourly.scaling.drainWithin=1m,5m,30m")
    for value in dict.fromkeys(values.split(",")):
        changed = deepcopy(dict(resource))
        spec = changed.get("spec")
        if not isinstance(spec, dict):
            raise InvalidSweep(f"--sweep {sweep}: the resource has no spec to change")
        _set(spec, steps, _read(value, sweep), sweep)
        yield f"{path}={value}", changed


def _read(value: str, sweep: str) -> Any:
    try:
        return yaml.load(value, Loader=StrictLoader)  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        raise InvalidSweep(f"--sweep {sweep}: {value!r} can't be read as YAML: write it as in the resource") from error


def _set(spec: dict[str, Any], steps: list[str], value: Any, sweep: str) -> None:
    place: dict[str, Any] = spec
    if steps[0] == "pools" and len(steps) <= 2:  # noqa: PLR2004 - pools.NAME.FIELD
        raise InvalidSweep(f"--sweep {sweep}: write a pool's field like pools.amr-hourly.scaling.drainWithin=1m,5m,30m")
    if steps[0] == "pools":
        place, steps = _pool(spec, steps[1], sweep), steps[2:]
    for step in steps[:-1]:
        below = place.setdefault(step, {})
        if not isinstance(below, dict):
            raise InvalidSweep(f"--sweep {sweep}: {step} has no fields")
        place = below
    place[steps[-1]] = value


def _pool(spec: dict[str, Any], name: str, sweep: str) -> dict[str, Any]:
    pools = spec.get("pools")
    if not isinstance(pools, list):
        raise InvalidSweep(f"--sweep {sweep}: the resource has no pools of its own to change; write them out first")
    for pool in pools:
        if isinstance(pool, dict) and pool.get("name") == name:
            return pool
    names = ", ".join(str(pool.get("name")) for pool in pools if isinstance(pool, dict))
    raise InvalidSweep(f"--sweep {sweep}: no pool {name!r}; there are: {names}")
