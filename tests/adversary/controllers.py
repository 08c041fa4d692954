"""The controllers of Deployment and ReplicaSet: a rollout with surge, the real order of victims, and their lag."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from tests.adversary.api_server import ApiServer, Object, condition, digest, is_ready, leaving
from tests.adversary.loop import VirtualLoop

COST = "controller.kubernetes.io/pod-deletion-cost"
USUAL = "25%"
QUOTA_AGAIN_S = 3.0


def controller(pod: Object) -> tuple[str, str]:
    """Kind and name of what made a pod: `ReplicaSet` counts as its Deployment."""
    owner = pod["metadata"]["ownerReferences"][0]
    name = owner["name"].rpartition("-")[0] if owner["kind"] == "ReplicaSet" else owner["name"]
    return owner["kind"], name


def rank(pod: Object, beside: int = 1) -> tuple[Any, ...]:
    """Who goes first: ActivePodsWithRanks of kubernetes/pkg/controller/controller_utils.go.

    Args:
        pod: as the controller sees it.
        beside: pods of the same ReplicaSet on its node.
    """
    cost = int((pod["metadata"].get("annotations") or {}).get(COST, "0"))
    ready = is_ready(pod)
    since = condition(pod, "Ready")["lastTransitionTime"] if ready else ""  # type: ignore[index]
    newest_first = -int(pod["metadata"]["uid"].partition("-")[2])
    running = pod["status"].get("phase") == "Running"
    # Who became ready last goes first, and of two the newer.
    return "nodeName" in pod["spec"], running, ready, cost, -beside, _turned(since), newest_first


def _fenceposts(live: Object, want: int) -> tuple[int, int]:
    """How many pods there may be beside those that are wanted, and how many of these may be away.

    ResolveFenceposts of kubernetes/pkg/controller/deployment/util/deployment_util.go.
    """
    rolling = (live["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    surge = _pods_of(rolling.get("maxSurge", USUAL), want, math.ceil)
    unavailable = _pods_of(rolling.get("maxUnavailable", USUAL), want, math.floor)
    return surge, unavailable if surge or unavailable else 1


def _pods_of(asked: int | str, want: int, rounded: Callable[[float], int]) -> int:
    return asked if isinstance(asked, int) else rounded(want * int(asked.removesuffix("%")) / 100)


def _turned(stamp: str) -> tuple[int, ...]:
    return tuple(-ord(letter) for letter in stamp)


class Deployments:
    """Both controllers; ReplicaSets are no objects here, only a number of pods wanted for each template.

    Args:
        loop, rng, server: of the world.
        world: asked for the kubelet, the quota and the lag, and told of victims.
    """

    def __init__(self, loop: VirtualLoop, rng: random.Random, server: ApiServer, world: Any) -> None:
        self._loop, self._rng, self._server, self._world = loop, rng, server, world
        self._sets: dict[str, dict[str, int]] = defaultdict(dict)
        self._templates: dict[str, Object] = {}
        self._pending: set[str] = set()
        self._numbered = 0
        self._seen_at = 0.0

    def changed(self, name: str, after: float | None = None) -> None:
        """Something of a Deployment or its pods changed: look at it in a moment, sometimes in a longer one."""
        if name not in self._pending:
            self._pending.add(name)
            usual = self._rng.random() < 0.95
            lag = self._rng.uniform(0.005, 0.15) if usual else self._rng.uniform(0.3, 3.0)
            self._loop.call_later(lag if after is None else after, self._act, name)

    def forget(self, name: str) -> None:
        """The Deployment is deleted, and with it its ReplicaSets."""
        self._sets.pop(name, None)

    def pods(self, live: Object, template: str | None = None) -> list[Object]:
        """The pods of a Deployment that are not being deleted, of one template or of all."""
        name, uid = live["metadata"]["name"], live["metadata"]["uid"]
        found = []
        for pod in self._server.objects["pods"].values():
            owner = pod["metadata"]["ownerReferences"][0]
            of_template = template is None or owner["name"] == f"{name}-{template}"
            if of_template and owner["uid"].partition("/")[0] == uid and not leaving(pod):
                found.append(pod)
        return found

    def _act(self, name: str) -> None:
        self._pending.discard(name)
        live = self._server.get("deployments", name)
        if live is None:
            return
        template = digest(live["spec"]["template"])
        self._templates[template] = live["spec"]["template"]
        sets = self._sets[name]
        for old in [it for it, number in sets.items() if not number and it != template and not self.pods(live, it)]:
            del sets[old]
        sets.setdefault(template, 0)
        pods = {it: self._seen(self.pods(live, it)) for it in sets}
        rolling = any(sets[it] for it in sets if it != template)
        if (live["spec"].get("strategy") or {}).get("type") == "Recreate":
            self._replace(live, template, sets)
        else:
            self._share(live, template, sets, pods)
        failures = [self._fill(live, it, number, pods[it], rolling=rolling) for it, number in list(sets.items())]
        self._tell(live, template, next(filter(None, failures), None))

    def _seen(self, pods: list[Object]) -> list[Object]:
        """The pods as the controllers' cache has them: it may be late, and never goes back.

        What they choose and what the Deployment's status says come from the same cache.
        """
        lag = self._world.replica_set_lag()
        self._seen_at = max(self._seen_at, self._loop.now - lag)
        if lag:
            for name in {controller(pod)[1] for pod in pods}:
                self.changed(name, lag)
        return [self._server.as_of(pod, self._seen_at) for pod in pods]

    def _replace(self, live: Object, template: str, sets: dict[str, int]) -> None:
        """All old pods go before the first new one comes."""
        sets.update(dict.fromkeys(sets.keys() - {template}, 0))
        ours, uid = f"{live['metadata']['name']}-{template}", live["metadata"]["uid"]
        owners = [it["metadata"]["ownerReferences"][0] for it in self._server.objects["pods"].values()]
        olds = any(it["uid"].partition("/")[0] == uid and it["name"] != ours for it in owners)
        if not olds:
            sets[template] = live["spec"].get("replicas", 1)

    @staticmethod
    def _share(live: Object, template: str, sets: dict[str, int], pods: dict[str, list[Object]]) -> None:
        """How many pods of each template there shall be now."""
        want = live["spec"].get("replicas", 1)
        olds = [it for it in sets if it != template and sets[it]]
        if not olds:
            sets[template] = want
            return
        surge, unavailable = _fenceposts(live, want)
        least, most = want - unavailable, want + surge
        over = sum(sets.values()) - most
        if over > 0:  # scaled down on the way: the old ones first
            for it in [*olds, template]:
                cut = min(sets[it], max(over, 0))
                sets[it], over = sets[it] - cut, over - cut
            return
        sets[template] += max(min(-over, want - sets[template]), 0)
        ready = {it: sum(map(is_ready, found)) for it, found in pods.items()}
        may_go = sum(sets.values()) - least - (sets[template] - ready.get(template, 0))
        for it in olds:  # those that are not ready first: no task misses them
            cut = max(min(len(pods[it]) - ready[it], may_go, sets[it]), 0)
            sets[it], may_go = sets[it] - cut, may_go - cut
        spare = sum(ready.values()) - least
        for it in olds:
            cut = max(min(spare, may_go, sets[it]), 0)
            sets[it], may_go, spare = sets[it] - cut, may_go - cut, spare - cut

    def _fill(self, live: Object, template: str, number: int, pods: list[Object], *, rolling: bool) -> str | None:
        """What one ReplicaSet does; returns why it can't."""
        name = live["metadata"]["name"]
        if len(pods) < number:
            for _ in range(number - len(pods)):
                there = sum(not leaving(it) for it in self._server.objects["pods"].values())
                if self._world.quota is not None and there >= self._world.quota:
                    self.changed(name, QUOTA_AGAIN_S)
                    return "exceeded quota: pods, requested: pods=1"
                self._make(live, template)
        elif len(pods) > number:
            nodes = Counter(it["spec"].get("nodeName") for it in pods)
            ranked = sorted(pods, key=lambda it: rank(it, nodes[it["spec"].get("nodeName")]))
            for pod in ranked[: len(pods) - number]:
                self._world.invariants.victim(name, pod, rolling=rolling)
                self._world.log(f"ReplicaSet of {name} deletes {pod['metadata']['name']}")
                by = "rollout" if rolling else "scale"
                self._world.kubelet.delete(pod["metadata"]["name"], pod["metadata"]["uid"], by)
        return None

    def _make(self, live: Object, hash_: str) -> None:
        template, name = self._templates[hash_], live["metadata"]["name"]
        self._numbered += 1
        owner = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": f"{name}-{hash_}",
            "uid": f"{live['metadata']['uid']}/{hash_}",
            "controller": True,
        }
        metadata = {
            "name": f"{name}-{hash_}-{self._numbered}",
            "labels": {**template["metadata"]["labels"], "pod-template-hash": hash_},
            "annotations": dict(template["metadata"].get("annotations") or {}),
            "ownerReferences": [owner],
        }
        status = {"phase": "Pending", "conditions": []}
        self._world.kubelet.new(
            self._server.add("pods", {"metadata": metadata, "spec": template["spec"], "status": status})
        )

    def _tell(self, live: Object, template: str, failure: str | None) -> None:
        pods = self._seen(self.pods(live))
        status: Object = {
            "observedGeneration": live["metadata"]["generation"],
            "replicas": len(pods),
            "readyReplicas": sum(map(is_ready, pods)),
            "updatedReplicas": len(self.pods(live, template)),
        }
        if failure:
            status["conditions"] = [{"type": "ReplicaFailure", "status": "True", "message": failure}]
        self._server.change("deployments", live["metadata"]["name"], status=status)
