"""No task is lost or run twice on real worker pods, whatever shrinks, rolls out or dies in the middle."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from demo.bed import Bed, DemoError
from demo.broker import Broker, Lot
from demo.cluster import EVENTS, FLEETS, Cluster, Refused
from demo.scenario import SECRET, environment, quickstart
from demo.snapshot import Snapshot, Watcher
from tests.support.bed import kill_operator, stop_broker
from tests.support.drain_scenario import SCENARIO_POOLS, ScenarioPool
from tests.support.http import HttpError
from tests.support.pod_lives import PodLives
from tests.support.waiting import wait_until

NAMESPACE = "e2e-drain"
EARLY, LATE = SCENARIO_POOLS[0], SCENARIO_POOLS[3]
SOON = 90.0


def resource(*, most: int = 3, revision: int = 0) -> dict[str, Any]:
    """Two pools, of which one shrinks and the other one rolls out."""
    made = quickstart()
    made["spec"]["pools"] = [EARLY.spec(most=most), LATE.spec(most=2, revision=revision)]
    made["spec"]["beat"] = {"enabled": False}
    return made


@dataclass
class Drained:
    """A fleet on the test bed, and what was sent to it."""

    cluster: Cluster
    broker: Broker
    watcher: Watcher

    def apply(self, **what: int) -> None:
        """The resource as it should be now; tried again when its status was written meanwhile."""
        path, spec = f"{FLEETS.format(NAMESPACE)}/{self.watcher.name}", resource(**what)["spec"]
        wait_until(
            lambda: self.cluster.request("PUT", path, {**self.cluster.request("GET", path), "spec": spec}),
            within=timedelta(seconds=10),
            ignoring=(Refused,),
        )

    def until(self, condition: Any, what: str) -> Snapshot:
        """Looks until the condition holds."""
        return self.watcher.until(condition, within=SOON, what=what)


@pytest.fixture
def drained(bed: Bed) -> Iterator[Drained]:
    cluster, broker = Cluster.of(bed, NAMESPACE), Broker(bed)
    cluster.delete_namespace()
    cluster.wait_gone(120)
    broker.sweep()
    cluster.make_namespace()
    cluster.make_secret(SECRET, environment(bed))
    watcher = Watcher(cluster, broker, resource())
    try:
        yield Drained(cluster, broker, watcher)
    finally:
        cluster.delete_fleet(watcher.name)
        cluster.wait_without_pods(60)
        cluster.delete_namespace()
        cluster.wait_gone(120)
        broker.sweep()


def pool(snapshot: Snapshot, one: ScenarioPool) -> Any:
    return next(pool for pool in snapshot.pools if pool.name == one.name)


def get(cluster: Cluster, path: str) -> dict[str, Any]:
    try:
        return dict(cluster.request("GET", path.removeprefix("/")))
    except Refused as error:
        raise HttpError("GET", path, error.status, str(error)) from error


def lot(pool: ScenarioPool, tasks: int, low: float, high: float) -> Lot:
    return Lot(pool.queue, tasks, {"distribution": "uniform", "low": low, "high": high})


def test_every_task_is_done_once_by_pods_that_shrink_roll_out_and_lose_their_operator(
    bed: Bed, drained: Drained
) -> None:
    sent = drained.broker.send([lot(EARLY, 20, 1, 3), lot(EARLY, 4, 6, 8), lot(LATE, 14, 1, 3)])
    with PodLives(lambda path: get(drained.cluster, path), NAMESPACE, drained.watcher.name) as lives:
        drained.cluster.make_fleet(resource())
        drained.until(lambda seen: pool(seen, EARLY).ready == 3 and pool(seen, LATE).ready >= 1, "no workers came")
        drained.apply(most=1)
        drained.until(
            lambda _: any(reason == "Draining" for reason in reasons(drained.cluster)), "no worker was drained"
        )
        kill_operator(bed)
        drained.apply(most=1, revision=1)
        drained.until(lambda seen: seen.asleep, "the fleet did not finish and sleep")
    summary = drained.watcher.ledger.summary(task for part in sent for task in part.ids)
    assert summary.each_finished_once, summary
    gone = [life for life in lives.lives() if life.asked_to_end is not None]
    assert sum(life.led for life in gone) >= 3
    assert [life for life in gone if not (life.led or life.replaced)] == []
    assert [life for life in gone if life.led and life.worked_after(drained.watcher.ledger.records)] == []


@pytest.mark.soak
def test_a_broker_that_restarts_in_the_middle_costs_pods_no_task(bed: Bed, drained: Drained) -> None:
    """The tasks at work outlast the broker's absence; what waited in a worker is given out again by the broker."""
    at_work = drained.broker.send([lot(EARLY, 2, 25, 30)])
    with PodLives(lambda path: get(drained.cluster, path), NAMESPACE, drained.watcher.name) as lives:
        drained.cluster.make_fleet(resource())
        drained.until(lambda seen: pool(seen, EARLY).running == 2, "the long tasks did not begin")
        waiting = drained.broker.send([lot(EARLY, 20, 0.5, 1), lot(LATE, 8, 0.5, 1)])
        stop_broker(bed)
        wait_until(lambda: not answers(drained), within=timedelta(seconds=30))
        wait_until(lambda: answers(drained), within=timedelta(seconds=60))
        drained.apply(most=1)
        drained.until(lambda seen: seen.asleep, "the fleet did not finish and sleep")
    summary = drained.watcher.ledger.summary(task for part in (*at_work, *waiting) for task in part.ids)
    assert summary.finished == summary.sent, summary
    assert summary.run_twice.isdisjoint(at_work[0].ids), summary
    gone = [life for life in lives.lives() if life.asked_to_end is not None]
    assert [life for life in gone if not (life.led or life.replaced)] == []


def answers(drained: Drained) -> bool:
    try:
        return bool(drained.broker.depths())
    except DemoError:
        return False


def reasons(cluster: Cluster) -> list[str]:
    return [event["reason"] for event in cluster.items(EVENTS)]
