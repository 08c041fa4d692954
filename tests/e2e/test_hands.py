"""Each hand of the person on call on real worker pods: it does what it says, and no task is lost to it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.bed import Bed
from demo.broker import Broker, Lot
from demo.cluster import FLEETS, Cluster
from demo.scenario import SECRET, environment, quickstart
from demo.snapshot import Snapshot, Watcher
from tests.support.command import operator_command

NAMESPACE = "e2e-hands"
QUEUE = "utilitarian.tasks.default"
SOON = 120.0
RUN = {"name": "yearly-run", "start": "0 0 1 1 *", "workers": 1, "finishWithin": "24h"}
POOL = {
    "name": "one",
    "queues": [QUEUE],
    "worker": {"concurrency": 1},
    "scaling": {"max": 1, "idleAfter": "5s", "stabilization": "5s"},
    "schedule": [RUN],
}


@pytest.fixture
def watcher(bed: Bed) -> Iterator[Watcher]:
    """A fleet of one pool, created and without work."""
    cluster, broker = Cluster.of(bed, NAMESPACE), Broker(bed)
    cluster.delete_namespace()
    cluster.wait_gone(120)
    broker.sweep()
    cluster.make_namespace()
    cluster.make_secret(SECRET, environment(bed))
    resource = quickstart()
    resource["spec"] |= {"pools": [POOL], "beat": {"enabled": False}}
    made = Watcher(cluster, broker, resource)
    try:
        cluster.make_fleet(resource)
        yield made
    finally:
        cluster.delete_fleet(made.name)
        cluster.wait_without_pods(90)
        cluster.delete_namespace()
        cluster.wait_gone(120)
        broker.sweep()


@pytest.fixture
def hand(bed: Bed) -> Callable[..., str]:
    """Runs a command; returns what it said."""

    def run(*words: str | Path) -> str:
        where = ("-n", NAMESPACE, "--kubeconfig", bed.kubeconfig, "--context", bed.context)
        done = operator_command(*words, *where)
        assert done.returncode in {0, 3} if words[0] == "doctor" else done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_each_hand(watcher: Watcher, hand: Callable[..., str], tmp_path: Path) -> None:
    def until(condition: Callable[[Snapshot], bool], what: str) -> None:
        watcher.until(condition, within=SOON, what=what)

    sent = watcher.broker.send([Lot(QUEUE, 4, {"distribution": "uniform", "low": 10, "high": 15})])
    until(lambda seen: seen.pools[0].ready == 1, "the first worker did not come")
    assert "one" in hand("top", "--once")
    assert "one" in hand("status")
    assert "1 worker wanted, 1 ready" in hand("explain", "one")

    hand("scale", "one", "2", "--for", "1h")
    until(lambda seen: seen.pools[0].ready == 2, "scale did not bring a second worker")
    hand("pause", "--for", "1h")
    until(lambda _: mode(watcher) == "Paused", "it was not paused")
    hand("drain", "one", "--for", "1h")
    assert watcher.look().pools[0].wanted == 2
    hand("resume")
    until(lambda seen: seen.pools[0].pods == 0, "drain did not end the workers")
    hand("scale", "one", "auto")
    until(lambda seen: seen.asleep, "the fleet did not finish and sleep")
    summary = watcher.ledger.summary(task for part in sent for task in part.ids)
    assert summary.each_finished_once, summary

    hand("run-now", "one")
    until(lambda seen: seen.pools[0].wanted == 1, "the run has no worker")
    assert "yearly-run" in hand("status")
    assert "ScaledUp" in hand("events", "one")
    assert "operator seen" in hand("doctor")
    assert "operator-" in hand("report", "--file", tmp_path / "report.tar.gz") or (tmp_path / "report.tar.gz").exists()


def mode(watcher: Watcher) -> str:
    """The mode that is in force."""
    found = watcher.cluster.request("GET", f"{FLEETS.format(NAMESPACE)}/{watcher.name}")
    return str(found["status"]["mode"])
