"""Steps of drains as they are carried out: what happens at the same time, and what in turn."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.cluster.cache import FLEETS, PODS, Store
from utilitarian_operator.core.draining.plan import DrainPlan
from utilitarian_operator.core.draining.steps import CancelConsumers
from utilitarian_operator.core.labels import INSTANCE_LABEL
from utilitarian_operator.errors import BrokerUnreachable
from utilitarian_operator.reconcile.act.drains import CANCEL_GAP_S, Drains

RESOURCE: dict[str, Any] = {"metadata": {"namespace": "shop", "name": "fleet", "resourceVersion": "1"}}


class Workers(FakeBroker):
    """The shipped fake, which notes which workers are told to cancel; those that are mute can't be told anything."""

    def __init__(self, heard: list[str | float], mute: Collection[str]) -> None:
        super().__init__()
        self._heard, self._mute = heard, mute

    async def cancel_consumers(self, node: str, queues: Sequence[str]) -> None:
        pod = node.rpartition("@")[2]
        self._heard.append(pod)
        if pod in self._mute:
            raise BrokerUnreachable("no answer")
        await super().cancel_consumers(node, queues)


def drains(store: Store, said: list[str | float]) -> Drains:
    async def sleep(seconds: float) -> None:
        said.append(seconds)

    unasked: Any = None  # a cancel concerns the worker alone
    return Drains(unasked, store, unasked, lambda: datetime(2026, 1, 1, tzinfo=UTC), sleep)


def pods(*names: str) -> Store:
    store = Store()
    store.see(FLEETS, RESOURCE)
    for name in names:
        labels = {INSTANCE_LABEL: "fleet"}
        store.see(PODS, {"metadata": {"namespace": "shop", "name": name, "labels": labels, "resourceVersion": "1"}})
    return store


def cancels(*names: str) -> DrainPlan:
    return DrainPlan(None, tuple(CancelConsumers(name, ("q",)) for name in names))


@pytest.mark.parametrize(
    "drains_of, mute, said",
    [
        pytest.param({"a": cancels("a-1")}, (), ["a-1"], id="one-worker-at-once"),
        pytest.param(
            {"a": cancels("a-1", "a-2", "a-3")},
            (),
            ["a-1", CANCEL_GAP_S, "a-2", CANCEL_GAP_S, "a-3"],
            id="workers-of-one-pool-with-a-gap-between-them",
        ),
        pytest.param(
            {"a": cancels("a-1", "a-2")},
            ("a-1",),
            ["a-1", CANCEL_GAP_S, "a-2"],
            id="a-mute-worker-keeps-no-other-from-leaving",
        ),
        pytest.param({"a": cancels("a-1"), "b": cancels("b-1")}, (), ["a-1", "b-1"], id="pools-at-the-same-time"),
    ],
)
async def test_the_workers_of_a_pool_cancel_their_consumers_in_turn(
    drains_of: dict[str, DrainPlan], mute: tuple[str, ...], said: list[str | float]
) -> None:
    """What came back from the first has gone to another worker when the second cancels: it comes back once."""
    heard: list[str | float] = []
    names = ("a-1", "a-2", "a-3", "b-1")
    store, workers = pods(*names), Workers(heard, mute)
    for name in names:
        workers.place.start(f"celery@{name}", "q")
    await drains(store, heard).carry_out(RESOURCE, drains_of, {}, workers)
    assert heard == said
    left = {name for name in names if not workers.place.workers[f"celery@{name}"].consuming}
    assert left == {it for it in said if isinstance(it, str)} - {*mute}
