"""The release on a real cluster while workers are busy: upgraded, rolled back, uninstalled, installed again."""

import time
from collections.abc import Iterator

import pytest
import yaml

from demo.bed import Bed
from demo.broker import Lot
from demo.cluster import DEPLOYMENTS
from demo.snapshot import Watcher
from hack.chart import RELEASE
from tests.support.chart import CHART
from tests.support.release import QUEUE, WAITED, fleet, installed, pods, release

NAMESPACE = "e2e-chart"
SOON = 120.0
WITHIN_S = 180.0


@pytest.fixture
def watcher(bed: Bed) -> Iterator[Watcher]:
    """A fleet of one pool, not created yet."""
    with fleet(bed, NAMESPACE) as made:
        yield made


def test_two_commands_lead_to_a_running_fleet_within_three_minutes(bed: Bed, watcher: Watcher) -> None:
    values = yaml.safe_load(release(bed, "get", "values", RELEASE, "--output", "yaml"))
    release(bed, "uninstall", RELEASE, *WAITED)
    watcher.broker.send([Lot(QUEUE, 1, {"distribution": "uniform", "low": 1, "high": 2})])
    began = time.monotonic()
    installed(bed, RELEASE, values)
    watcher.cluster.make_fleet(watcher.resource)
    watcher.until(lambda seen: seen.pools[0].ready >= 1, within=SOON, what="no worker came")
    assert time.monotonic() - began < WITHIN_S


def test_no_release_touches_a_worker_that_is_busy(bed: Bed, watcher: Watcher) -> None:
    slow = {"distribution": "uniform", "low": 25, "high": 35}
    sent = watcher.broker.send([Lot(QUEUE, 6, slow)])
    watcher.cluster.make_fleet(watcher.resource)
    watcher.until(lambda seen: seen.pools[0].ready >= 1, within=SOON, what="no worker came")
    values = yaml.safe_load(release(bed, "get", "values", RELEASE, "--output", "yaml"))
    before = pods(watcher.cluster)

    upgrade = ("upgrade", RELEASE, str(CHART), "--reuse-values", *WAITED)
    release(bed, *upgrade, "--set-string", "podAnnotations.round=two")
    assert before <= pods(watcher.cluster)
    release(bed, "rollback", RELEASE, *WAITED)
    assert before <= pods(watcher.cluster)
    assert "Succeeded" in release(bed, "test", RELEASE, "--timeout=60s")

    release(bed, "uninstall", RELEASE, *WAITED)
    assert before <= pods(watcher.cluster)
    assert watcher.cluster.items(DEPLOYMENTS)
    installed(bed, RELEASE, values)
    watcher.until(lambda seen: seen.asleep, within=300.0, what="the fleet did not finish and sleep")
    summary = watcher.ledger.summary(task for part in sent for task in part.ids)
    assert summary.each_finished_once, summary
