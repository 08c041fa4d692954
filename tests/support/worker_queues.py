"""Workers of a catch-all that say which queues they consume, as Celery does."""

from dataclasses import replace
from typing import Any

from kombu import Exchange, Queue

from tests.support.pools import NOW
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.own_queues import Learned, learned, own, passing

SILENT = Unknown("does not answer", NOW)


def pod(name: str, *queues: Queue | str, revision: str = "1", **more: Any) -> PodSnapshot:
    """A worker that stays and tells its queues as Celery does."""
    said = [(Queue(it, Exchange(it), it) if isinstance(it, str) else it).as_dict(recurse=True) for it in queues]
    node, names = f"celery@{name}", tuple(sorted(queue["name"] for queue in said))
    word = WorkerLoad(0, 0, 0, 0, begun=1, consuming=names, own=own(node, said), passing=passing(said))
    fields: dict[str, Any] = {"ready": True, "running": True, "leaving": False, "held": word, "revision": revision}
    return PodSnapshot(name, **{**fields, **more})


def mute(name: str) -> PodSnapshot:
    return replace(pod(name), held=SILENT)


CACHE = "cache"
NOTHING = Learned()


def queues(*workers: PodSnapshot, before: Learned = NOTHING, named: tuple[str, ...] = ()) -> tuple[str, ...]:
    return learned(before, workers, named).queues
