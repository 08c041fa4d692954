"""Walks at random through valid resources, one edit a step, by a seed; it applies none of them."""

import copy
import random
from collections.abc import Mapping, Sequence
from typing import Any

from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.spec.acceptance import Acceptance

NONE = object()
"""The field is left out."""

LATER = "until 2099-01-01T00:00Z"
QUEUES = [f"q{number}" for number in range(8)]
NAMES = ["alpha", "beta", "gamma", "delta", "epsilon"]
QUICK = {"stabilization": "0s", "idleAfter": "0s"}
"""What superfluous workers wait for: a walk waits for it at each step."""

Menu = Mapping[str, Sequence[Any]]

REFERENCE = {"valueFrom": {"secretKeyRef": {"name": "other", "key": "k", "optional": True}}}
A, B, C = {"name": "A", "value": "1"}, {"name": "B", "value": "$(A)-2"}, {"name": "C", "value": "$(B)-3"}
ENVIRONMENTS = [
    NONE,
    [],
    [A],
    [A, B],
    [A, B, C],
    [B, A],
    [C, A, B],
    [{"name": "A", **REFERENCE}],
    [{**A, "value": "x"}],
]
SECRET_REF = {"secretRef": {"name": "other", "optional": True}}
MAP_REF = {"configMapRef": {"name": "some", "optional": True}, "prefix": "P_"}
ENVIRONMENTS_FROM = [NONE, [SECRET_REF], [MAP_REF], [SECRET_REF, MAP_REF], [MAP_REF, SECRET_REF]]
VOLUME, CLAIM = {"name": "v", "emptyDir": {}}, {"name": "w", "emptyDir": {"medium": "Memory"}}
MOUNTED = [
    NONE,
    {"volumes": [VOLUME], "volumeMounts": [{"name": "v", "mountPath": "/v"}]},
    {"volumes": [CLAIM, VOLUME], "volumeMounts": [{"name": "v", "mountPath": "/w"}, {"name": "w", "mountPath": "/v"}]},
]
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
TOLERATES = {"key": "a", "operator": "Equal", "value": "b", "effect": "NoExecute", "tolerationSeconds": 5}
SIDECAR = {"name": "mesh", "image": "mesh:1", "args": ["-v"], "ports": [{"containerPort": 81}]}
PORTS = [{"containerPort": 82, "name": "m"}, {"containerPort": 83, "protocol": "UDP"}]

POD: Menu = {
    "nodeSelector": (NONE, {"disk": "ssd"}, {"zone": "a", "disk": "hdd"}),
    "tolerations": (NONE, [TOLERATES], [{"operator": "Exists"}, TOLERATES], []),
    "affinity": (NONE, {"nodeAffinity": {}}, {"podAntiAffinity": {}}),
    "topologySpreadConstraints": (NONE, [SPREAD], [{**SPREAD, "maxSkew": 2}, {**SPREAD, "topologyKey": "host"}]),
    "priorityClassName": (NONE, "system-node-critical"),
    "imagePullSecrets": (NONE, [{"name": "r"}], [{"name": "s"}, {"name": "r"}]),
    "annotations": (NONE, {"a": "b"}, {"a": "c", "d": "e"}),
    "labels": (NONE, {"team": "x"}, {"team": "y", "cost": "1"}),
    "securityContext": (NONE, {"runAsNonRoot": True, "runAsUser": 7}, {"fsGroup": 9}),
    "containerSecurityContext": (NONE, {"readOnlyRootFilesystem": True}, {"runAsUser": 8}),
    "template": (
        NONE,
        {"metadata": {"labels": {"c": "d"}}},
        {"spec": {"containers": [{"name": "worker", "workingDir": "/x"}], "hostAliases": []}},
        {"spec": {"containers": [{"name": "worker", "ports": PORTS}, SIDECAR]}},
        {"spec": {"containers": [{**SIDECAR, "args": ["-q"]}], "initContainers": [{"name": "i", "image": "i:1"}]}},
        {"spec": {"initContainers": [{"name": "j", "image": "j:1"}, {"name": "i", "image": "i:2"}]}},
    ),
}
RESOURCES = (
    NONE,
    {"requests": {"cpu": "100m"}},
    {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
    {"limits": {"memory": "1024Mi"}},
)
PREFIXES = (NONE, ["poetry", "run"], ["newrelic-admin", "run-program"])
WORKER: Menu = {
    "concurrency": (NONE, 1, 2, 8),
    "execution": (NONE, "prefork", "threads", "solo", "gevent"),
    "prefetchMultiplier": (NONE, 1, 4),
    "maxTasksPerChild": (NONE, 5, 1000),
    "maxMemoryPerChild": (NONE, "150Mi", "1Gi"),
    "resources": RESOURCES,
    "events": (NONE, True, False),
    "commandPrefix": PREFIXES,
    "extraArgs": (NONE, ["--disable-rate-limits"], ["-O", "fair"], []),
}
SCALING: Menu = {
    "min": (NONE, 0, 1, 2),
    "max": (NONE, 2, 5, 9),
    "drainWithin": (NONE, "30s", "10m", "1h30m"),
    "taskDuration": (NONE, "300ms", "1.5s"),
    "stabilization": ("0s",),
    "idleAfter": ("0s",),
    "outsideRuns": (NONE, "React", "Hold"),
    "wake": (NONE, "AtOnce", "WhenDue"),
}
YEARLY = {"name": "yearly", "start": "0 3 1 6 *"}
LAST_DAY = {"name": "last", "start": "15 2 L 4 *", "timeZone": "Asia/Tokyo", "workers": 2, "finishWithin": "9h"}
LONG = {"name": "long", "start": "0 0 * 5 1", "until": "Duration", "duration": "6h", "warmUp": "5m"}
IMAGES = (NONE, "app:1", "app:2", "registry.example.com/app@sha256:" + "0" * 64)
APPS = (NONE, "utilitarian", "other.app")
PULLS = (NONE, "Always", "IfNotPresent", "Never")
POOL: Menu = {
    "priority": (NONE, 0, 50, 90),
    "env": ENVIRONMENTS,
    "envFrom": ENVIRONMENTS_FROM,
    "image": IMAGES,
    "app": APPS,
    "pullPolicy": PULLS,
    "schedule": (NONE, [YEARLY], [{**YEARLY, "start": "0 4 2 6 *"}], [LAST_DAY, YEARLY], [LONG], []),
    "drainTimeout": (NONE, "30s", "1h", "2h"),
    "rollout.type": (NONE, "RollingUpdate", "Recreate"),
    "rollout.maxSurge": (NONE, 1, "50%", 0),
    "rollout.maxUnavailable": (NONE, 0, 1, "25%"),
    "rollout.onSecretChange": (NONE, "Roll", "Leave"),
    "rollout.onMountChange": (NONE, "Roll", "Leave"),
    "disruptionBudget": (NONE, True, False),
    "foreignConsumers": (NONE, "Expected", "Unexpected"),
    "disruption": (NONE, "Avoid", "Allow"),
    **{f"worker.{field}": values for field, values in WORKER.items()},
    **{f"scaling.{field}": values for field, values in SCALING.items()},
    **{f"pod.{field}": values for field, values in POD.items()},
}
BEAT: Menu = {
    "enabled": (NONE, True, True, False),
    "image": IMAGES,
    "app": APPS,
    "pullPolicy": PULLS,
    "storage": (NONE, {"ephemeral": True}, {}),
    "scheduler": (NONE, "celery.beat:PersistentScheduler"),
    "commandPrefix": PREFIXES,
    "extraArgs": (NONE, ["--max-interval=5"], []),
    "resources": RESOURCES,
    **{f"pod.{field}": values for field, values in POD.items()},
}
FLEET: Menu = {
    "image": IMAGES[1:],
    "app": APPS,
    "pullPolicy": PULLS,
    "env": ENVIRONMENTS,
    "envFrom": ENVIRONMENTS_FROM,
    "mode": ("Auto", "Auto", "Auto", "Paused", "Preview"),
    "timeZone": (NONE, "UTC", "Europe/Stockholm"),
    "maxWorkers": (NONE, 6, 60),
    "queuesElsewhere": (NONE, ["elsewhere"], ["elsewhere", "there"]),
    "podSecurity": (NONE, "Baseline", "Restricted"),
    "broker.controlExchange": (NONE, "celery", "control"),
    **{f"defaults.worker.{field}": values for field, values in WORKER.items()},
    **{f"defaults.scaling.{field}": values for field, values in SCALING.items()},
    **{f"defaults.pod.{field}": values for field, values in POD.items()},
    **{f"pod.{field}": values for field, values in POD.items()},
}


def first(name: str, secret: str, key: str) -> Object:
    """The resource that a walk begins with: two pools that go down at once when they may.

    Args:
        name: of the resource.
        secret: with the broker's URL.
        key: of it there.
    """
    return {
        "apiVersion": "utilitarian.io/v1alpha1",
        "kind": "UtilitarianWorkerPool",
        "metadata": {"name": name, "annotations": {}},
        "spec": {
            "image": "app:1",
            "broker": {"urlFrom": {"secretKeyRef": {"name": secret, "key": key}}},
            "defaults": {"scaling": dict(QUICK)},
            "pools": [{"name": "alpha", "queues": ["q0", "q1"]}, {"name": "beta", "queues": ["q2"]}],
        },
    }


def edited(dice: random.Random, body: Object) -> tuple[str, Object]:
    """One edit: what it does, and the resource after it, which is valid and another than before."""
    while True:
        changed = copy.deepcopy(body)
        said = _edit(dice, changed)
        if changed != body and _is_valid(changed):
            return said, changed


def _is_valid(body: Object) -> bool:
    """Whether the operator runs it: also the pods that it makes must be let in, whatever the API server takes."""
    resource = {**body, "metadata": {**body["metadata"], "generation": 1}}
    return Acceptance(resource).judge(resource).fleet is not None


def _edit(dice: random.Random, body: Object) -> str:
    spec = body["spec"]
    kind = dice.choices(("pool", "pools", "fleet", "beat", "annotation"), (8, 5, 5, 2, 2))[0]
    if kind == "pools":
        return _edit_pools(dice, spec)
    if kind == "annotation":
        return _annotate(dice, body)
    if kind == "pool":
        at = dice.randrange(len(spec["pools"]))
        return f"pools[{at}].{_set(dice, spec['pools'][at], POOL)}"
    if kind == "beat":
        return f"beat.{_set(dice, spec.setdefault('beat', {}), BEAT)}"
    return _set(dice, spec, FLEET)


def _set(dice: random.Random, part: Object, menu: Menu) -> str:
    """Set one field, or several that go together, or leave it out."""
    path = dice.choice([*menu, *(["pod"] if "pod.labels" in menu else [])])
    if path == "pod":  # a mount needs its volume
        fields = dice.choice(MOUNTED)
        found = part.setdefault("pod", {})
        for field in ("volumes", "volumeMounts"):
            found.pop(field, None)
        found |= {} if fields is NONE else copy.deepcopy(fields)
        return f"pod={'no mounts' if fields is NONE else fields}"
    value = dice.choice(menu[path])
    *steps, last = path.split(".")
    for step in steps:
        part = part.setdefault(step, {})
    if value is NONE:
        part.pop(last, None)
    else:
        part[last] = copy.deepcopy(value)
    return f"{path}={'left out' if value is NONE else value}"


def _edit_pools(dice: random.Random, spec: Object) -> str:
    pools, how = spec["pools"], dice.choice(("add", "remove", "rename", "order", "queue", "catch-all"))
    names, queues = {pool["name"] for pool in pools}, {queue for pool in pools for queue in pool.get("queues", [])}
    free, unused = [it for it in NAMES if it not in names], [it for it in QUEUES if it not in queues]
    pool = dice.choice(pools)
    if how == "add" and free and unused:
        pools.insert(dice.randint(0, len(pools)), {"name": dice.choice(free), "queues": [dice.choice(unused)]})
    elif how == "remove" and len(pools) > 1:
        pools.remove(pool)
    elif how == "rename" and free:
        pool["name"] = dice.choice(free)
    elif how == "order":
        dice.shuffle(pools)
    elif how == "queue":
        _move_queue(dice, pools, unused)
    elif how == "catch-all" and all("queues" in it for it in pools):
        pool.pop("queues")
    return f"pools: {how}: {[(it['name'], it.get('queues')) for it in pools]}"


def _move_queue(dice: random.Random, pools: list[Object], unused: list[str]) -> None:
    """A queue goes from one pool to another, or a new one comes."""
    taker = dice.choice(pools)
    givers = [it for it in pools if it is not taker and len(it.get("queues", [])) > 1]
    if givers and dice.random() < 0.5:
        giver = dice.choice(givers)
        queue = giver["queues"].pop(dice.randrange(len(giver["queues"])))
    elif unused:
        queue = dice.choice(unused)
    else:
        return
    taker["queues"] = [*taker.get("queues", []), queue]


def _annotate(dice: random.Random, body: Object) -> str:
    names = [f"utilitarian.io/override.{pool['name']}" for pool in body["spec"]["pools"]]
    name = dice.choice([*names, "utilitarian.io/paused", "example.com/note"])
    found = body["metadata"]["annotations"]
    if name in found:
        del found[name]
        return f"{name} taken away"
    numbers = {"utilitarian.io/paused": LATER, "example.com/note": "x"}
    found[name] = numbers.get(name, f"{dice.randint(0, 3)} {LATER}")
    return f"{name}={found[name]}"
