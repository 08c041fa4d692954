"""What is known of a Deployment after a scale request whose answer did not come."""

import asyncio
import time
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.objects.actions import ScaleTo
from utilitarian_operator.core.objects.refusals import Refusal
from utilitarian_operator.errors import ClusterError, Gone, Rejected
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile.act.scale_requests import ScaleRequests

KEY = Key("ns", "fleet")
FLEET = {
    "apiVersion": "utilitarian.io/v1alpha1",
    "kind": "UtilitarianWorkerPool",
    "metadata": {"namespace": "ns", "name": "fleet", "uid": "u"},
}
LABELS = {"app.kubernetes.io/instance": "fleet", "app.kubernetes.io/managed-by": "utilitarian-operator"}
LOST = ClusterError("no answer in time")


class Unheard(FakeCluster):
    """Carries out what it is asked for, and says so only if it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: Callable[[], None] = lambda: None
        self.has_scaled = asyncio.Event()

    async def scale(self, namespace: str, deployment: str, replicas: int, version: str | None = None) -> Object:
        scaled = await super().scale(namespace, deployment, replicas, version)
        self.has_scaled.set()
        await asyncio.sleep(0)
        self.answers()
        return scaled


class Fleet:
    """One with a Deployment of one worker, that is to have three."""

    def __init__(self) -> None:
        self.cluster, self.store = Unheard(), Store()
        self.requests = ScaleRequests(self.cluster, self.store, Metrics(CollectorRegistry(), time.monotonic))

    async def made(self) -> "Fleet":
        self.fleet = await self.cluster.create(FLEET)
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 1}}
        live = await self.cluster.create(
            deployment | {"metadata": {"namespace": "ns", "name": "fleet-a", "labels": LABELS}}
        )
        self.store.see(DEPLOYMENTS, live)
        self.step = ScaleTo("fleet-a", 1, 3, live["metadata"]["resourceVersion"])
        return self

    async def send(self) -> bool | Refusal:
        return await self.requests.send(KEY, self.fleet, "a", self.step)

    @property
    def seen(self) -> int:
        return int(self.store.children(DEPLOYMENTS, KEY)["fleet-a"]["spec"]["replicas"])

    def fails(self, verb: str, error: Exception) -> None:
        def what(asked: Request) -> Exception | None:
            return error if (asked.verb, asked.name) == (verb, "fleet-a") else None

        self.cluster.fails = what


def unheard() -> None:
    raise LOST


async def test_the_answer_is_known_at_once() -> None:
    fleet = await Fleet().made()
    assert await fleet.send() is True
    assert (fleet.seen, fleet.requests.in_doubt) == (3, {})


async def test_what_came_of_a_lost_answer_is_read() -> None:
    fleet = await Fleet().made()
    fleet.cluster.answers = unheard
    assert isinstance(await fleet.send(), Refusal)
    assert (fleet.seen, fleet.requests.in_doubt) == (1, {KEY: {"fleet-a"}})
    await fleet.requests.find_out(KEY)
    assert (fleet.seen, fleet.requests.in_doubt) == (3, {})


async def test_what_came_of_a_look_that_was_cut_off_is_read() -> None:
    fleet = await Fleet().made()
    look = asyncio.create_task(fleet.send())
    await fleet.cluster.has_scaled.wait()
    look.cancel()
    await asyncio.wait([look])
    assert (fleet.seen, fleet.requests.in_doubt) == (1, {KEY: {"fleet-a"}})
    await fleet.requests.find_out(KEY)
    assert (fleet.seen, fleet.requests.in_doubt) == (3, {})


@pytest.mark.parametrize(
    "error, stays",
    [(ClusterError("away"), True), (Gone("gone"), False), (Rejected("HTTP 403: no", "no"), False)],
    ids=["no answer again", "it has gone", "it may not be read"],
)
async def test_it_is_asked_for_again_as_long_as_no_answer_comes(error: Exception, stays: bool) -> None:
    fleet = await Fleet().made()
    fleet.cluster.answers = unheard
    await fleet.send()
    fleet.fails("read", error)
    await fleet.requests.find_out(KEY)
    assert (KEY in fleet.requests.in_doubt) is stays


@pytest.mark.parametrize("error", [Rejected("HTTP 403: no", "no"), Gone("gone")], ids=["refused", "gone"])
async def test_an_answer_that_says_no_leaves_no_doubt(error: Exception) -> None:
    fleet = await Fleet().made()
    fleet.fails("scale", error)
    assert await fleet.send() is not True
    assert fleet.requests.in_doubt == {}


async def test_nothing_is_kept_of_a_fleet_that_is_gone() -> None:
    fleet = await Fleet().made()
    fleet.cluster.answers = unheard
    await fleet.send()
    fleet.requests.forget(KEY)
    fleet.cluster.requests.clear()
    await fleet.requests.find_out(KEY)
    assert (fleet.requests.in_doubt, fleet.cluster.requests) == ({}, [])
