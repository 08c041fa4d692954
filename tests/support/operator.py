"""Runs the operator for a test, in this process or as one of its own; it adds nothing to what the operator does."""

import asyncio
import contextlib
import io
import sys
import threading
import traceback
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.support.controlplane import ControlPlane
from tests.support.http import HttpError
from tests.support.ports import LOOPBACK, free_port
from tests.support.processes import Process
from tests.support.waiting import wait_until
from utilitarian_operator.host.settings import Settings
from utilitarian_operator.host.wiring import Running, run

START_WITHIN = timedelta(seconds=30)
STOP_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True)
class Operator:
    """A running operator."""

    metrics_port: int
    health_port: int

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics, by its name with labels as it is written there."""
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.metrics_port}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, _, value in (s.rpartition(" ") for s in lines if not s.startswith("#"))}

    def healthy(self) -> bool:
        """Whether the kubelet would leave it running."""
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.health_port}/healthz", timeout=60):
                return True
        except OSError:
            return False

    def readiness(self) -> str:
        """What /readyz says, after its number where that is not 200."""
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.health_port}/readyz", timeout=60) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.read().decode()}"


class _Thread(threading.Thread):
    """The operator with an event loop of its own, as it has in its own process."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="operator", daemon=True)
        self.listening: Running | None = None
        self.error: BaseException | None = None
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(run(self._settings, self._ending, self._listens))
        except BaseException as error:  # noqa: BLE001 - told to the test, in its own thread
            self.error = error

    def stop(self) -> None:
        """Asks it to end and waits; raises what it raised."""
        with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended
            self._loop.call_soon_threadsafe(self._ending.set)
        self.join(STOP_WITHIN.total_seconds())
        if self.is_alive():
            raise AssertionError(
                f"the operator did not stop within {STOP_WITHIN.total_seconds():g} s\n{self._what_goes_on()}"
            )
        if self.error is not None:
            raise AssertionError("the operator failed") from self.error

    def _listens(self, running: Running) -> None:
        self.listening = running

    def _what_goes_on(self) -> str:
        """Where each of its tasks, and each thread of this process, is."""
        said = io.StringIO()
        for task in asyncio.all_tasks(self._loop):
            task.print_stack(file=said)
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for number, frame in sys._current_frames().items():
            print(f"Thread {names.get(number, number)}:", file=said)
            traceback.print_stack(frame, file=said)
        return said.getvalue()


@contextlib.contextmanager
def in_process(controlplane: ControlPlane, *namespaces: str, **settings: Any) -> Iterator[Operator]:
    """The operator in a thread of this process, for the time of the block.

    Args:
        controlplane: that it works on, as its administrator.
        namespaces: it watches; none is all.
        settings: over those of `Settings`.

    Raises:
        AssertionError: it failed, or did not stop.
    """
    ours = {"metrics_port": 0, "health_port": 0, "host": LOOPBACK, "kubeconfig": controlplane.kubeconfig}
    thread = _Thread(Settings(**{"namespaces": namespaces, **ours, **settings}))
    thread.start()
    try:
        wait_until(lambda: thread.listening or thread.error, within=START_WITHIN)
        if thread.listening is not None:
            yield Operator(thread.listening.metrics_port, thread.listening.health_port)
    finally:
        thread.stop()


@contextlib.contextmanager
def as_process(
    controlplane: ControlPlane,
    *namespaces: str,
    directory: Path,
    options: Sequence[str] = (),
    kubeconfig: Path | None = None,
) -> Iterator[tuple[Process, Operator]]:
    """The operator as a process, for the time of the block; the test may kill it and start it again.

    Args:
        controlplane: that it works on, as its administrator.
        namespaces: it watches; none is all.
        directory: of its log.
        options: more words for its command.
        kubeconfig: to log in with; None is the administrator's.

    Raises:
        ProcessEndedError: it ended before it was ready.
    """
    operator = Operator(free_port(), free_port())
    watched = [word for name in namespaces for word in ("--namespace", name)]
    ports = [f"--metrics-port={operator.metrics_port}", f"--health-port={operator.health_port}"]
    command = [sys.executable, "-m", "utilitarian_operator", "run", *watched, *ports, *options]
    env = {"KUBECONFIG": str(kubeconfig or controlplane.kubeconfig)}
    with Process("operator", command, log=directory / "operator.log", env=env) as process:
        process.wait_ready(operator.healthy, within=START_WITHIN, ignoring=(OSError, HttpError))
        yield process, operator
