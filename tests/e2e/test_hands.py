"""Each hand of the person on call on real worker pods: it does what it says, and no task is lost to it."""

import os
import re
import signal
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from demo.bed import Bed
from demo.broker import Broker, Lot
from demo.cluster import FLEETS, Cluster
from demo.scenario import SECRET, environment, quickstart
from demo.snapshot import Snapshot, Watcher
from hack import tools
from tests.support.command import PROGRAM, installed_program, operator_command
from tests.support.processes import Process

NAMESPACE = "e2e-hands"
QUEUE = "utilitarian.tasks.default"
SOON = 120.0
ENDS = timedelta(seconds=10)
RUN = {"name": "yearly-run", "start": "0 0 1 1 *", "workers": 1, "finishWithin": "24h"}
POOL = {
    "name": "one",
    "queues": [QUEUE],
    "worker": {"concurrency": 1},
    "scaling": {"max": 1, "idleAfter": "5s", "stabilization": "5s"},
    "schedule": [RUN],
}
AWAKE, ASLEEP = r"(?m)^one +.*[1-9]/[1-9] ", r"(?m)^one +.*0/0 "
WATCHED = {
    ("status", "-w"): (AWAKE, ASLEEP),
    ("explain", "one", "-w"): (r"[1-9] workers? wanted, [1-9] ready", r"0 workers wanted, 0 ready"),
    ("top",): (AWAKE, ASLEEP),
    ("events", "one", "-w"): (r"ScaledUp", r"ScaledDown"),
}
"""What each hand that watches shows, and in this order, while a pool wakes and sleeps again."""


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
def where(bed: Bed) -> tuple[str, ...]:
    """The options that name the cluster and the namespace."""
    return ("-n", NAMESPACE, "--kubeconfig", bed.kubeconfig, "--context", bed.context)


@pytest.fixture
def hand(where: tuple[str, ...]) -> Callable[..., str]:
    """Runs a command; returns what it said."""

    def run(*words: str | Path) -> str:
        done = operator_command(*words, *where)
        assert done.returncode in {0, 3} if words[0] == "doctor" else done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def watching(watcher: Watcher, where: tuple[str, ...], tmp_path: Path) -> Iterator[list[Process]]:
    """The hands that watch, each begun before there is work; Ctrl-C ends them, also where it doesn't end the tests."""
    with_ctrl_c = ["env", "--default-signal=INT", PROGRAM]
    commands = {words[0]: [*with_ctrl_c, *words, "--fleet", watcher.name, *where] for words in WATCHED}
    with ExitStack() as all_of_them:
        yield [
            all_of_them.enter_context(Process(name, command, log=tmp_path / f"{name}.log"))
            for name, command in commands.items()
        ]


def test_each_hand(
    bed: Bed,
    where: tuple[str, ...],
    watcher: Watcher,
    watching: list[Process],
    hand: Callable[..., str],
    tmp_path: Path,
) -> None:
    def until(condition: Callable[[Snapshot], bool], what: str) -> None:
        watcher.until(condition, within=SOON, what=what)

    sent = watcher.broker.send([Lot(QUEUE, 4, {"distribution": "uniform", "low": 10, "high": 15})])
    until(lambda seen: seen.pools[0].ready == 1, "the first worker did not come")
    assert "one" in hand("top", "--once")
    assert "one" in hand("status")
    assert "1 worker wanted, 1 ready" in hand("explain", "one")

    hand("scale", "one", "2", "--for", "1h")
    until(lambda seen: seen.pools[0].ready == 2, "scale did not bring a second worker")
    for process, (awake, _) in zip(watching, WATCHED.values(), strict=True):
        process.wait_ready(lambda it=process, of=awake: re.search(of, it.log_text()), within=timedelta(seconds=SOON))
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

    for process, shown in zip(watching, WATCHED.values(), strict=True):
        process.wait_ready(lambda it=process, of=shown: in_order(it.log_text(), *of), within=timedelta(seconds=SOON))
        process.signal(signal.SIGINT)
        assert process.wait(within=ENDS) == 0, process.tail()

    hand("run-now", "one")
    until(lambda seen: seen.pools[0].wanted == 1, "the run has no worker")
    assert "yearly-run" in hand("status")
    assert "ScaledUp" in hand("events", "one")
    assert "operator seen" in hand("doctor")
    assert f"{NAMESPACE}/{watcher.name}" in through_kubectl("status", *where)

    hand("report", "--file", tmp_path / "report.tar.gz")
    report = read_report(tmp_path / "report.tar.gz")
    assert {"events.txt", f"explain-{watcher.name}-one.txt", "objects.yaml", "status.txt"} <= report.keys()
    assert [name for name in report if re.fullmatch(r"operator-.+\.log", name)]
    assert report["not-read.txt"] == ""
    password = urlsplit(bed.cluster_amqp_url).password
    assert password
    assert [name for name, text in report.items() if password in text] == []


def through_kubectl(*words: str) -> str:
    """What a hand says as a plugin of kubectl."""
    path = f"{PROGRAM.parent}:{os.environ['PATH']}"
    done = installed_program(tools.program("kubectl"), "utilitarian", *words, env={"PATH": path})
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_report(file: Path) -> dict[str, str]:
    """The files of a report, by their names."""
    with tarfile.open(file) as archive:
        return {Path(it.name).name: archive.extractfile(it).read().decode() for it in archive}  # type: ignore[union-attr]


def in_order(text: str, first: str, then: str) -> bool:
    """Whether one pattern is found, and behind it the other."""
    found = re.search(first, text)
    return found is not None and re.search(then, text[found.end() :]) is not None


def mode(watcher: Watcher) -> str:
    """The mode that is in force."""
    found = watcher.cluster.request("GET", f"{FLEETS.format(NAMESPACE)}/{watcher.name}")
    return str(found["status"]["mode"])
