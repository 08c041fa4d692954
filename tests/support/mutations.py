"""Spoils a valid resource in one place, for tests that must see every such resource refused or accepted in peace."""

import copy
from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.support.resources import resource

FULL = """
app: utilitarian
pullPolicy: IfNotPresent
mode: Auto
timeZone: Europe/Oslo
maxWorkers: 60
queuesElsewhere: [s, t]
broker:
  urlFrom: {secretKeyRef: {name: env, key: URL}}
  stats: {urlFrom: {secretKeyRef: {name: env, key: URL}}}
  tls: {caFrom: {secretKeyRef: {name: env, key: ca}}}
env: [{name: A, value: x}, {name: B, valueFrom: {secretKeyRef: {name: e, key: k}}}]
envFrom: [{secretRef: {name: env, optional: true}}]
defaults:
  worker: {concurrency: 4, maxTasksPerChild: 5}
  scaling: {min: 0, max: 9}
  pod: {labels: {a: b}}
pod:
  nodeSelector: {a: b}
  tolerations: [{key: a, operator: Equal, value: b, effect: NoExecute, tolerationSeconds: 5}]
  affinity: {nodeAffinity: {}}
  topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]
  priorityClassName: high
  serviceAccountName: default
  imagePullSecrets: [{name: registry}]
  annotations: {a: b}
  securityContext: {runAsNonRoot: true}
  volumes: [{name: v, emptyDir: {}}]
  volumeMounts: [{name: v, mountPath: /v}]
  template: {metadata: {labels: {c: d}}, spec: {containers: [{name: worker, workingDir: /x}], hostAliases: []}}
pools:
  - name: first
    queues: [q, r]
    priority: 5
    image: gpu:1
    app: gpu.tasks
    pullPolicy: Always
    env: [{name: A, value: y}]
    worker:
      execution: prefork
      prefetchMultiplier: 1
      maxMemoryPerChild: 150Mi
      resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 2Gi}}
      commandPrefix: [poetry, run]
      events: true
      extraArgs: [-E]
    scaling: {min: 1, max: 5, drainWithin: 10m, taskDuration: 1.5s, stabilization: 0s, idleAfter: 2m, outsideRuns: Hold}
    schedule:
      - {name: s, start: "0 0 L * *", timeZone: UTC,
         workers: 2, warmUp: 2m, finishWithin: 9h, until: Duration, duration: 6h}
    drainTimeout: 1h
    disruption: Avoid
    disruptionBudget: false
    foreignConsumers: Expected
    rollout: {type: RollingUpdate, maxSurge: 1, maxUnavailable: 25%, onSecretChange: Leave}
  - name: rest
beat:
  enabled: true
  storage: {size: 100Mi, storageClassName: fast}
  scheduler: a.b:C
  image: beat:1
  app: beat.app
  pullPolicy: Never
  commandPrefix: [sh, -c, 'exec "$@"', sh]
  extraArgs: [--max-interval=5]
  resources: {requests: {cpu: 50m}}
"""

JUNK: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        -1,
        1,
        7,
        2**31,
        2**63,
        1.5,
        "",
        " ",
        "x",
        "X",
        "0",
        "-1",
        "5",
        "5s",
        "1h",
        "1d",
        "null",
        "ü",
        "a,b",
    ),
    *(
        "a b",
        "a.b",
        "-x",
        "a\n",
        "\x00",
        "\u0661",
        "x" * 64,
        "x" * 400,
        "100Mi",
        "1e3",
        "UTC",
        "Europe",
        "../etc",
        "* * * * *",
    ),
    *(
        "0 0 30 2 *",
        "Hold",
        "solo",
        "gevent",
        "Duration",
        "beat",
        "utilitarian.io/x",
        [],
        {},
        [[]],
        [{}],
        [None],
        {"": ""},
    ),
    *({"name": "x"}, {"x": {"x": {}}}, ["x", "x"], [{"name": "x"}, {"name": "x"}], [5]),
)


def places(node: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a tree of maps and lists."""
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, child in steps:
        yield (*at, step)
        yield from places(child, (*at, step))


def full() -> dict[str, Any]:
    """A valid resource that uses every field."""
    return resource(FULL)


_FULL = full()

PLACES = tuple(places(_FULL["spec"], ("spec",)))


@st.composite
def spoiled(draw: st.DrawFn) -> dict[str, Any]:
    """The full resource with one or two values replaced, taken away or put where they don't belong."""
    body = copy.deepcopy(_FULL)
    for place in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=2)):
        parent: Any = body
        for step in place[:-1]:
            parent = parent[step] if _has(parent, step) else None
        if _has(parent, place[-1]):
            _spoil(draw, parent, place[-1])
    return body


def _has(parent: Any, step: str | int) -> bool:
    if isinstance(step, int):
        return isinstance(parent, list) and step < len(parent)
    return isinstance(parent, dict) and step in parent


def _spoil(draw: st.DrawFn, parent: Any, step: str | int) -> None:
    how = draw(st.sampled_from(("replace", "remove", "add")))
    value = draw(st.sampled_from(JUNK) | st.text(max_size=30) | st.integers())
    if how == "remove":
        del parent[step]
    elif how == "add" and isinstance(parent, dict):
        parent[draw(st.sampled_from(("x", "min", "name", "max_workers", "queues")))] = copy.deepcopy(value)
    elif how == "add":
        parent.append(copy.deepcopy(value))
    else:
        parent[step] = copy.deepcopy(value)


def as_yaml(body: dict[str, Any]) -> str:
    """A resource as a failing test should show it."""
    return yaml.safe_dump(body, allow_unicode=True)
