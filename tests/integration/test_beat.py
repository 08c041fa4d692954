"""A real beat under the real operator: never two, and what it remembers is kept or its loss is told."""

import dbm
import pickle
import shelve
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.support.beat_probe import alive
from tests.support.celery_workers import Application
from tests.support.controlplane import MERGE_PATCH
from tests.support.installation import CLEANUP, POOLS, Installation
from tests.support.operator import Operator
from tests.support.pace import Pace, slowness, takes_at_most
from tests.support.processes import Process
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian_operator.adapters.intervals import (
    Intervals,
)

SOON = timedelta(seconds=40)
EVERY_S = 6
BEAT, POD, CLAIM = "fleet-beat", "fleet-beat-0", "fleet-beat"


def create(installation: Installation, **spec: Any) -> None:
    """Beat with a run of each entry every few seconds, or at its time; no worker takes what it sends."""
    often = [{"name": "UTILITARIAN_BEAT_COMPRESSED", "value": str(EVERY_S)}]
    installation.create(**{"mode": "Paused", "pools": POOLS, "beat": {}, "env": often, **spec})


def verdict(installation: Installation) -> str:
    return installation.fleet.condition("BeatReady")[1]


def wait_for(installation: Installation, reason: str) -> str:
    installation.wait(lambda: verdict(installation) == reason, SOON)
    return installation.fleet.condition("BeatReady")[2]


def wait_started(installation: Installation) -> None:
    """Until beat has a handler for SIGTERM: it is called running from its process' first moment on."""
    installation.wait(lambda: "beat: Starting" in installation.node.pod(POD).log(), SOON)


def said(installation: Installation, reason: str) -> str:
    """The note of the first event of a reason."""
    installation.wait(lambda: reason in dict(installation.fleet.events()), SOON)
    return dict(installation.fleet.events())[reason]


def delete_pod(installation: Installation, name: str = POD) -> None:
    path = f"/api/v1/namespaces/{installation.fleet.namespace}/pods/{name}"
    installation.fleet.controlplane.request("DELETE", path)


@contextmanager
def never_two(installation: Installation) -> Iterator[None]:
    """Looks all the time: at no moment of the block do two beats run."""
    most, done = [0], Event()

    def look() -> None:
        while not done.wait(0.02):
            most[0] = max(most[0], len(installation.node.running(BEAT)))

    watcher = Thread(target=look, daemon=True)
    watcher.start()
    yield
    done.set()
    watcher.join()
    assert most[0] == 1


def sent(installation: Installation) -> int:
    """How often beat has sent the nightly cleanup."""
    depth = installation.rabbitmq.depth(installation.vhost, CLEANUP)
    return depth.ready


def since_message(installation: Installation, number: int) -> float:
    """When (monotonic) there were so many."""
    installation.wait(lambda: CLEANUP in installation.rabbitmq.queues(installation.vhost), SOON)
    installation.wait(lambda: sent(installation) >= number, SOON)
    return time.monotonic()


def noted(installation: Installation) -> set[int]:
    """How often each entry was sent, by the schedule file; empty while it is being written."""
    file = str(installation.node.claim(CLAIM) / "schedule")
    with suppress(dbm.error, pickle.UnpicklingError, EOFError, KeyError), shelve.open(file, "r") as store:  # noqa: S301 - ours
        return {entry.total_run_count for name, entry in store["entries"].items() if not name.startswith("celery.")}
    return set()


def test_a_beat_that_is_killed_goes_on_where_it_was(installation: Installation, operator: Operator) -> None:
    del operator
    create(installation)
    first = since_message(installation, 1)
    # Sent and noted: the moment between the two is all that is left of Celery's 180 s.
    installation.wait(lambda: noted(installation) == {1}, SOON)
    beat = installation.node.pod(POD)
    assert beat.process
    killed = beat.process.pid
    beat.process.kill()
    installation.wait(lambda: beat.running and beat.process and beat.process.pid != killed, SOON)
    second = since_message(installation, 2)
    assert sent(installation) == 2
    assert second - first >= EVERY_S - min(slowness(), EVERY_S / 2), "it was not sent again at the start"
    assert wait_for(installation, "Running") == "exactly one beat runs"


def test_a_new_template_ends_the_old_beat_before_the_new_one_starts(
    installation: Installation, operator: Operator
) -> None:
    del operator
    create(installation)
    wait_for(installation, "Running")
    wait_started(installation)
    first = installation.node.pod(POD).process
    since = installation.fleet.status()["beat"]["memorySince"]
    with never_two(installation):
        installation.fleet.edit(env=[{"name": "ROUND", "value": "2"}])
        installation.wait(
            lambda: (
                [it.process for it in installation.node.running(BEAT)] not in ([], [first])
                and verdict(installation) == "Running"
            ),
            SOON,
        )
    assert first
    assert first.exit_code == 0, "it was told to end, and wrote its file"
    assert installation.fleet.status()["beat"]["memorySince"] == since


def test_a_second_beat_is_put_back_before_it_runs(installation: Installation, operator: Operator) -> None:
    del operator
    create(installation)
    wait_for(installation, "Running")
    plane, namespace = installation.fleet.controlplane, installation.fleet.namespace
    with never_two(installation):
        path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets/{BEAT}/scale"
        plane.request("PATCH", path, {"spec": {"replicas": 2}}, MERGE_PATCH)
        with takes_at_most(2):
            installation.wait(lambda: (installation.fleet.beat() or {})["spec"]["replicas"] == 1, timedelta(seconds=5))
        installation.wait(lambda: len(plane.pods(namespace, "app.kubernetes.io/component=beat")) == 1, SOON)
    assert "scaled to 2 and is put back to 1" in said(installation, "BeatScaledBack")


def test_a_file_that_can_not_be_read_is_moved_aside_and_told(installation: Installation, operator: Operator) -> None:
    del operator
    volume: Path = installation.node.claim(CLAIM)
    volume.mkdir(parents=True)
    (volume / "schedule").write_bytes(b"no schedule at all" * 100)
    create(installation)
    wait_for(installation, "Running")
    note = said(installation, "ScheduleMovedAside")
    (aside,) = volume.glob("schedule.aside-*")
    assert aside.name in note
    assert aside.read_bytes() == b"no schedule at all" * 100


def test_a_volume_that_is_lost_is_told_with_what_is_skipped(installation: Installation, operator: Operator) -> None:
    del operator
    create(installation, env=[])
    wait_for(installation, "Running")
    installation.wait(lambda: "memorySince" in installation.fleet.status().get("beat", {}))
    wait_started(installation)
    volume = installation.node.claim(CLAIM)
    volume.rename(volume.with_name("lost"))
    delete_pod(installation)
    note = said(installation, "ScheduleLost")
    assert "send it by hand (docs/beat.md)" in note


def test_a_pod_that_never_ran_gives_way_to_a_better_template(installation: Installation, operator: Operator) -> None:
    del operator
    create(installation, image="missing:1")
    assert "ImagePullBackOff" in wait_for(installation, "BeatFailing")
    installation.fleet.edit(image="utilitarian:dev")
    wait_for(installation, "Running")
    assert "ImagePullBackOff" in said(installation, "BeatReplaced")


def test_another_beat_of_the_application_is_named(
    installation: Installation, operator: Operator, tmp_path: Path
) -> None:
    del operator
    command = ["celery", "-A", "utilitarian", "beat", "-s", str(tmp_path / "old")]
    container = {"name": "beat", "image": "utilitarian:dev", "command": command}
    body = {"metadata": {"name": "old-beat"}, "spec": {"containers": [container]}}
    path = f"/api/v1/namespaces/{installation.fleet.namespace}/pods"
    installation.fleet.controlplane.request("POST", path, body)
    create(installation)
    assert "old-beat (celery -A utilitarian beat)" in wait_for(installation, "BeatDuplicate")
    assert "old-beat" in said(installation, "BeatDuplicate")


@pytest.mark.parametrize("intervals", [Intervals(beats_s=1.0)], ids=["each second"])
def test_a_beat_outside_the_cluster_that_answers_is_named_and_ours_is_not(
    installation: Installation, operator: Operator, tmp_path: Path
) -> None:
    del operator
    # In its pod it would have the pod's name; here it has this machine's, unless it is told.
    answers = ["--enable-remote-control", "-n", f"celerybeat@{POD}"]
    create(installation, beat={"extraArgs": answers})
    wait_for(installation, "Running")
    mailbox = f"celerybeat@{POD}.celery.pidbox"
    installation.wait(lambda: mailbox in installation.rabbitmq.queues(installation.vhost), SOON)
    schedule = ["-s", str(tmp_path / "schedule"), "--pidfile="]
    command = [sys.executable, "-m", "celery", "-A", "utilitarian", "beat", "--enable-remote-control", *schedule]
    env = {"CELERY_BROKER_URL": installation.broker_url}
    with Process("server", [*command, "-n", "celerybeat@server"], log=tmp_path / "log", env=env, cwd=tmp_path):
        message = wait_for(installation, "BeatDuplicate")
        assert "1 other beat answers on the broker from elsewhere" in message
        assert "celerybeat@server" in message
        assert "celerybeat@server" in said(installation, "BeatDuplicate")
    assert wait_for(installation, "Running") == "exactly one beat runs"
    said(installation, "BeatRecovered")


def test_when_something_last_came_to_a_queue_with_runs_is_told(installation: Installation, operator: Operator) -> None:
    run = {"name": "nightly", "start": "0 3 * * *"}
    create(installation, pools=[POOLS[0], {**POOLS[1], "schedule": [run]}])
    labels = f'fleet="fleet",namespace="{installation.fleet.namespace}",pool="cleanup",queue="{CLEANUP}"'
    name = f"utilitarian_queue_last_message_timestamp_seconds{{{labels}}}"
    installation.wait(lambda: name in operator.metrics(), SOON)
    assert Pace().allows(abs(operator.metrics()[name] - time.time()), EVERY_S + 1)
    installation.wait(lambda: "lastMessages" in installation.fleet.status().get("beat", {}), SOON)
    assert [it["queue"] for it in installation.fleet.status()["beat"]["lastMessages"]] == [CLEANUP]


def test_a_beat_that_waits_for_its_broker_is_alive_and_one_that_hangs_is_not(fragile: RabbitMQ, tmp_path: Path) -> None:
    """The liveness probe's command on a real beat: in an outage, after it, and when beat stands still."""
    beat, note = (
        Application(fragile.amqp_url(), tmp_path).beat(env={"UTILITARIAN_BEAT_COMPRESSED": "1"}),
        tmp_path / "n",
    )

    def sent() -> int:
        return beat.log_text().count("Sending due task")

    def wait_awake() -> None:
        wait_until(lambda: alive(beat.pid, note, silent=0), within=SOON, describe=beat.tail)

    with beat:
        beat.wait_ready(sent, within=SOON)
        fragile.stop()
        try:
            wait_until(lambda: "Connection refused" in beat.log_text(), within=SOON, describe=beat.tail)
            for _ in range(3):
                wait_awake()
        finally:
            fragile.start()
        before = sent()
        wait_until(lambda: sent() > before + 1, within=SOON, describe=beat.tail)
        wait_awake()
        beat.signal(signal.SIGSTOP)
        wait_until(lambda: not alive(beat.pid, note, silent=0), within=SOON)
        beat.signal(signal.SIGCONT)
