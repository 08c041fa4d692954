"""Looks at a fleet of two pools: `work`, whose pods and queue a test chooses, and `other`, which is well."""

from dataclasses import replace

from tests.support.pools import NOW, fleet
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present

FLEET = fleet({"name": "work", "queues": ["q"]}, {"name": "other", "queues": ["r"]})
SILENT = Unknown("does not answer", NOW)
IDLE = WorkerLoad(0, 0, 0, 0, begun=7, consuming=("q",))
DEAF = replace(IDLE, consuming=())


def pod(name: str, word: WorkerLoad | None = IDLE, **more: object) -> PodSnapshot:
    fields: dict[str, object] = {"ready": True, "running": True, "leaving": False, "held": SILENT, "sample": word}
    return PodSnapshot(name, **{**fields, **more})  # type: ignore[arg-type]


def snapshot(*pods: PodSnapshot, ready: int = 0, consumers: int | None = None, **more: object) -> FleetSnapshot:
    """A fleet whose pool `work` has these pods, and `other` has one that is well."""
    count = len(pods) if consumers is None else consumers
    queue = more.pop("queue", Present(ready, count))
    work = PoolSnapshot({"q": queue}, 0, pods, len(pods))  # type: ignore[dict-item]
    well = PoolSnapshot({"r": Present(0, 1)}, 0, (pod("well", replace(IDLE, consuming=("r",))),), 1)
    return FleetSnapshot(NOW, {"work": work, "other": well}, **more)  # type: ignore[arg-type]
