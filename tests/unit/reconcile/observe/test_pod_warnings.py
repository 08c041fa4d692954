"""Kubernetes' warnings about pods that don't become ready: whose are read, how often, and which is told."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.times import stamp
from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.observation.causes.pod_status import LONGEST_WARNING, newest_warning
from utilitarian_operator.core.observation.pod_failures import pod_failure
from utilitarian_operator.errors import ClusterError
from utilitarian_operator.reconcile.observe.pod_warnings import MOST_EVENTS, MOST_PODS, PodWarnings

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def event(message: str, at: str | None = "2026-11-23T11:59:00Z", **more: Any) -> Object:
    return {"type": "Warning", "reason": "FailedMount", "message": message, "lastTimestamp": at} | more


@pytest.mark.parametrize(
    "events,words",
    [
        pytest.param([], "", id="none"),
        pytest.param([event("new"), event("old", "2026-11-23T11:00:00Z")], "FailedMount: new", id="the newest is told"),
        pytest.param([event("x", None, eventTime="2026-11-23T11:59:00.000000Z")], "FailedMount: x", id="newer kind"),
        pytest.param([event("x", type="Normal"), event("")], "", id="neither what is normal nor what says nothing"),
        pytest.param([event("x" * 999)], "FailedMount: " + "x" * (LONGEST_WARNING - 13), id="a long one is cut"),
    ],
)
def test_which_warning_is_told(events: list[Object], words: str) -> None:
    assert newest_warning(events) == words


LOG = "amqp.exceptions.PreconditionFailed: Queue.declare: (406) PRECONDITION_FAILED - inequivalent arg"


async def cluster_of(*pods: Object, error: ClusterError | None = None) -> FakeCluster:
    """Where each of these pods has a warning, and a log that ends with what the broker refused."""
    cluster = FakeCluster()
    for it in pods:
        uid, metadata = it["metadata"]["uid"], {"namespace": "ns", "name": it["metadata"]["name"]}
        await cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
        about = {"type": "Warning", "reason": "FailedMount", "note": f"of {uid}", "regarding": {"uid": uid}}
        await cluster.create({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": metadata, **about})
        cluster.logs |= {("ns", metadata["name"], "worker", previous): LOG for previous in (True, False)}
    cluster.requests.clear()
    cluster.fails = lambda _: error
    return cluster


def asked(cluster: FakeCluster) -> list[str]:
    """Whose warnings, by uid, and whose log was asked for."""
    return [_asked(it) for it in cluster.requests]


def _asked(request: Request) -> str:
    if request.verb == "items":
        selector, limit, fields = request.body
        assert (request.kind, request.namespace, selector, limit) == ("events", "ns", "", MOST_EVENTS)
        return fields.removeprefix("involvedObject.uid=").removesuffix(",type=Warning")
    container, previous = request.body
    assert (request.verb, container) == ("log_end", "worker")
    return f"log of {request.name}, {'previous' if previous else 'current'}"


def pod(name: str, age: timedelta, *, ready: bool = False) -> Object:
    made = stamp(NOW - age)
    conditions = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": made},
        {"type": "Ready", "status": str(ready), "lastTransitionTime": made},
    ]
    metadata = {"namespace": "ns", "name": name, "uid": f"uid-{name}", "creationTimestamp": made}
    return {"metadata": metadata, "status": {"conditions": conditions}}


LONG, SHORT = timedelta(minutes=11), timedelta(minutes=9)


async def test_only_pods_that_have_waited_for_long_are_asked_about_and_not_at_each_look() -> None:
    pods = [pod("old", LONG), pod("young", SHORT), pod("works", LONG, ready=True)]
    cluster = await cluster_of(*pods)
    warnings = PodWarnings(cluster, time.monotonic)
    for _ in range(3):
        assert await warnings.look(pods, NOW) == {"old": "FailedMount: of uid-old"}
    assert asked(cluster) == ["uid-old"]
    assert await warnings.look(pods[1:], NOW) == {}


async def test_of_many_only_some_are_asked_about() -> None:
    pods = [pod(f"p{number}", LONG) for number in range(50)]
    cluster = await cluster_of(*pods)
    await PodWarnings(cluster, time.monotonic).look(pods, NOW)
    assert len(asked(cluster)) == MOST_PODS


async def test_a_right_that_is_missing_leaves_the_words_out() -> None:
    old = pod("old", LONG)
    cluster = await cluster_of(old, error=ClusterError("403"))
    assert await PodWarnings(cluster, time.monotonic).look([old], NOW) == {}
    assert asked(cluster) == ["uid-old"]


def crashing(name: str, state: Object, code: int = 1, at: str = "2026-11-23T11:59:50Z", ours: str = "worker") -> Object:
    made = pod(name, SHORT)
    ended = {"terminated": {"exitCode": code, "reason": "Error", "finishedAt": at}}
    status = {"name": ours, "state": state, "lastState": ended}
    made["status"]["containerStatuses"] = [status if state else {**status, "state": ended, "lastState": {}}]
    made["spec"] = {"containers": [{"name": "istio-proxy"}, {"name": "worker"}]}
    return made


LOOPS = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}}


@pytest.mark.parametrize(
    "there,whose",
    [
        pytest.param(crashing("p", LOOPS), ["log of p, previous"], id="it waits to be started again"),
        pytest.param(crashing("p", {"running": {}}), ["log of p, previous"], id="it was started again"),
        pytest.param(crashing("p", {}), ["log of p, current"], id="it has just ended"),
        pytest.param(crashing("p", LOOPS, 0), [], id="it ended without an error"),
        pytest.param(crashing("p", LOOPS, at="2026-11-23T11:00:00Z"), [], id="long ago"),
        pytest.param(crashing("p", LOOPS, ours="istio-proxy"), [], id="another container"),
    ],
)
async def test_whose_log_is_read(there: Object, whose: list[str]) -> None:
    cluster = await cluster_of(there)
    warnings = PodWarnings(cluster, time.monotonic)
    await warnings.look([there], NOW)
    if warnings._reading is not None:
        await warnings._reading
    assert asked(cluster) == whose
    found = await warnings.look([there], NOW)
    assert ("406 PRECONDITION_FAILED" in found.get("p", "")) is bool(whose)
    failure = pod_failure(None, [there], NOW, found)
    if whose:
        assert failure is not None
        assert "(Error); the broker refused it: 406 PRECONDITION_FAILED" in failure.message


async def test_a_log_that_is_not_answered_holds_up_no_look() -> None:
    class Silent(FakeCluster):
        async def log_end(self, pod: Object, container: str, *, previous: bool) -> str:
            del pod, container, previous
            return await asyncio.Event().wait() and ""

    warnings = PodWarnings(Silent(), time.monotonic)
    assert await warnings.look([crashing("p", LOOPS)], NOW) == {}
    warnings.close()
