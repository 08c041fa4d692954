"""Rates, times and worker-seconds of a pool, from what looks say; and that they go with the pool."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.metrics_looks import BUSY, FLEET, IDLE, Shown, figures, worker
from tests.support.pools import NOW, fleet
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.price import Price
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.sizing.memory import Memory

SPEC = fleet({"name": "p", "worker": {"concurrency": 4}, "scaling": {"min": 1, "max": 6, "drainWithin": "5m"}})
EMPTY = PoolSnapshot({"q": Present(0, 0)}, 0, (), 0)
AWAY = Unknown("away", NOW)


class Looks:
    """Looks at a fleet, each some seconds after the one before."""

    def __init__(self, spec: Fleet = SPEC, price: Price | None = None) -> None:
        self.spec, self.now = spec, 100.0
        self.shown = Shown(lambda: self.now, price)
        self.value = self.shown.value

    def look(self, pool: PoolSnapshot, memory: Memory | None = None, *, after: float = 1.0, name: str = "p") -> None:
        self.now += after
        memories = {} if memory is None else {name: memory}
        look = figures(self.spec, {name: pool}, memories, timedelta(seconds=self.now))
        self.shown.metrics.looked(FLEET, look.snapshot, look.decisions, look.findings)
        self.shown.metrics.flow.looked(FLEET, look)


def test_bounds_ceiling_and_promise_are_those_of_the_spec() -> None:
    looks = Looks(fleet({"name": "p", "scaling": {"min": 1, "max": 6, "drainWithin": "5m"}}, maxWorkers=9))
    looks.look(EMPTY)
    assert (looks.value("pool_workers", state="min"), looks.value("pool_workers", state="max")) == (1, 6)
    assert looks.value("pool_drain_within_seconds") == 300
    assert looks.value("fleet_max_workers", pool="") == 9
    looks.spec = SPEC
    looks.look(EMPTY)
    assert looks.value("fleet_max_workers", pool="") is None


def test_rates_are_the_mean_of_the_last_minute_and_absent_while_no_look_of_it_knew() -> None:
    looks = Looks()
    looks.look(replace(EMPTY, arrived=None, pods=(worker(),)))
    assert (looks.value("pool_arrivals_per_second"), looks.value("pool_completions_per_second")) == (None, None)
    looks.look(replace(EMPTY, arrived=30, pods=(worker(completed=12),)))
    looks.look(replace(EMPTY, arrived=30, pods=(worker(completed=0),)))
    assert looks.value("pool_arrivals_per_second") == pytest.approx(1)
    assert looks.value("pool_completions_per_second") == pytest.approx(0.2)
    looks.look(replace(EMPTY, arrived=0), after=59.5)
    assert looks.value("pool_arrivals_per_second") == pytest.approx(0.5)
    looks.look(EMPTY, after=61)
    assert looks.value("pool_arrivals_per_second") is None
    assert looks.value("pool_completions_per_second") == 0  # there is no worker


def test_what_was_learned_is_shown_once_it_was() -> None:
    looks = Looks()
    looks.look(EMPTY, Memory())
    assert (looks.value("pool_task_seconds"), looks.value("pool_start_up_seconds")) == (None, None)
    looks.look(EMPTY, Memory(slot_seconds=995 * 2.0, completions=995, longest_s=2.0, start_up_s=7.5))
    assert looks.value("pool_task_seconds") == pytest.approx(2, rel=0.02)
    assert looks.value("pool_start_up_seconds") == 7.5


LEARNED = Memory(slot_seconds=10_000 * 2.0, completions=10_000, longest_s=2.0)


@pytest.mark.parametrize(
    "pool, expected",
    [
        pytest.param(EMPTY, 0, id="nothing to do"),
        pytest.param(replace(EMPTY, queues={"q": Present(80, 0)}), None, id="no worker"),
        pytest.param(replace(EMPTY, queues={"q": AWAY}), None, id="not seen"),
        pytest.param(
            replace(EMPTY, queues={"q": Present(80, 2)}, pods=(worker(BUSY, "a"), worker(BUSY, "b"))),
            20,
            id="80 tasks of 2 s on 8 slots",
        ),
        pytest.param(
            replace(EMPTY, queues={"q": Present(1, 1)}, pods=(worker(IDLE, "a"),)), 2, id="one task takes its time"
        ),
    ],
)
def test_time_to_drain_at_the_present_rate(pool: PoolSnapshot, expected: float | None) -> None:
    looks = Looks()
    looks.look(pool, LEARNED)
    shown = looks.value("pool_time_to_drain_seconds")
    assert shown == (None if expected is None else pytest.approx(expected, rel=0.1))


def test_the_age_of_the_oldest_task_is_known_until_a_worker_takes_it() -> None:
    looks, waits = Looks(), replace(EMPTY, queues={"q": Present(3, 0)})
    ages = []
    for pool, after in ((EMPTY, 1), (waits, 1), (waits, 20), (replace(waits, pods=(worker(),)), 1), (EMPTY, 1)):
        looks.look(pool, after=after)
        ages.append(looks.value("pool_oldest_task_age_seconds"))
    assert ages == [0, 0, 20, None, 0]
    looks.look(replace(EMPTY, queues={"q": AWAY}))
    assert looks.value("pool_oldest_task_age_seconds") is None
    looks.look(waits, Memory(waiting_since=NOW))
    assert looks.value("pool_oldest_task_age_seconds") == looks.now  # what was remembered over a restart


@pytest.mark.parametrize(
    "pods, busy, idle",
    [
        pytest.param((worker(BUSY, "a"), worker(IDLE, "b"), worker(IDLE, "c")), 10, 20, id="ready"),
        pytest.param((worker(AWAY, "a"),), 10, 0, id="silent: perhaps busy"),
        pytest.param((worker(AWAY, "a", ready=False),), 0, 10, id="starting"),
        pytest.param((worker(BUSY, "a", ready=False, marked=NOW),), 10, 0, id="draining"),
        pytest.param((worker(IDLE, "a", running=False),), 0, 0, id="its container does not run"),
    ],
)
def test_worker_seconds_are_those_between_two_looks(pods: tuple[PodSnapshot, ...], busy: float, idle: float) -> None:
    looks = Looks()
    looks.look(replace(EMPTY, pods=pods))
    looks.now += 4
    looks.shown.metrics.flow.same(FLEET)
    looks.look(EMPTY, after=6)
    spent = [looks.value("worker_seconds_total", state=state) for state in ("busy", "idle")]
    assert spent == [busy, idle]
    assert looks.value("always_on_worker_seconds_total") == 60
    looks.look(EMPTY, after=500)  # the operator was away: this was not seen
    assert looks.value("always_on_worker_seconds_total") == 60


def test_always_on_keeps_to_the_ceiling_of_the_fleet_and_counts_nothing_that_is_only_previewed() -> None:
    pools = [{"name": "p", "scaling": {"max": 6}}, {"name": "r", "scaling": {"max": 2}}]
    for spec, expected in ((fleet(*pools, maxWorkers=4), 3), (fleet(*pools, mode="Preview"), 0)):
        looks = Looks(spec)
        for _ in range(2):
            looks.now += 1
            look = figures(spec, {"p": EMPTY, "r": EMPTY})
            looks.shown.metrics.flow.looked(FLEET, look)
        assert looks.value("always_on_worker_seconds_total") == pytest.approx(expected)


@pytest.mark.parametrize(
    "price, hour_costs",
    [
        pytest.param(Price(worker=0.36, currency="EUR"), 0.36, id="of a worker-hour"),
        pytest.param(Price(cpu=0.4, memory=0.16, currency="EUR"), 0.4 * 0.5 + 0.16 * 2, id="of what it requests"),
        pytest.param(Price(currency="EUR"), 0, id="nothing"),
    ],
)
def test_money_is_worker_seconds_at_the_price(price: Price, hour_costs: float) -> None:
    requests = {"resources": {"requests": {"cpu": "500m", "memory": "2Gi"}}}
    looks = Looks(fleet({"name": "p", "worker": requests, "scaling": {"max": 6}}), price)
    looks.look(replace(EMPTY, pods=(worker(BUSY, "a"), worker(IDLE, "b"))))
    assert looks.value("worker_cost_total", currency="EUR") == 0
    looks.look(EMPTY, after=10)
    assert looks.value("worker_cost_total", currency="EUR") == pytest.approx(20 / 3600 * hour_costs)
    assert looks.value("always_on_worker_cost_total", currency="EUR") == pytest.approx(60 / 3600 * hour_costs)


def test_another_request_costs_from_then_on() -> None:
    looks = Looks(price=Price(cpu=36.0, currency="€"))
    for cpu, expected in (("1", 0.0), ("2", 0.06), ("2", 0.18)):
        looks.spec = fleet(
            {"name": "p", "worker": {"resources": {"requests": {"cpu": cpu}}}, "scaling": {"min": 1, "max": 6}}
        )
        looks.look(EMPTY)
        assert looks.value("always_on_worker_cost_total", currency="€") == pytest.approx(expected)


def test_without_a_price_nothing_costs() -> None:
    looks = Looks()
    looks.look(EMPTY)
    looks.look(EMPTY)
    assert not {"utilitarian_worker_cost_total", "utilitarian_always_on_worker_cost_total"} & looks.shown.names("p")


def test_a_drain_lasts_from_the_mark_to_the_step_down_and_gives_back_what_was_not_begun() -> None:
    looks = Looks()
    looks.look(EMPTY)
    assert looks.value("drain_seconds_count") == 0
    going = [worker(WorkerLoad(0, 0, 1, 2), marked=NOW), worker(AWAY, "silent", marked=NOW)]
    looks.shown.metrics.flow.drained(FLEET, "p", going, NOW + timedelta(seconds=30))
    looks.shown.metrics.flow.drained(FLEET, "gone", going, NOW)
    assert (looks.value("drain_seconds_count"), looks.value("drain_seconds_sum")) == (2, 60)
    assert looks.value("drain_returned_tasks_total") == 3
    assert looks.shown.names("gone") == set()


HOLDS_NOTHING, HOLDS_ONE = WorkerLoad(0, 0, 0, 0), WorkerLoad(1, 1, 0, 0)


@pytest.mark.parametrize(
    "held, marked_s, costs_s",
    [
        pytest.param([HOLDS_ONE, HOLDS_NOTHING, HOLDS_NOTHING], 0, 8, id="from the look that saw it empty"),
        pytest.param([HOLDS_NOTHING, HOLDS_NOTHING, HOLDS_NOTHING], 9, 1, id="an idle one from its being chosen"),
        pytest.param([HOLDS_NOTHING, HOLDS_ONE, HOLDS_NOTHING], 0, 7, id="that took another task"),
        pytest.param([HOLDS_NOTHING, AWAY, HOLDS_NOTHING], 0, 9, id="with an answer missing"),
        pytest.param([HOLDS_ONE, HOLDS_ONE, HOLDS_ONE], 0, 0, id="never seen empty"),
        pytest.param([HOLDS_NOTHING, HOLDS_NOTHING, HOLDS_NOTHING], 11, 0, id="chosen by a clock that was set back"),
    ],
)
def test_a_departure_costs_from_the_first_look_that_saw_the_worker_hold_nothing(
    held: list[WorkerLoad | Unknown], marked_s: float, costs_s: float
) -> None:
    looks = Looks()
    looks.now = 0
    for load in held:  # at 1, 2 and 3 s
        looks.look(replace(EMPTY, pods=(worker(load, "a"),)))
    looks.now = 10
    going = [worker(held[-1], "a", marked=NOW + timedelta(seconds=marked_s)), worker(AWAY, "unseen", marked=NOW)]
    looks.shown.metrics.flow.drained(FLEET, "p", going, NOW + timedelta(seconds=10))
    assert looks.value("departing_worker_seconds_total") == costs_s


def test_a_clock_that_is_set_forward_in_between_makes_no_departure_longer() -> None:
    """A counter would tell of an hour for ever, and a forecast with it."""
    looks = Looks()
    looks.look(replace(EMPTY, pods=(worker(HOLDS_NOTHING, "a"),)))
    looks.now += 2
    going = [worker(HOLDS_NOTHING, "a", marked=NOW)]
    looks.shown.metrics.flow.drained(FLEET, "p", going, NOW + timedelta(hours=1))
    assert looks.value("departing_worker_seconds_total") == 2


def test_nothing_stays_of_a_pool_or_a_fleet_that_is_gone() -> None:
    looks = Looks(price=Price(worker=1))
    looks.look(EMPTY)
    looks.spec = fleet({"name": "other"})
    looks.look(EMPTY, name="other")
    assert looks.shown.names("p") == set()
    assert {"utilitarian_worker_seconds_total", "utilitarian_worker_cost_total"} <= looks.shown.names("other")
    looks.shown.metrics.forget(FLEET)
    assert looks.shown.names("other") == set()
