"""Usage of pods is read aside once a minute; where there is no such API that is said once, and seldom asked again."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from utilitarian_operator.adapters.cluster.cache import Key
from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.core.observation.model.usage import PodUsage
from utilitarian_operator.errors import ClusterError, Gone, Rejected
from utilitarian_operator.reconcile.observe.usage_reader import ABSENT_S, EVERY_S, UsageReader

READ = PodUsage(0.1, 1000.0)
LABELS = {"app.kubernetes.io/managed-by": "utilitarian-operator", "app.kubernetes.io/instance": "f"}


class Stage:
    """One fleet's reader, on a cluster in memory and by a clock that a test sets."""

    def __init__(self, fails: Callable[[Request], Exception | None] = lambda _: None) -> None:
        self.now = 1000.0
        self.cluster = FakeCluster(lambda: datetime(2026, 1, 1, tzinfo=UTC), fails=fails, usage={"p": READ, "x": READ})
        self.reader = UsageReader(Key("ns", "f"), self.cluster, lambda: self.now)

    async def pods(self) -> None:
        for name, labels in (("p", LABELS), ("x", {})):
            metadata = {"namespace": "ns", "name": name, "labels": labels}
            await self.cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})

    async def look(self, *, wanted: bool = True, after: float = 0.0) -> dict[str, PodUsage]:
        """A look, and all that goes on aside until the next one."""
        self.now += after
        found = self.reader.newest(wanted=wanted)
        for _ in range(5):
            await asyncio.sleep(0)
        return dict(found)

    @property
    def asked(self) -> int:
        return sum(it.verb == "pod_usage" for it in self.cluster.requests)


async def test_what_was_read_is_told_once_and_read_again_after_a_minute() -> None:
    stage = Stage()
    await stage.pods()
    assert await stage.look() == {}
    assert await stage.look(after=1) == {"p": READ}
    assert await stage.look(after=1) == {}
    await stage.look(after=EVERY_S)
    assert await stage.look(after=1) == {"p": READ}
    assert stage.asked == 2


async def test_without_a_pod_nothing_is_asked() -> None:
    stage = Stage()
    await stage.look(wanted=False)
    assert stage.asked == 0


@pytest.mark.parametrize(
    "error, again",
    [
        pytest.param(Gone("HTTP 404: the server could not find the requested resource"), ABSENT_S, id="no-such-api"),
        pytest.param(Rejected("HTTP 403: forbidden", "forbidden"), ABSENT_S, id="no-right-to-it"),
        pytest.param(ClusterError("HTTP 503: the server is unable to handle the request"), EVERY_S, id="away"),
    ],
)
async def test_what_cannot_be_read_is_said_once_and_costs_next_to_nothing(
    error: ClusterError, again: float, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stage = Stage(lambda request: error if request.verb == "pod_usage" else None)
    for _ in range(3):
        assert await stage.look(after=1) == {}
    assert await stage.look(after=again - 10) == {}
    assert stage.asked == 1
    await stage.look(after=10)
    assert stage.asked == 2
    assert [it.getMessage() for it in caplog.records] == ["usage of CPU and memory not read"]


async def test_a_metrics_api_that_hangs_holds_up_no_look_and_is_not_asked_twice_at_once() -> None:
    stage, asked = Stage(), []

    async def hangs(namespace: str, selector: str) -> dict[str, PodUsage]:
        asked.append((namespace, selector))
        await asyncio.Event().wait()
        return {}

    stage.cluster.pod_usage = hangs  # type: ignore[method-assign]
    for _ in range(3):
        assert await stage.look(after=EVERY_S) == {}
    assert len(asked) == 1
    stage.reader.close()


async def test_what_an_adapter_that_stands_still_says_again_is_told_once() -> None:
    """Else the CPU of an hour ago would be divided by the slots that are busy now."""
    stage = Stage()
    await stage.pods()
    told = []
    for moment in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T00:02:00Z", None, None):
        usage = replace(READ, measured=moment)
        stage.cluster.usage = {"p": usage}
        await stage.look(after=EVERY_S)
        told.append(await stage.look(after=1) == {"p": usage})
    assert told == [True, False, True, True, True]
