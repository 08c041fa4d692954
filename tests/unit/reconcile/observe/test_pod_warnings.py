"""Kubernetes' warnings about pods that don't become ready: whose are read, how often, and which is told."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.times import stamp
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.observation.causes.pod_status import LONGEST_WARNING, newest_warning
from utilitarian_operator.core.observation.causes.worker_log import LONGEST, broker_refusal
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


INEQUIVALENT = (
    "inequivalent arg 'x-max-priority' for queue 'amr' in vhost '/': received none but current is the value '10'"
)
LOG = f"""Traceback (most recent call last):
  File "app.py", line 1, in poll(password='hunter2')
amqp.exceptions.PreconditionFailed: Queue.declare: (406) PRECONDITION_FAILED - {INEQUIVALENT} of type 'signedint'
Sentry: shutting down
"""


@pytest.mark.parametrize(
    "log,parts",
    [
        pytest.param("", [], id="an empty log"),
        pytest.param("ImportError: no module named app (503)", [], id="an error of the application"),
        pytest.param("HTTP (403) forbidden - amqp://u:hunter2@h", [], id="another protocol's number"),
        pytest.param(
            LOG,
            ["the broker refused it: 406 PRECONDITION_FAILED - inequivalent arg 'x-max-priority'", "make them alike"],
            id="a queue that was declared otherwise",
        ),
        pytest.param(
            "(406) PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 9 ms",
            ["consumer_timeout: make that longer"],
            id="a task that took too long",
        ),
        pytest.param(
            "amqp.exceptions.AccessRefused: Queue.declare: (403) ACCESS_REFUSED - access to queue 'q' in vhost '/' "
            "refused for user 'u'",
            ["403 ACCESS_REFUSED", "give the workers' user that right"],
            id="a right that is missing",
        ),
        pytest.param(
            "Connection.open: (530) NOT_ALLOWED - vhost nowhere not found", ["correct the virtual host"], id="no vhost"
        ),
        pytest.param(
            "(406) PRECONDITION_FAILED - first\n(404) NOT_FOUND - no exchange 'x' in vhost '/'",
            ["404 NOT_FOUND - no exchange 'x'"],
            id="the last of several",
        ),
    ],
)
def test_of_a_log_only_the_broker_s_refusal_is_told(log: str, parts: list[str]) -> None:
    said = broker_refusal(log)
    assert bool(said) == bool(parts)
    assert [part for part in parts if part not in said] == []
    assert "hunter2" not in said
    assert len(said) < LONGEST + 200


class Cluster:
    """Remembers which pods it was asked about."""

    def __init__(self, error: ClusterError | None = None) -> None:
        self.asked: list[str] = []
        self._error = error

    async def log_end(self, pod: Object, container: str, *, previous: bool) -> str:
        assert container == "worker"
        self.asked.append(f"log of {pod['metadata']['name']}, {'previous' if previous else 'current'}")
        if self._error is not None:
            raise self._error
        return LOG

    async def items(self, plural: str, namespace: str, *, limit: int, fields: str) -> tuple[list[Object], int]:
        assert (plural, namespace, limit) == ("events", "ns", MOST_EVENTS)
        uid = fields.removeprefix("involvedObject.uid=").removesuffix(",type=Warning")
        self.asked.append(uid)
        if self._error is not None:
            raise self._error
        return [event(f"of {uid}")], 1


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
    cluster = Cluster()
    warnings = PodWarnings(cluster, time.monotonic)
    pods = [pod("old", LONG), pod("young", SHORT), pod("works", LONG, ready=True)]
    for _ in range(3):
        assert await warnings.look(pods, NOW) == {"old": "FailedMount: of uid-old"}
    assert cluster.asked == ["uid-old"]
    assert await warnings.look(pods[1:], NOW) == {}


async def test_of_many_only_some_are_asked_about() -> None:
    cluster = Cluster()
    await PodWarnings(cluster, time.monotonic).look([pod(f"p{number}", LONG) for number in range(50)], NOW)
    assert len(cluster.asked) == MOST_PODS


async def test_a_right_that_is_missing_leaves_the_words_out() -> None:
    assert await PodWarnings(Cluster(ClusterError("403")), time.monotonic).look([pod("old", LONG)], NOW) == {}


def crashing(name: str, state: Object, code: int = 1, at: str = "2026-11-23T11:59:50Z", ours: str = "worker") -> Object:
    made = pod(name, SHORT)
    ended = {"terminated": {"exitCode": code, "reason": "Error", "finishedAt": at}}
    status = {"name": ours, "state": state, "lastState": ended}
    made["status"]["containerStatuses"] = [status if state else {**status, "state": ended, "lastState": {}}]
    made["spec"] = {"containers": [{"name": "istio-proxy"}, {"name": "worker"}]}
    return made


LOOPS = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}}


@pytest.mark.parametrize(
    "there,asked",
    [
        pytest.param(crashing("p", LOOPS), ["log of p, previous"], id="it waits to be started again"),
        pytest.param(crashing("p", {"running": {}}), ["log of p, previous"], id="it was started again"),
        pytest.param(crashing("p", {}), ["log of p, current"], id="it has just ended"),
        pytest.param(crashing("p", LOOPS, 0), [], id="it ended without an error"),
        pytest.param(crashing("p", LOOPS, at="2026-11-23T11:00:00Z"), [], id="long ago"),
        pytest.param(crashing("p", LOOPS, ours="istio-proxy"), [], id="another container"),
    ],
)
async def test_whose_log_is_read(there: Object, asked: list[str]) -> None:
    cluster = Cluster()
    warnings = PodWarnings(cluster, time.monotonic)
    await warnings.look([there], NOW)
    if warnings._reading is not None:
        await warnings._reading
    assert cluster.asked == asked
    found = await warnings.look([there], NOW)
    assert ("406 PRECONDITION_FAILED" in found.get("p", "")) is bool(asked)
    failure = pod_failure(None, [there], NOW, found)
    if asked:
        assert failure is not None
        assert "(Error); the broker refused it: 406 PRECONDITION_FAILED" in failure.message


async def test_a_log_that_is_not_answered_holds_up_no_look() -> None:
    class Silent(Cluster):
        async def log_end(self, pod: Object, container: str, *, previous: bool) -> str:
            del pod, container, previous
            await asyncio.Event().wait()
            return ""

    warnings = PodWarnings(Silent(), time.monotonic)
    assert await warnings.look([crashing("p", LOOPS)], NOW) == {}
    warnings.close()
