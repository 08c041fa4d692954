"""Fleets as people run them, on real worker pods: from zero to work and back, and what a kubelet alone can show."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from demo.bed import Bed, DemoError
from demo.broker import Broker
from demo.cluster import PODS, Cluster
from demo.scenario import SECRET
from demo.snapshot import Snapshot, Watcher
from tests.support.bed import described, in_worker, virtual_host
from tests.support.standing_in import fleets, standing_in
from utilitarian.celery import build
from utilitarian.routing import DEFAULT_QUEUE, WORK_TASKS
from utilitarian.settings import Settings

# Each wait below has an end of its own; the first test of a run waits for the cluster to be made as well.
pytestmark = pytest.mark.timeout(1800)

NAMESPACE, VHOST = "e2e-fleets", "e2e/fleets"
SOON, LONG = 120.0, 180.0
TASKS, SECONDS, LASTING_S = 8, 1.0, 15.0

QUICKEST, SCANNER = "dag-engine-worker-sets", "scanner-proxy-and-settings-file"
"""The first is of every day: an init container, a native sidecar, an image of one pool and a user of its own."""

FLEETS = {path.stem: path for path in fleets()}
BEHIND = [QUICKEST, pytest.param(SCANNER, marks=pytest.mark.soak)]
PLAIN = [it for it in FLEETS if it not in {QUICKEST, SCANNER}]


@dataclass(frozen=True)
class Stage:
    """One of the fleets, in a namespace and on a virtual host of its own."""

    bed: Bed
    watcher: Watcher

    @property
    def pools(self) -> dict[str, str]:
        """A queue of each pool."""
        return {name: next(iter(queues), DEFAULT_QUEUE) for name, queues in self.watcher.pools.items()}

    def until(self, condition: Callable[[Snapshot], object], what: str) -> None:
        """Looks until it holds, and tells the state of the namespace where it doesn't in time."""
        try:
            self.watcher.until(lambda seen: bool(condition(seen)), within=LONG, what=what)
        except DemoError as error:
            raise AssertionError(f"{error}\n{described(self.bed, NAMESPACE)}") from error

    def rests(self, seen: Snapshot) -> bool:
        """Whether nothing waits or runs, and each pool has the fewest workers that it may have, all ready."""
        fewest = {it["name"]: it["scaling"].get("min", 0) for it in self.watcher.resource["spec"]["pools"]}
        at_rest = (it.wanted == it.pods == it.ready == fewest[it.name] and it.waiting == 0 for it in seen.pools)
        return all(at_rest) and not self.watcher.ledger.running()

    def send(self, queue: str, number: int, seconds: float) -> list[str]:
        """Sends tasks to a queue that the reference application need not know; returns their ids."""
        app, work = build(Settings()), {"duration": {"distribution": "fixed", "seconds": seconds}}
        with app.connection_for_write(self.bed.amqp_url) as connection, app.amqp.Producer(connection) as producer:
            task = WORK_TASKS[DEFAULT_QUEUE]
            return [app.send_task(task, kwargs=work, queue=queue, producer=producer).id for _ in range(number)]

    def has_done(self, sent: Sequence[str]) -> bool:
        """Whether all of these tasks have ended."""
        return self.watcher.ledger.ids("end") >= set(sent)

    def pods(self) -> list[str]:
        """The names of its pods, those that end included."""
        return [it["metadata"]["name"] for it in self.watcher.cluster.items(PODS)]

    def worker_of(self, task: str) -> str:
        """The pod in which a task was begun."""
        begun = next(it for it in self.watcher.ledger.records if (it.task_id, it.event) == (task, "start"))
        return begun.hostname.removeprefix("celery@")

    def work(self) -> list[str]:
        """Lets it declare its queues, do tasks in each pool, and come to rest; returns the tasks."""
        self.until(self.rests, "its pools did not declare their queues and rest")
        sent = [task for queue in self.pools.values() for task in self.send(queue, TASKS, SECONDS)]
        self.until(lambda _: self.has_done(sent), "the tasks were not done")
        self.until(self.rests, "its pools did not come to rest again")
        return sent


@contextmanager
def staged(bed: Bed, name: str) -> Iterator[Stage]:
    """A fleet in an empty namespace, with all that its pods mount; nothing of it is left afterwards."""
    cluster = Cluster.of(bed, NAMESPACE)
    cluster.delete_namespace()
    cluster.wait_gone(SOON)
    with virtual_host(bed, VHOST) as there:
        made = standing_in(FLEETS[name], there)
        stage = Stage(there, Watcher(cluster, Broker(there), made.resource))
        cluster.make_namespace()
        try:
            cluster.make_secret(SECRET, made.environment)
            for body in made.mounted:
                cluster.request("POST", f"api/v1/namespaces/{NAMESPACE}/{body['kind'].lower()}s", body)
            cluster.make_fleet(made.resource)
            yield stage
        finally:
            cluster.delete_fleet(stage.watcher.name)
            cluster.wait_without_pods(SOON)
            cluster.delete_namespace()
            cluster.wait_gone(SOON)


@pytest.mark.parametrize("name", BEHIND)
def test_a_busy_worker_that_is_deleted_ends_before_its_native_sidecar(bed: Bed, name: str) -> None:
    """Broker and ledger are reached through the sidecar alone: a task that is noted as ended shows that it is there."""
    with staged(bed, name) as stage:
        sent = stage.work()
        sent += stage.send(list(stage.pools.values())[-1], 1, LASTING_S)
        stage.until(lambda _: sent[-1] in stage.watcher.ledger.running(), "the task did not begin")
        pod = stage.worker_of(sent[-1])
        stage.watcher.cluster.request("DELETE", f"{PODS.format(NAMESPACE)}/{pod}")
        stage.until(lambda _: stage.has_done(sent) and pod not in stage.pods(), "it did not end with its task")
        stage.until(stage.rests, "its pools did not come to rest")
        summary = stage.watcher.ledger.summary(sent)
        assert summary.each_finished_once, summary


@pytest.mark.soak
@pytest.mark.parametrize("name", PLAIN)
def test_each_fleet_goes_from_zero_to_work_and_back_and_does_each_task_once(bed: Bed, name: str) -> None:
    with staged(bed, name) as stage:
        sent = stage.work()
        summary = stage.watcher.ledger.summary(sent)
        assert summary.each_finished_once, summary


@pytest.mark.soak
def test_a_changed_file_comes_to_every_worker_by_a_rollout(bed: Bed) -> None:
    """A file by subPath, which a kubelet never renews in a pod that runs."""
    with staged(bed, SCANNER) as stage:
        stage.until(stage.rests, "its worker did not come")
        (before,) = stage.pods()
        pod = stage.watcher.resource["spec"]["pod"]
        (mount,) = [it for it in pod["volumeMounts"] if "subPath" in it]
        (name,) = [it["configMap"]["name"] for it in pod["volumes"] if it["name"] == mount["name"]]
        where, cluster = f"api/v1/namespaces/{NAMESPACE}/configmaps/{name}", stage.watcher.cluster
        cluster.request("PUT", where, {**cluster.request("GET", where), "data": {mount["subPath"]: "2"}})
        stage.until(lambda seen: stage.rests(seen) and before not in stage.pods(), "the worker was not replaced")
        (after,) = stage.pods()
        assert in_worker(bed, NAMESPACE, after, "cat", mount["mountPath"]) == "2"
