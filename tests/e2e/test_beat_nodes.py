"""The one beat on a cluster of several nodes, with a volume that follows it, through all that may happen to it."""

import contextlib
import itertools
import json
import logging
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import amqp
import kombu
import pytest

from demo.bed import Bed
from hack import chart, cluster, engine, images
from hack.engine import Engine
from tests.support.pace import paced
from tests.support.waiting import wait_until
from utilitarian.routing import CLEANUP_QUEUE, declarations

logger = logging.getLogger(__name__)

NAMESPACE = "e2e-beat"
EVERY_S = 3.0
LATE_S = EVERY_S / 4
"""By which a message may leave after beat decided to send it, on a machine at rest."""

SOON = timedelta(seconds=90)
NODE_LOST = timedelta(seconds=150)
IMAGES = (images.WORKER.dev, f"{images.WORKER.name}:next")
SELECTOR = "app.kubernetes.io/component=beat"
ROUNDS = 20
# Its own pattern must not match itself, and kubectl's words and the probe's are not beat.
KILL = r"""for it in /proc/[0-9]*; do
  if tr '\0' ' ' < $it/cmdline | grep -q '[c]elery.* beat --loglevel'; then kill -9 ${it#/proc/}; fi
done 2>/dev/null; true"""


class Sent:
    """When beat's nightly cleanup came, which is sent every few seconds here; takes the messages as they come.

    It leaves no queue, and so none of beat's other tasks, for the fleets of the tests that follow.
    """

    def __init__(self, url: str) -> None:
        self.times: list[tuple[float, float]] = []
        """Between which two moments each came: the last look that found none, and the one that found it."""
        self._url, self._done = url, Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        with self._queues() as queues:
            for queue in queues:
                queue.delete()
                queue.declare()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(30)
        with self._queues() as queues:
            for queue in queues:
                queue.delete()

    @contextlib.contextmanager
    def _queues(self) -> Iterator[list[kombu.Queue]]:
        with kombu.Connection(self._url) as connection:
            channel = connection.channel()
            yield [queue(channel) for queue in declarations("classic")]

    def _run(self) -> None:
        with kombu.Connection(self._url) as connection:
            channel = connection.channel()
            nothing_at = time.monotonic()
            while not self._done.wait(0.05):
                looked_at = time.monotonic()
                while (message := channel.basic_get(CLEANUP_QUEUE, no_ack=True)) is not None:
                    assert isinstance(message, amqp.Message)
                    self.times.append((nothing_at, time.monotonic()))
                nothing_at = looked_at

    def wait_for_more(self, describe: Callable[[], object]) -> None:
        """Waits for the next one that is sent from now on, and then until it is long noted."""
        before = len(self.times)
        wait_until(lambda: len(self.times) > before, within=SOON, describe=describe)
        noted = self.times[-1][1] + EVERY_S / 3
        wait_until(lambda: time.monotonic() > noted, within=SOON)


@dataclass
class Scene:
    """A fleet of which only beat runs."""

    docker: Engine
    bed: Bed
    sent: Sent
    kube: cluster.Cluster = field(default_factory=cluster.ours)

    def kubectl(self, *words: str, feed: str | None = None) -> str:
        return self.kube.kubectl("--namespace", NAMESPACE, *words, feed=feed)

    def items(self, kind: str, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, *words, "--output=json"))["items"]
        return found

    def pod(self) -> dict[str, Any]:
        """The one pod of beat; there is never another."""
        pods = self.items("pods", "--selector", SELECTOR)
        assert len(pods) <= 1
        return pods[0] if pods else {}

    def reason(self) -> str:
        (fleet,) = self.items("uwp")
        found = [it for it in fleet.get("status", {}).get("conditions", []) if it["type"] == "BeatReady"]
        return f"{found[0]['reason']}" if found else ""

    def events(self) -> list[str]:
        found = [(it["reason"], (it.get("series") or {}).get("count", 1)) for it in self.items("events.events.k8s.io")]
        return [reason for reason, times in found for _ in range(times)]

    def describe(self) -> str:
        return self.kubectl("describe", "uwp,pods,pvc")

    def wait(self, condition: Callable[[], object], within: timedelta = SOON) -> None:
        wait_until(condition, within=within, describe=self.describe, every=timedelta(seconds=0.5))

    def wait_running(self, but_not: str = "") -> None:
        self.wait(
            lambda: self.reason() == "Running" and self.pod().get("metadata", {}).get("uid", "") not in {"", but_not}
        )

    @property
    def volume(self) -> Path:
        return cluster.shared_folder() / NAMESPACE


@pytest.fixture(scope="module")
def scene(bed: Bed) -> Iterator[Scene]:
    docker = engine.running()
    assert docker
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKERS", "2")
        kube = cluster.ours()
    with Sent(bed.amqp_url) as sent:
        cluster.tag(docker, kube, *IMAGES, everywhere=IMAGES)
        made = Scene(docker, bed, sent, kube)
        new_folder(made.volume)
        ours = ("delete", "--ignore-not-found", f"namespace/{NAMESPACE}", f"persistentvolume/{NAMESPACE}")
        kube.kubectl(*ours)  # of a run before, in a cluster that was kept
        kube.kubectl("create", "namespace", NAMESPACE)
        try:
            for it in objects(bed):
                made.kubectl("apply", "--filename", "-", feed=json.dumps(it))
            made.wait_running()
            yield made
        finally:
            made.kubectl("delete", "uwp", "fleet")
            made.wait(lambda: not made.pod())
            kube.kubectl(*ours, "--wait=false")


def new_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o777)


def objects(bed: Bed) -> list[dict[str, Any]]:
    """A volume on the folder that all nodes share, the broker's Secret and the fleet."""
    secret = {"name": "utilitarian-env", "key": "CELERY_BROKER_URL"}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": NAMESPACE},
            "spec": {
                "storageClassName": "shared",
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": f"{cluster.SHARED}/{NAMESPACE}"},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret["name"]},
            "stringData": {secret["key"]: bed.cluster_amqp_url},
        },
        {
            "apiVersion": "utilitarian.io/v1alpha1",
            "kind": "UtilitarianWorkerPool",
            "metadata": {"name": "fleet"},
            "spec": {
                "image": IMAGES[0],
                "mode": "Paused",
                "broker": {"urlFrom": {"secretKeyRef": secret}},
                "pools": [{"name": "cleanup", "queues": [CLEANUP_QUEUE]}],
                "env": [{"name": "UTILITARIAN_BEAT_COMPRESSED", "value": str(EVERY_S)}],
                "beat": {
                    "storage": {"size": "10Mi", "storageClassName": "shared"},
                    "pod": {"nodeSelector": cluster.WORKER_LABEL, "tolerations": [cluster.WORKER_TAINT]},
                },
            },
        },
    ]


def kill_its_process(scene: Scene) -> None:
    before = scene.pod()["status"]["containerStatuses"][0]["restartCount"]
    scene.docker.docker("exec", scene.pod()["spec"]["nodeName"], "sh", "-c", KILL)
    scene.wait(lambda: scene.pod()["status"]["containerStatuses"][0]["restartCount"] > before)


def move_it_to_the_other_node(scene: Scene) -> None:
    pod = scene.pod()
    scene.kubectl("cordon", pod["spec"]["nodeName"])
    scene.kubectl("delete", "pod", pod["metadata"]["name"])
    scene.wait_running(but_not=pod["metadata"]["uid"])
    scene.kubectl("uncordon", pod["spec"]["nodeName"])
    assert scene.pod()["spec"]["nodeName"] != pod["spec"]["nodeName"]


def upgrade_its_image(scene: Scene) -> None:
    """To the other name of the one image that there is: Kubernetes goes by the name."""
    pod = scene.pod()
    other = next(it for it in IMAGES if it != pod["spec"]["containers"][0]["image"])
    scene.kubectl("patch", "uwp", "fleet", "--type=merge", "--patch", json.dumps({"spec": {"image": other}}))
    scene.wait_running(but_not=pod["metadata"]["uid"])
    assert scene.pod()["spec"]["containers"][0]["image"] == other


def silence_its_node(scene: Scene) -> None:
    """Its processes stand still and answer nothing: no other beat may be started, for all that is known."""
    pod = scene.pod()
    node = pod["spec"]["nodeName"]
    scene.docker.docker("pause", node)
    try:
        scene.wait(lambda: scene.reason() == "BeatBlocked", NODE_LOST)
        assert scene.pod()["metadata"]["uid"] == pod["metadata"]["uid"]
        assert "BeatBlocked" in scene.events()
    finally:
        scene.docker.docker("unpause", node)
    scene.wait_running()


def lose_its_volume(scene: Scene) -> None:
    uid, losses = scene.pod()["metadata"]["uid"], scene.events().count("ScheduleLost")
    lost = scene.volume.with_name(f"{NAMESPACE}-lost")
    shutil.rmtree(lost, ignore_errors=True)
    scene.volume.rename(lost)
    new_folder(scene.volume)
    scene.kubectl("delete", "pod", "fleet-beat-0")
    scene.wait_running(but_not=uid)
    scene.wait(lambda: scene.events().count("ScheduleLost") > losses)


def change_the_operator(scene: Scene) -> None:
    """Two of them, of which the one that leads ends while a new image is on its way."""
    deployment = f"deployment/{chart.RELEASE}"
    there = ("--namespace", chart.NAMESPACE)
    scene.kube.kubectl(*there, "scale", deployment, "--replicas=2")
    scene.kube.kubectl(*there, "rollout", "status", deployment, "--timeout=300s")

    def leads() -> str:
        holder = ("get", "lease", "utilitarian-operator", "--output", "jsonpath={.spec.holderIdentity}")
        pods = scene.kube.kubectl(*there, "get", "pods", "--output", "jsonpath={.items[*].metadata.name}").split()
        pod = scene.kube.kubectl(*there, *holder).partition("_")[0]
        return pod if pod in pods else ""

    scene.wait(leads)
    scene.kube.kubectl(*there, "delete", "pod", leads(), "--wait=false")
    upgrade_its_image(scene)
    scene.kube.kubectl(*there, "scale", deployment, "--replicas=1")


FAULTS = [
    kill_its_process,
    move_it_to_the_other_node,
    upgrade_its_image,
    silence_its_node,
    lose_its_volume,
    change_the_operator,
]


def one_round(scene: Scene, seed: int) -> None:
    """All the faults, in an order of the seed's, and after each a look at what was sent through it."""
    took = {}
    scene.sent.wait_for_more(scene.describe)
    for fault in random.Random(seed).sample(FAULTS, len(FAULTS)):  # noqa: S311 - a seed, so that a failure comes again
        first, begun = len(scene.sent.times) - 1, time.monotonic()
        with paced() as pace:
            fault(scene)
            healed = time.monotonic()
            scene.sent.wait_for_more(scene.describe)
        # The longest that each gap may have been: how late a message was found is no fault of beat's.
        gaps = [later - earlier for (earlier, _), (_, later) in itertools.pairwise(scene.sent.times[first:])]
        # Two beats, or one that forgot, would send in between; a beat that was late sends once and goes on from there.
        # It counts from the moment at which it decided to send, before it had connected to the broker.
        least = max(EVERY_S - LATE_S * pace.worst, EVERY_S / 3)
        assert min(gaps) > least, (fault.__name__, least, gaps, scene.describe())
        took[fault.__name__] = f"{healed - begun:.1f} + {time.monotonic() - healed:.1f} s"
    logger.info("round %d: %s", seed, took)


# The first test of a run waits for the cluster to be made, on a bare machine of all that it is made of.
@pytest.mark.timeout(1800)
def test_there_is_never_more_than_one_beat_and_each_task_is_sent_once(scene: Scene) -> None:
    one_round(scene, 0)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_there_is_never_more_than_one_beat_in_twenty_rounds(scene: Scene, seed: int) -> None:
    one_round(scene, seed)
