"""Kubernetes' warnings about pods that don't become ready: whose are read, how often, and which is told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from utilitarian_operator.core.pod_trouble import LONGEST_WARNING, newest_warning
from utilitarian_operator.errors import ClusterError
from utilitarian_operator.pod_warnings import MOST_PODS, PodWarnings

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
Object = dict[str, Any]


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


class Cluster:
    """Remembers whom it was asked about."""

    def __init__(self, error: ClusterError | None = None) -> None:
        self.asked: list[str] = []
        self._error = error

    async def warnings(self, namespace: str, uid: str) -> list[Object]:
        assert namespace == "ns"
        self.asked.append(uid)
        if self._error is not None:
            raise self._error
        return [event(f"of {uid}")]


def pod(name: str, age: timedelta, *, ready: bool = False) -> Object:
    made = (NOW - age).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": made},
        {"type": "Ready", "status": str(ready), "lastTransitionTime": made},
    ]
    metadata = {"namespace": "ns", "name": name, "uid": f"uid-{name}", "creationTimestamp": made}
    return {"metadata": metadata, "status": {"conditions": conditions}}


LONG, SHORT = timedelta(minutes=11), timedelta(minutes=9)


async def test_only_pods_that_have_waited_for_long_are_asked_about_and_not_at_each_look() -> None:
    cluster = Cluster()
    warnings = PodWarnings(cluster)
    pods = [pod("old", LONG), pod("young", SHORT), pod("works", LONG, ready=True)]
    for _ in range(3):
        assert await warnings.look(pods, NOW) == {"old": "FailedMount: of uid-old"}
    assert cluster.asked == ["uid-old"]
    assert await warnings.look(pods[1:], NOW) == {}


async def test_of_many_only_some_are_asked_about() -> None:
    cluster = Cluster()
    await PodWarnings(cluster).look([pod(f"p{number}", LONG) for number in range(50)], NOW)
    assert len(cluster.asked) == MOST_PODS


async def test_a_right_that_is_missing_leaves_the_words_out() -> None:
    assert await PodWarnings(Cluster(ClusterError("403"))).look([pod("old", LONG)], NOW) == {}
