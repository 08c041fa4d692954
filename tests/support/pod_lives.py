"""Keeps a record of a fleet's workers while a test runs: sizes, pods, and how each left; it changes nothing."""

import threading
import time
import urllib.error
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from tests.support.fleet import Fleet
from tests.support.http import HttpError
from utilitarian.ledger import Record
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.labels import DRAINING

EVERY_S = 0.2


@dataclass
class Life:
    """One pod, as it was seen.

    Args:
        name: of the pod.
        pool: it worked for.
        template: hash of its pod template.
        first, last: when it was seen first and last; seconds since the epoch, like all times here.
        ready: when it was first seen ready; None if it never was.
        asked_to_end: when it was told to go, by the API server's own clock and up to a second late; None if it was not.
        led: whether it was marked when it was told.
        replaced: whether pods of another template were there when it was told: a rollout.
    """

    name: str
    pool: str
    template: str
    first: float
    last: float
    ready: float | None = None
    asked_to_end: float | None = None
    led: bool = False
    replaced: bool = False

    def worked_after(self, records: Sequence[Record]) -> list[Record]:
        """What its worker recorded after it was told to go; a led one had finished everything before."""
        asked = self.asked_to_end
        if asked is None:
            return []
        return [record for record in records if record.hostname == f"celery@{self.name}" and record.at > asked]


class PodLives:
    """Looks at a fleet's pods and Deployments several times a second, for the time of its `with` block.

    Args:
        get: answers a GET of the API server, by path.
        namespace: of the fleet.
        fleet: name of the resource.
        every_s: seconds between looks.
    """

    def __init__(self, get: Callable[[str], Object], namespace: str, fleet: str, *, every_s: float = EVERY_S) -> None:
        self._get, self._namespace, self._fleet, self._every_s = get, namespace, fleet, every_s
        self._lives: dict[str, Life] = {}
        self._sizes: dict[str, list[tuple[float, int]]] = {}
        self._unsettled: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pod-lives", daemon=True)

    @classmethod
    def of(cls, fleet: Fleet, *, every_s: float = EVERY_S) -> Self:
        """Those of a fleet under test."""

        def get(path: str) -> Object:
            return dict(fleet.controlplane.request("GET", path))

        return cls(get, fleet.namespace, fleet.name, every_s=every_s)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def lives(self) -> list[Life]:
        """All pods so far."""
        return list(self._lives.values())

    def worker_seconds(self) -> float:
        """How long the pods were there, all together."""
        return sum(life.last - life.first for life in self.lives())

    def largest(self, pool: str) -> int:
        """Most workers that the pool was ever asked to have."""
        return max((size for _, size in self.sizes(pool)), default=0)

    def sizes(self, pool: str) -> list[tuple[float, int]]:
        """Since when the pool was asked to have how many workers, the first first."""
        return list(self._sizes.get(pool, []))

    def asleep_since(self, pool: str) -> float | None:
        """Since when the pool has been asked for no worker; None while it is asked for some."""
        sizes = self.sizes(pool)
        return sizes[-1][0] if sizes and sizes[-1][1] == 0 else None

    def unsettled_until(self, pool: str) -> float:
        """When a worker was last seen that was only starting, or one of another template that stays; 0 if never."""
        return self._unsettled.get(pool, 0.0)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self._look()
            except (HttpError, urllib.error.URLError, OSError):
                continue  # the API server may be away for a moment

    def _look(self) -> None:
        now = time.time()
        for deployment in self._items("apis/apps/v1", "deployments"):
            pool = deployment["metadata"]["name"].removeprefix(f"{self._fleet}-")
            sizes = self._sizes.setdefault(pool, [])
            if not sizes or sizes[-1][1] != deployment["spec"]["replicas"]:
                sizes.append((now, deployment["spec"]["replicas"]))
        pods = self._items("api/v1", "pods")
        pools: dict[str, list[Object]] = {}
        for pod in pods:
            pool = pod["metadata"]["labels"].get("utilitarian.io/pool")
            if pool is not None:
                pools.setdefault(pool, []).append(pod)
        for pool, bodies in pools.items():
            templates = {_template(body) for body in bodies}
            staying = [body for body in bodies if not _goes(body)]
            if len({_template(body) for body in staying}) > 1 or not all(map(_is_ready, staying)):
                self._unsettled[pool] = now
            for body in bodies:
                self._see(pool, body, templates, now)

    def _items(self, group: str, kind: str) -> list[Object]:
        found: list[Object] = self._get(f"/{group}/namespaces/{self._namespace}/{kind}")["items"]
        return found

    def _see(self, pool: str, pod: Object, templates: set[str], now: float) -> None:
        metadata = pod["metadata"]
        life = self._lives.setdefault(
            metadata["uid"], Life(metadata["name"], pool, _template(pod), first=now, last=now)
        )
        life.last = now
        life.ready = now if life.ready is None and _is_ready(pod) else life.ready
        if life.asked_to_end is None and "deletionTimestamp" in metadata:
            life.asked_to_end = _asked_to_end(metadata)
            life.led = DRAINING in _annotations(metadata)
            life.replaced = len(templates) > 1


def _goes(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"] or DRAINING in _annotations(pod["metadata"])


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _asked_to_end(metadata: Mapping[str, Any]) -> float:
    """The moment of the deletion request: Kubernetes writes that of its end, cut to the second."""
    end = datetime.fromisoformat(metadata["deletionTimestamp"]).timestamp()
    return end - float(metadata.get("deletionGracePeriodSeconds", 0)) + 1


def _template(pod: Object) -> str:
    return str(pod["metadata"]["labels"].get("pod-template-hash", ""))


def _annotations(metadata: Mapping[str, Any]) -> Mapping[str, str]:
    found: Mapping[str, str] = metadata.get("annotations") or {}
    return found
