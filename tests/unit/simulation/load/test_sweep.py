"""A sweep changes one field of a resource, in the spec or in one pool, and says what is wrong with it."""

from typing import Any

import pytest

from utilitarian_operator.simulation.load.sweep import InvalidSweep, variants

RESOURCE: dict[str, Any] = {"spec": {"maxWorkers": 8, "pools": [{"name": "a"}, {"name": "b", "scaling": {"max": 2}}]}}


@pytest.mark.parametrize(
    "sweep,changed",
    [
        ("maxWorkers=4,5", [{"maxWorkers": 4}, {"maxWorkers": 5}]),
        ("defaults.scaling.idleAfter=10s", [{"defaults": {"scaling": {"idleAfter": "10s"}}}]),
        ("pools.b.scaling.max=3", [{"pools": [{"name": "a"}, {"name": "b", "scaling": {"max": 3}}]}]),
        (
            "pools.a.worker.concurrency=1",
            [{"pools": [{"name": "a", "worker": {"concurrency": 1}}, *RESOURCE["spec"]["pools"][1:]]}],
        ),
    ],
)
def test_each_value_is_one_variant(sweep: str, changed: list[dict[str, Any]]) -> None:
    found = list(variants(RESOURCE, sweep))
    path, _, values = sweep.partition("=")
    assert [name for name, _ in found] == [f"{path}={value}" for value in values.split(",")]
    assert [body["spec"] for _, body in found] == [RESOURCE["spec"] | it for it in changed]
    assert RESOURCE["spec"]["maxWorkers"] == 8, "the resource itself stays as it is"


@pytest.mark.parametrize(
    "resource,sweep,says",
    [
        (RESOURCE, "maxWorkers", "write it like pools.amr-hourly.scaling.drainWithin=1m,5m,30m"),
        (RESOURCE, "=5", "write it like"),
        (RESOURCE, "pools..max=5", "write it like"),
        (RESOURCE, "pools.c.scaling.max=5", "no pool 'c'; there are: a, b"),
        (RESOURCE, "maxWorkers.more=1", "maxWorkers has no fields"),
        (RESOURCE, "maxWorkers=[", "'[' can't be read as YAML"),
        ({"spec": {}}, "pools.a.scaling.max=5", "no pools of its own to change"),
        ({}, "maxWorkers=5", "the resource has no spec to change"),
    ],
)
def test_what_can_not_be_swept_is_said_with_the_sweep(resource: dict[str, Any], sweep: str, says: str) -> None:
    with pytest.raises(InvalidSweep) as refusal:
        list(variants(resource, sweep))
    assert str(refusal.value).startswith(f"--sweep {sweep}: ")
    assert says in str(refusal.value)
