"""What the metrics of a fleet show: the figures of the last look, and nothing of what is not seen any more."""

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.support.pools import NOW
from utilitarian_operator.core.diagnosis.findings import STARVED, Finding
from utilitarian_operator.core.observation.beat import BeatSnapshot
from utilitarian_operator.core.observation.model.figures import Source, Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.sizing.decision import Decision, Step, start
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.usage import Usage
from utilitarian_operator.metrics.fleet import Metrics

FLEET = ("ns", "fleet")
POOL = PoolSnapshot({"q": Present(3, 1, 2)}, 2, (), 1)
ONE = start(Step("demand", 1, 1, "one"))


class Shown:
    """The metrics of one operator, and what they show."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry, time.monotonic)

    def look(self, pool: PoolSnapshot, *findings: Finding) -> None:
        self.metrics.looked(FLEET, FleetSnapshot(NOW, {"p": pool}), {"p": ONE}, {"p": findings})

    def look_at(self, *pools: str, **snapshot: Any) -> None:
        """A look at pools that have a queue `q` each."""
        decisions = dict.fromkeys(pools, ONE)
        self.metrics.looked(FLEET, FleetSnapshot(NOW, dict.fromkeys(pools, POOL), **snapshot), decisions, {})

    def series(self, pool: str) -> set[str]:
        """What is served of a pool."""
        samples = [it for metric in self.registry.collect() for it in metric.samples]
        return {it.name for it in samples if it.labels.get("pool") == pool}

    def value(self, name: str, **labels: str) -> float | None:
        where = {"namespace": "ns", "fleet": "fleet", "pool": "p", **labels}
        return self.registry.get_sample_value(f"utilitarian_{name}", where)


def test_each_look_shows_what_it_saw() -> None:
    shown = Shown()
    shown.look(POOL)
    assert shown.value("queue_messages", queue="q", state="ready") == 3
    assert shown.value("queue_messages", queue="q", state="unacked") == 2
    shown.look(replace(POOL, queues={"q": Present(4, 1, 2)}), Finding(STARVED, "they begin none"))
    assert shown.value("queue_messages", queue="q", state="ready") == 4
    assert shown.value("pool_ailing", reason=STARVED) == 1
    shown.look(replace(POOL, queues={"q": Present(4, 1, 2)}))
    assert shown.value("pool_ailing", reason=STARVED) == 0


def test_a_look_at_what_is_as_it_was_counts_its_decision_all_the_same() -> None:
    shown = Shown()
    for _ in range(3):
        shown.look(POOL)
    assert shown.value("decisions_total", rule="demand") == 3


def test_what_is_not_seen_has_no_figure_and_comes_back_when_it_is() -> None:
    shown = Shown()
    shown.look(POOL)
    shown.look(replace(POOL, queues={"q": Unknown("away", NOW)}))
    for state in ("ready", "unacked"):
        assert shown.value("queue_messages", queue="q", state=state) is None
    assert shown.value("queue_consumers", queue="q") is None
    shown.look(POOL)
    assert shown.value("queue_messages", queue="q", state="ready") == 3


def test_a_fleet_at_which_no_look_ever_succeeds_has_an_age_all_the_same() -> None:
    """After a restart of the operator too: else nothing would tell that it is blind for this fleet."""
    shown, where = Shown(), {"namespace": "ns", "fleet": "fleet"}
    with pytest.raises(KeyError), shown.metrics.look(FLEET):
        raise KeyError
    first = shown.registry.get_sample_value("utilitarian_tick_age_seconds", where)
    with pytest.raises(KeyError), shown.metrics.look(FLEET):
        raise KeyError
    again = shown.registry.get_sample_value("utilitarian_tick_age_seconds", where)
    assert first is not None
    assert again is not None
    assert 0 <= first < again
    assert FLEET in shown.metrics.fleets
    shown.metrics.forget(FLEET)
    assert FLEET not in shown.metrics.fleets
    assert [it for metric in shown.registry.collect() for it in metric.samples if it.labels.get("fleet")] == []


def test_nothing_stays_of_a_fleet_that_is_gone_and_it_may_come_again() -> None:
    shown = Shown()
    shown.look(POOL)
    shown.metrics.forget(FLEET)
    assert [it for metric in shown.registry.collect() for it in metric.samples if it.labels.get("fleet")] == []
    shown.look(POOL)
    assert shown.value("queue_messages", queue="q", state="ready") == 3


def test_a_pool_that_is_removed_leaves_no_series_its_counters_included() -> None:
    shown = Shown()
    shown.look_at("p", "gone")
    shown.metrics.lost(FLEET, "gone")
    assert len(shown.series("gone")) > 10
    shown.look_at("p", leftover={"gone": replace(POOL, queues={})})
    assert shown.value("pool_workers", pool="gone", state="wanted") == 0  # still led out
    assert shown.value("queue_messages", pool="gone", queue="q", state="ready") is None
    shown.metrics.scaled(FLEET, "gone", up=False)
    shown.look_at("p")
    assert shown.series("gone") == set()
    assert len(shown.series("p")) > 10
    shown.metrics.dropped(FLEET, "gone", 2)
    shown.metrics.replaced(FLEET, "gone")  # told late, of its last pod
    shown.look_at("p")
    assert shown.series("gone") == set()


def test_tasks_that_were_dropped_are_counted_from_the_first_look_on() -> None:
    shown = Shown()
    shown.look(POOL)
    assert shown.value("dropped_tasks_total") == 0
    shown.metrics.dropped(FLEET, "p", 3)
    assert shown.value("dropped_tasks_total") == 3


def test_a_queue_that_moves_to_another_pool_is_counted_once() -> None:
    shown = Shown()
    both = {"a": POOL, "b": replace(POOL, queues={})}
    for pools in (both, {"a": both["b"], "b": both["a"]}):
        shown.metrics.looked(FLEET, FleetSnapshot(NOW, pools), dict.fromkeys(pools, ONE), {})
    found = [it for it in shown.registry.collect() if it.name == "utilitarian_queue_messages"]
    assert {sample.labels["pool"] for metric in found for sample in metric.samples} == {"b"}


def test_what_is_unacknowledged_has_no_figure_while_the_statistics_are_away() -> None:
    shown = Shown()
    shown.look(POOL)
    shown.look(replace(POOL, queues={"q": Present(3, 1)}))
    assert shown.value("queue_messages", queue="q", state="ready") == 3
    assert shown.value("queue_messages", queue="q", state="unacked") is None


def pod(
    name: str, held: WorkerLoad | Unknown, sample: WorkerLoad | None = None, *, running: bool = True
) -> PodSnapshot:
    return PodSnapshot(name, ready=running, running=running, leaving=False, held=held, sample=sample)


BUSY = WorkerLoad(3, 3, 1, 0, consuming=("q",))
SILENT = Unknown("does not answer", NOW)


@pytest.mark.parametrize(
    "pods, active",
    [
        pytest.param([pod("a", BUSY)], 3, id="it answers"),
        pytest.param([pod("a", SILENT, BUSY)], 3, id="it answered some seconds ago"),
        pytest.param([pod("a", SILENT)], None, id="it does not answer"),
        pytest.param([pod("a", BUSY), pod("b", SILENT)], None, id="one does not"),
        pytest.param([pod("a", SILENT, running=False)], 0, id="its container does not run"),
        pytest.param([], 0, id="no worker"),
    ],
)
def test_tasks_of_a_worker_that_says_nothing_are_unknown_and_not_none(
    pods: list[PodSnapshot], active: int | None
) -> None:
    shown = Shown()
    shown.look(POOL)
    shown.look(replace(POOL, pods=tuple(pods)))
    assert shown.value("pool_tasks", state="active") == active


def test_a_source_that_is_asked_no_more_and_a_beat_that_is_not_ours_have_no_figure() -> None:
    shown = Shown()
    sources = (Source("depths", timedelta()), Source("statistics", timedelta(seconds=3)))
    shown.look_at("p", sources=sources, beat=BeatSnapshot(ready=True))
    where = {"namespace": "ns", "fleet": "fleet"}
    served = shown.registry.get_sample_value
    assert served("utilitarian_sight_age_seconds", where | {"source": "statistics"}) == 3
    assert served("utilitarian_beat_ready", where) == 1
    shown.look_at("p", sources=sources[:1])
    assert served("utilitarian_sight_age_seconds", where | {"source": "depths"}) == 0
    assert served("utilitarian_sight_age_seconds", where | {"source": "statistics"}) is None
    assert served("utilitarian_beat_ready", where) is None
    shown.metrics.looked(FLEET, FleetSnapshot(NOW, {}, beat=BeatSnapshot()), {}, {}, "Preview")
    assert served("utilitarian_beat_ready", where) is None
    assert served("utilitarian_fleet_mode", where | {"mode": "Preview"}) == 1
    assert served("utilitarian_fleet_mode", where | {"mode": "Auto"}) == 0


def test_a_look_that_comes_to_nothing_leaves_no_figure_of_the_one_before() -> None:
    shown = Shown()
    with shown.metrics.look(FLEET):
        shown.look(POOL)
    shown.metrics.ticked(FLEET, timedelta())
    assert shown.value("queue_messages", queue="q", state="ready") == 3
    with pytest.raises(OSError), shown.metrics.look(FLEET):  # noqa: PT011 - any
        raise OSError
    assert shown.value("queue_messages", queue="q", state="ready") is None
    assert shown.value("pool_workers", state="wanted") is None
    assert shown.value("scale_requests_total", direction="up") == 0  # a counter goes on
    assert (
        shown.registry.get_sample_value("utilitarian_tick_age_seconds", {"namespace": "ns", "fleet": "fleet"})
        is not None
    )
    shown.look(POOL)
    assert shown.value("queue_messages", queue="q", state="ready") == 3


WAITING = Step("wait", 1, 0, "3 tasks wait", NOW)


@pytest.mark.parametrize(
    "decision, ready, held",
    [
        pytest.param(start(Step("hold", 0, 0, "for the run")), 3, 3, id="for the next run"),
        pytest.param(start(Step("demand", 0, 0, "nothing to do")), 3, 3, id="for their own time"),
        pytest.param(start(Step("demand", 0, 2, "3 tasks")), 3, 0, id="for workers"),
        pytest.param(start(Step("demand", 0, 2, "3 tasks")).then(Step("bounds", 2, 0, "max")), 3, 0, id="for room"),
        pytest.param(
            start(Step("demand", 0, 2, "3")).then(Step("queue-taken", 2, 0, "x")), 3, 3, id="another resource's"
        ),
        pytest.param(start(Step("demand", 0, 1, "3")).then(WAITING), 3, 3, id="until they are due"),
        pytest.param(
            start(Step("demand", 0, 2, "3")).then(Step("override", 2, 0, "x")), 3, 3, id="a person drained it"
        ),
        pytest.param(start(Step("demand", 0, 2, "3")).then(Step("override", 2, 1, "x")), 3, 0, id="by hand"),
        pytest.param(start(Step("demand", 0, 0, "nothing to do")), 0, 0, id="nothing"),
        pytest.param(start(Step("unknown", 0, 0, "not seen")), None, None, id="unknown"),
    ],
)
def test_what_waits_on_purpose(decision: Decision, ready: int | None, held: int | None) -> None:
    shown = Shown()
    queue = Unknown("away", NOW) if ready is None else Present(ready, 0)
    shown.metrics.looked(FLEET, FleetSnapshot(NOW, {"p": replace(POOL, queues={"q": queue})}), {"p": decision}, {})
    assert shown.value("pool_held_tasks") == held


@pytest.mark.parametrize(
    "decision, due",
    [
        pytest.param(start(Step("demand", 0, 1, "3")).then(WAITING), NOW.timestamp(), id="they may wait until then"),
        pytest.param(start(Step("demand", 0, 1, "3 tasks")), None, id="they are due"),
    ],
)
def test_until_when_tasks_may_wait(decision: Decision, due: float | None) -> None:
    shown = Shown()
    shown.metrics.looked(FLEET, FleetSnapshot(NOW, {"p": POOL}), {"p": decision}, {})
    assert shown.value("pool_due_timestamp_seconds") == due


def test_what_workers_use_is_shown_once_it_was_measured() -> None:
    shown = Shown()
    used = Memory(usage=Usage(4, (0.03,) * 5, 2.0**30, since=NOW))
    for memory, expected in ((Memory(), (None, None)), (used, (0.03, 2.0**30))):
        shown.metrics.looked(FLEET, FleetSnapshot(NOW, {"p": POOL}), {"p": ONE}, {}, memories={"p": memory})
        assert (shown.value("pool_slot_cpu_cores"), shown.value("pool_worker_memory_peak_bytes")) == expected
