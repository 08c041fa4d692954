"""The fleets of `examples/fleets` with the reference application standing in, for pods of a real kubelet.

What is theirs stays: wrappers, executions, prefetch, arguments, queues, init containers, native sidecars, users,
read-only roots, files by `subPath`, host names, images and applications of single pools, a broker of several parts or
addresses. What a small cluster doesn't have is taken away: claims that many nodes mount become empty folders, and there
are no GPUs, schedules and schedulers of their own. Through a native sidecar the broker is reached.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from demo.bed import Bed
from demo.scenario import SECRET
from tests.support.broker_proxy import proxy, through_proxy
from utilitarian_operator.api.objects import Object

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "fleets"
WRAPPER = ["sh", "-c", 'exec "$@"', "sh"]
"""Stands in for a wrapper that execs, as each of theirs does; Python itself needs none."""

APPLICATIONS = "applications"
_FANOUT = {"cache-broadcast-and-direct": "fanout"}
_MODULES = {
    "another.py": "from utilitarian.celery import app\n",
    "fanout.py": (
        "from kombu.common import Broadcast\n\nfrom utilitarian.celery import app\n\n"
        'app.conf.task_queues = (*app.conf.task_queues, Broadcast("cache"))\n'
    ),
}
"""Applications made of the reference one: for a pool that names one of its own, and for workers with private queues."""

QUICK = {"idleAfter": "5s", "stabilization": "5s", "taskDuration": "1s", "drainWithin": "5s", "max": 2}
SMALL = {"requests": {"cpu": "10m", "memory": "96Mi"}}

_KEPT = ("name", "queues", "priority", "rollout", "disruption")
_NOT_HERE = ("nodeSelector", "tolerations", "labels", "annotations")
_CLAIM = "persistentVolumeClaim"


@dataclass(frozen=True)
class StandIn:
    """A fleet for the test bed.

    Args:
        resource: to apply.
        environment: of its application, for the Secret that it names.
        mounted: the Secrets and ConfigMaps that its pods mount, each with a file for each key.
        behind_sidecar: whether its workers reach their broker through a native sidecar.
    """

    resource: Object
    environment: dict[str, str]
    mounted: list[Object]
    behind_sidecar: bool


def fleets() -> list[Path]:
    """The file of each, in order."""
    return sorted(EXAMPLES.glob("*.yaml"))


def standing_in(path: Path, bed: Bed) -> StandIn:
    """One of them on a test bed."""
    resource: Object = yaml.safe_load(path.read_text())
    written = resource["spec"]
    pools = [_pool(it, bed) for it in written["pools"]]
    pod = _with_applications(_pod(written.get("pod", {}), bed))
    behind = any(it.get("restartPolicy") == "Always" for it in _template(pod).get("initContainers", []))
    spec = {
        "image": bed.worker_image,
        "app": _FANOUT.get(path.stem, "utilitarian"),
        "broker": _broker(written["broker"]),
        "envFrom": [{"secretRef": {"name": SECRET}}],
        "env": [{"name": "PYTHONPATH", "value": f"/app:/{APPLICATIONS}"}, *_through_sidecar(behind=behind)],
        "defaults": {"worker": {**_worker(written.get("defaults", {}).get("worker", {})), "resources": SMALL}},
        "pod": pod,
        "pools": pools,
        "beat": {"enabled": False},
    }
    mounted = [*_mounted([pod, *(it.get("pod", {}) for it in pools)]), _config_map(APPLICATIONS, _MODULES)]
    return StandIn({**resource, "spec": spec}, _environment(bed), mounted, behind)


def _environment(bed: Bed) -> dict[str, str]:
    """The broker's URL, also twice and through a proxy in the pod, and its parts, which are not escaped."""
    url = bed.cluster_amqp_url
    parts = urlsplit(url)
    return {
        "CELERY_BROKER_URL": url,
        "UTILITARIAN_LEDGER": "amqp",
        "BROKER_URLS": f"{url};{url}",
        "BROKER_LOCAL_URL": through_proxy(url),
        "BROKER_HOST": str(parts.hostname),
        "BROKER_USERNAME": unquote(parts.username or ""),
        "BROKER_PASSWORD": unquote(parts.password or ""),
        "BROKER_VHOST": unquote(parts.path[1:]),
    }


def _key(name: str) -> Object:
    return {"secretKeyRef": {"name": SECRET, "key": name}}


def _broker(written: Object) -> Object:
    """In one piece or in parts, as theirs is; several addresses where their Secret has several."""
    if "from" in written:
        return {"from": {it: _key(f"BROKER_{it.upper()}") for it in ("host", "username", "password", "vhost")}}
    several = written["urlFrom"]["secretKeyRef"]["key"] == "urls"
    return {"urlFrom": _key("BROKER_URLS" if several else "CELERY_BROKER_URL")}


def _through_sidecar(*, behind: bool) -> list[Object]:
    return [{"name": "CELERY_BROKER_URL", "valueFrom": _key("BROKER_LOCAL_URL")}] if behind else []


def _pool(written: Object, bed: Bed) -> Object:
    kept = {name: written[name] for name in _KEPT if name in written}
    if "pod" in written:
        kept["pod"] = _pod(written["pod"], bed)
    if "image" in written:  # the same image by another of its names
        kept["image"] = f"docker.io/library/{bed.worker_image}"
    if "app" in written:
        kept["app"] = "another"
    scaling = {**QUICK, **({} if "queues" in written else {"min": 1})}
    return {**kept, "worker": _worker(written.get("worker", {})), "scaling": scaling}


def _worker(written: Object) -> Object:
    kept = {name: value for name, value in written.items() if name != "resources"}
    if kept.get("commandPrefix", ["python"])[0] != "python":
        kept["commandPrefix"] = WRAPPER
    if "concurrency" in kept:
        kept["concurrency"] = min(kept["concurrency"], 2)
    return kept


def _pod(written: Object, bed: Bed) -> Object:
    kept = {name: value for name, value in written.items() if name not in {*_NOT_HERE, "template"}}
    if "volumes" in kept:
        kept["volumes"] = [{"name": it["name"], "emptyDir": {}} if _CLAIM in it else it for it in kept["volumes"]]
    template = {name: value for name, value in _template(written).items() if name != "runtimeClassName"}
    if "initContainers" in template:
        template["initContainers"] = [_init(it, bed) for it in template["initContainers"]]
    return {**kept, **({"template": {"spec": template}} if template else {})}


def _with_applications(pod: Object) -> Object:
    """The modules beside what is mounted already: lists of named things merge in a template."""
    spec = _template(pod)
    volume = {"name": APPLICATIONS, "configMap": {"name": APPLICATIONS}}
    worker = {"name": "worker", "volumeMounts": [{"name": APPLICATIONS, "mountPath": f"/{APPLICATIONS}"}]}
    more = {"volumes": [*spec.get("volumes", []), volume], "containers": [*spec.get("containers", []), worker]}
    return {**pod, "template": {"spec": {**spec, **more}}}


def _init(written: Object, bed: Bed) -> Object:
    sidecar = written.get("restartPolicy") == "Always"
    kept = {name: value for name, value in written.items() if name != "args"}
    return {**kept, "image": bed.worker_image, "command": proxy(bed.cluster_amqp_url) if sidecar else ["true"]}


def _template(pod: Object) -> Object:
    found: Object = pod.get("template", {}).get("spec", {})
    return found


def _mounted(pods: list[Object]) -> Iterator[Object]:
    """What the pods mount, each once, with a file for each key that is named."""
    seen = set()
    for pod in pods:
        for volume in pod.get("volumes", []):
            mounts = [it for it in pod.get("volumeMounts", []) if it["name"] == volume["name"]]
            data = dict.fromkeys([it["subPath"] for it in mounts if "subPath" in it] or ["file"], "1")
            name = volume.get("configMap", {}).get("name") or volume.get("secret", {}).get("secretName")
            if name is None or name in seen:
                continue
            seen.add(name)
            yield _config_map(name, data) if "configMap" in volume else _secret(name, data)


def _config_map(name: str, data: dict[str, Any]) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def _secret(name: str, data: dict[str, Any]) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
