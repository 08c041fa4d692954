"""The layers of the effective spec, one table for what merges how."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.resources import pool, resource
from utilitarian_operator.api.effective import Fleet, effective_fleet, merged
from utilitarian_operator.api.kubernetes import SecretKeyRef
from utilitarian_operator.api.resource import parse

MINUTE = timedelta(minutes=1)


def fleet(spec: str = "{}") -> Fleet:
    return effective_fleet(parse(resource(spec)).spec)


def read(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value[int(step)] if step.isdigit() else value[step] if isinstance(value, dict) else getattr(value, step)
    return value


@pytest.mark.parametrize(
    "path,value",
    [
        ("app", "utilitarian"),
        ("mode", "Auto"),
        ("time_zone", "UTC"),
        ("max_workers", None),
        ("broker.url", SecretKeyRef(name="env", key="URL")),
        ("broker.stats_url", None),
        ("pools.0.priority", 50),
        ("pools.0.worker.concurrency", 4),
        ("pools.0.worker.execution", "prefork"),
        ("pools.0.worker.prefetch_multiplier", 1),
        ("pools.0.worker.max_tasks_per_child", None),
        ("pools.0.worker.max_memory_per_child", None),
        ("pools.0.worker.resources", {"requests": {"cpu": "50m", "memory": "256Mi"}}),
        ("pools.0.worker.extra_args", ()),
        ("pools.0.scaling.min", 0),
        ("pools.0.scaling.max", 10),
        ("pools.0.scaling.drain_within", 10 * MINUTE),
        ("pools.0.scaling.task_duration", timedelta(seconds=5)),
        ("pools.0.scaling.stabilization", MINUTE),
        ("pools.0.scaling.idle_after", 2 * MINUTE),
        ("pools.0.scaling.outside_runs", "React"),
        ("pools.0.schedule.0.workers", 1),
        ("pools.0.schedule.0.warm_up", 2 * MINUTE),
        ("pools.0.schedule.0.until", "Drained"),
        ("pools.0.schedule.0.finish_within", None),
        ("pools.0.schedule.0.time_zone", "UTC"),
        ("pools.0.drain_timeout", 60 * MINUTE),
        ("pools.0.disruption", "Allow"),
        ("pools.0.pod.topology_spread_constraints", None),
        ("beat.enabled", True),
        ("beat.storage.ephemeral", False),
        ("beat.storage.size", "100Mi"),
        ("beat.storage.storage_class_name", None),
    ],
)
def test_defaults(path: str, value: object) -> None:
    assert read(fleet(pool('schedule: [{name: s, start: "0 0 1 * *"}]')), path) == value


@pytest.mark.parametrize(
    "spec,path,value",
    [
        pytest.param("defaults: {scaling: {max: 3}}", "pools.0.scaling.max", 3, id="defaults-over-the-layout"),
        pytest.param(
            "defaults: {scaling: {drainWithin: 3m}}", "pools.0.scaling.drain_within", 3 * MINUTE, id="also-its-promises"
        ),
        pytest.param(
            "{defaults: {scaling: {max: 3}}, pools: [{name: a, queues: [q], scaling: {max: 7}}]}",
            "pools.0.scaling.max",
            7,
            id="the-pool-over-defaults",
        ),
        pytest.param(
            "{defaults: {scaling: {max: 3}}, pools: [{name: a, queues: [q], scaling: {min: 2}}]}",
            "pools.0.scaling.max",
            3,
            id="maps-merge",
        ),
        pytest.param(
            "{defaults: {worker: {extraArgs: [-E]}}, pools: [{name: a, queues: [q], worker: {extraArgs: [-O, fair]}}]}",
            "pools.0.worker.extra_args",
            ("-O", "fair"),
            id="lists-replace",
        ),
        pytest.param(
            "{pod: {labels: {a: f, b: f}}, defaults: {pod: {labels: {b: d, c: d}}},"
            " pools: [{name: a, queues: [q], pod: {labels: {c: p}}}]}",
            "pools.0.pod.labels",
            {"a": "f", "b": "d", "c": "p"},
            id="pods-merge-in-three-layers",
        ),
        pytest.param(
            "{pod: {tolerations: [{operator: Exists}]}, pools: [{name: a, queues: [q], pod: {tolerations: []}}]}",
            "pools.0.pod.tolerations",
            (),
            id="an-empty-list-replaces",
        ),
        pytest.param(
            "pod: {tolerations: [{operator: Exists, tolerationSeconds: 5}]}",
            "pools.0.pod.tolerations.0",
            {"operator": "Exists", "tolerationSeconds": 5},
            id="kubernetes-shapes-stay",
        ),
        pytest.param("pod: {labels: {a: b}}", "beat.pod.labels", {"a": "b"}, id="beat-gets-the-fleets-pod"),
        pytest.param("defaults: {pod: {labels: {a: b}}}", "beat.pod.labels", {}, id="but-not-the-pools-defaults"),
        pytest.param(
            "{env: [{name: A, value: f}, {name: B, value: f}],"
            " pools: [{name: a, queues: [q], env: [{name: A, value: p}]}]}",
            "pools.0.env",
            ({"name": "A", "value": "p"}, {"name": "B", "value": "f"}),
            id="variables-merge-by-name-and-keep-their-order",
        ),
        pytest.param(
            "{envFrom: [{secretRef: {name: f}}], pools: [{name: a, queues: [q], envFrom: [{secretRef: {name: p}}]}]}",
            "pools.0.env_from",
            ({"secretRef": {"name": "f"}}, {"secretRef": {"name": "p"}}),
            id="sources-of-the-pool-come-last-and-win",
        ),
        pytest.param(
            '{timeZone: Europe/Oslo, pools: [{name: a, queues: [q], schedule: [{name: s, start: "0 0 1 * *"}]}]}',
            "pools.0.schedule.0.time_zone",
            "Europe/Oslo",
            id="schedules-take-the-fleets-zone",
        ),
        pytest.param("pools: [{name: a}]", "pools.0.scaling.min", 1, id="a-catch-all-stays-awake"),
        pytest.param(
            "{defaults: {scaling: {min: 0}}, pools: [{name: a}]}", "pools.0.scaling.min", 1, id="whatever-the-defaults"
        ),
        pytest.param(
            "{defaults: {worker: {maxTasksPerChild: 5}}, pools: [{name: a, queues: [q], worker: {execution: gevent}}]}",
            "pools.0.worker.max_tasks_per_child",
            None,
            id="children-are-for-prefork",
        ),
        pytest.param(pool("worker: {execution: solo}"), "pools.0.worker.concurrency", 1, id="solo-is-one"),
        pytest.param(
            pool("worker: {resources: {limits: {memory: 128Mi}}}"),
            "pools.0.worker.resources",
            {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "128Mi"}},
            id="the-built-in-request-gives-way-to-a-smaller-limit",
        ),
        pytest.param(
            pool("worker: {resources: {requests: {cpu: 2}}}"),
            "pools.0.worker.resources",
            {"requests": {"cpu": "2", "memory": "256Mi"}},
            id="requests-merge-by-name",
        ),
    ],
)
def test_layers(spec: str, path: str, value: object) -> None:
    assert read(fleet(spec), path) == value


def test_merging_leaves_both_sides_as_they_are() -> None:
    under, over = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merged(under, over) == {"a": {"b": 1, "c": 2}}
    assert (under, over) == ({"a": {"b": 1}}, {"a": {"c": 2}})


def test_the_same_spec_gives_the_same_fleet() -> None:
    assert fleet() == fleet()
