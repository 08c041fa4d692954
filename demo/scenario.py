"""What is shown, in which order: apply, declare, sleep, send, drain, sleep; it prints nothing and judges nothing."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import yaml

from demo.bed import ROOT, Bed, DemoError
from demo.broker import Broker, Lot, Sent
from demo.cluster import EVENTS, Cluster
from demo.report import Report, make_report, scale_ups
from demo.snapshot import Snapshot, Watcher

QUICKSTART = ROOT / "examples" / "quickstart.yaml"
SECRET = "utilitarian-env"  # noqa: S105 - the name of one
TASKS = 400
BEAT_EVERY = 60  # seconds; long enough for the fleet to fall asleep between two rounds of beat
DECLARED_WITHIN = 180.0
DONE_WITHIN = 300.0
GONE_WITHIN = 120.0

_POLL: Mapping[str, object] = {"distribution": "lognormal", "median": 2.5, "sigma": 0.3, "max": 6}
_COMMIT: Mapping[str, object] = {"distribution": "uniform", "low": 1.0, "high": 2.0}
# Percent of all tasks, so that of 400 each queue has enough for several workers; none of these queues is one that beat
# sends to, so that the first message is always ours.
_SHARES = (
    ("utilitarian.tasks.amr", 38, _POLL),
    ("utilitarian.tasks.amr.on_demand", 20, _POLL),
    ("utilitarian.tasks.commits.meter_readings", 22, _COMMIT),
    ("utilitarian.tasks.external.publish", 20, _COMMIT),
)
FEWEST = len(_SHARES)


def plan(tasks: int) -> list[Lot]:
    """How many tasks go to which queue: at least one to each, `tasks` in all.

    Raises:
        DemoError: fewer tasks than queues.
    """
    if tasks < FEWEST:
        raise DemoError(f"{tasks} tasks are too few for {FEWEST} queues: use --tasks {FEWEST} or more")
    spare = tasks - FEWEST
    counts = [1 + spare * share // 100 for _, share, _ in _SHARES]
    counts[0] += tasks - sum(counts)
    return [Lot(queue, count, dict(duration)) for (queue, _, duration), count in zip(_SHARES, counts, strict=True)]


def quickstart() -> dict[str, Any]:
    """The resource of examples/quickstart.yaml."""
    loaded: dict[str, Any] = yaml.safe_load(QUICKSTART.read_text())
    return loaded


def environment(bed: Bed) -> dict[str, str]:
    """What the application of a demonstration gets as its common environment."""
    return {
        "CELERY_BROKER_URL": bed.cluster_amqp_url,
        "UTILITARIAN_LEDGER": "amqp",
        "UTILITARIAN_BEAT_COMPRESSED": str(BEAT_EVERY),
    }


@dataclass
class Scenario:
    """One demonstration in a namespace of its own.

    Args:
        bed: where.
        namespace: made at the start; one of that name from before is deleted first.
        tasks: to send.
        resource: the fleet.
        show: called with each look.
        phase: called with a sentence when something new begins.
    """

    bed: Bed
    namespace: str
    tasks: int = TASKS
    resource: Mapping[str, Any] = field(default_factory=quickstart)
    show: Callable[[Snapshot], None] = lambda _: None
    phase: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        self.lots = plan(self.tasks)
        self.cluster = Cluster.of(self.bed, self.namespace)
        self.broker = Broker(self.bed)
        self.watcher = Watcher(self.cluster, self.broker, self.resource, self.show)
        self.sent: list[Sent] = []

    def run(self) -> Report:
        """All of it.

        Raises:
            DemoError: a part of the test bed doesn't answer, or the fleet doesn't get where it should in time.
        """
        self.apply()
        self.declare()
        self.work()
        return self.report()

    def apply(self) -> None:
        """Make the namespace, the Secret and the fleet, on a broker without any of the application's queues."""
        if self.cluster.has_namespace():
            self.phase(f"deleting the namespace {self.namespace} of an earlier demonstration")
            self.clean_up()
        self.broker.sweep()
        self.phase(f"applying {QUICKSTART.relative_to(ROOT)} in the namespace {self.namespace}")
        self.cluster.make_namespace()
        self.cluster.make_secret(SECRET, environment(self.bed))
        self.cluster.make_fleet(self.resource)

    def declare(self) -> Snapshot:
        """Wait until a first worker of each pool has declared its queues, and the fleet sleeps."""
        pools = self.watcher.pools
        queues = sum(map(len, pools.values()))
        self.phase(f"{len(pools)} pools declare their {queues} queues by a first worker each, and fall asleep")
        return self.watcher.until(
            lambda snapshot: snapshot.asleep,
            within=DECLARED_WITHIN,
            what="the fleet did not declare its queues and sleep",
        )

    def work(self) -> Snapshot:
        """Send the tasks, and wait until all is done, beat has been seen at work, and the fleet sleeps."""
        counts = ", ".join(f"{lot.tasks} to {lot.queue}" for lot in self.lots)
        self.phase(f"sending {self.tasks} tasks of a few seconds: {counts}")
        with ThreadPoolExecutor(max_workers=1) as background:
            sending = background.submit(self.broker.send, self.lots)
            # Workers are asked for before the last message is out; that must be seen.
            self.watcher.until(lambda _: sending.done(), within=DONE_WITHIN, what="the tasks were not sent")
            self.sent = sending.result()
        self.phase("all are sent; workers wake, work, and go again, and beat sends its own tasks meanwhile")
        return self.watcher.until(
            lambda snapshot: snapshot.asleep and self.beat_has_fired(),
            within=DONE_WITHIN,
            what="the fleet did not finish, see beat's tasks done and sleep",
        )

    def beat_has_fired(self) -> bool:
        """Whether a task that beat sent has finished."""
        ours = {task for sent in self.sent for task in sent.ids}
        return bool(self.watcher.ledger.ids("end") - ours)

    def report(self) -> Report:
        """What it came to, so far."""
        by_pool: dict[str, Sequence[Sent]] = {
            pool: [sent for sent in self.sent if sent.queue in queues] for pool, queues in self.watcher.pools.items()
        }
        requests = scale_ups(self.cluster.items(EVENTS))
        return make_report(by_pool, self.watcher.ledger, requests, self.watcher.history)

    def clean_up(self) -> None:
        """Delete the namespace, wait until it is gone, and leave no queue behind.

        Raises:
            DemoError: it is still there after two minutes.
        """
        # Workers first: a namespace with pods in it looks again only after half of their grace, which is an hour here.
        self.cluster.delete_fleet(self.watcher.name)
        self.cluster.wait_without_pods(GONE_WITHIN)
        self.cluster.delete_namespace()
        self.cluster.wait_gone(GONE_WITHIN)
        self.broker.sweep()
