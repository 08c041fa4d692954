"""What an observer reads of broker and workers together, look by look."""

from typing import Any

import pytest

from tests.support.observing import Watcher
from tests.support.pools import NOW, fleet
from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.cluster.cache import PODS, Key, Store
from utilitarian_operator.core.labels import POOL_LABEL, node_name
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import WorkerLoad
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.errors import BrokerUnreachable

KEY = Key("ns", "fleet")
SPEC = fleet({"name": "a", "queues": ["q"]}, beat={"enabled": False})


def pod(name: str) -> dict[str, Any]:
    started = "2026-11-23T11:00:00Z"
    labels = {"app.kubernetes.io/instance": KEY.name, POOL_LABEL: "a"}
    metadata = {"namespace": KEY.namespace, "name": name, "resourceVersion": "1", "labels": labels}
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "worker", "state": {"running": {"startedAt": started}}}],
    }
    return {"metadata": metadata | {"creationTimestamp": started}, "status": status}


async def test_one_look_asks_the_workers_and_the_next_sees_what_they_hold() -> None:
    store, broker = Store(), FakeBroker()
    for name in ("one", "two"):
        store.see(PODS, pod(name))
        broker.place.start(node_name(name), "q")
    broker.place.workers[node_name("two")].silent = True
    broker.place.publish("q", 3)
    observer = Watcher(KEY, store, NOW)
    asked = await observer.look(SPEC, broker, NOW)
    assert [type(it.held) for it in asked.pools["a"].pods] == [Unknown, Unknown]
    assert asked.pools["a"].queues == {"q": Present(0, 2, None, 0, None)}
    one, two = (await observer.look(SPEC, broker, NOW)).pools["a"].pods
    assert one.held == WorkerLoad(1, 1, 2, 0, begun=1, consuming=("q",))
    assert two.held == Unknown("worker two does not answer", NOW)


@pytest.mark.parametrize("looks_before", [0, 2])
async def test_a_broker_that_is_away_is_unknown_until_it_answers_again(looks_before: int) -> None:
    broker = FakeBroker()
    broker.place.publish("q", 3)
    observer = Watcher(KEY, Store(), NOW)
    for _ in range(looks_before):
        assert (await observer.look(SPEC, broker, NOW)).broker is None
    broker.place.failure = BrokerUnreachable("no answer")
    away = await observer.look(SPEC, broker, NOW)
    assert away.broker == Unknown("no answer", NOW)
    assert isinstance(away.pools["a"].queues["q"], Unknown)
    broker.place.failure = None
    again = await observer.look(SPEC, broker, NOW)
    assert again.broker is None
    assert again.pools["a"].ready == 3
