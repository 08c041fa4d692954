"""Workers as the operator sees them, and what a Deployment says of its pods."""

from datetime import timedelta
from typing import Any

from tests.support.pools import NOW
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.observation.reported import Reported

NOTHING = WorkerLoad(0, 0, 0, 0, consuming=())
WORKS = WorkerLoad(1, 1, 0, 0, consuming=("q",))
SILENT = Unknown("does not answer", NOW)
MARKED = NOW - timedelta(seconds=5)


def pod(name: str, held: WorkerLoad | Unknown = WORKS, **more: Any) -> PodSnapshot:
    fields = {"ready": True, "running": True, "leaving": False, "gated": True, "gate": True, "revision": "1", **more}
    return PodSnapshot(name=name, held=held, **fields)


def released(name: str, **more: Any) -> PodSnapshot:
    fields = {"ready": False, "gate": False, "cheapest": True, "marked": MARKED, **more}
    return pod(name, **{"held": NOTHING, **fields})


def said(pods: int, ready: int, *, updated: int | None = None, observed: bool = True) -> Reported:
    return Reported(observed, pods, ready, pods if updated is None else updated)


def snapshot(*pods: PodSnapshot, reported: Reported | None, replicas: int | None = None) -> PoolSnapshot:
    there = len(pods) if replicas is None else replicas
    return PoolSnapshot({"q": Present(0, len(pods))}, 0, pods, there, reported=reported)
