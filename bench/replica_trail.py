"""When each Deployment of a namespace was asked to have how many workers, as a watch of the API server tells it."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator

from tests.support.controlplane import ControlPlane

FORMAT = '{.metadata.name} {.spec.replicas}{"\\n"}'


class ReplicaTrail:
    """Keeps each change of a Deployment's size, with the time at which it arrived here (seconds since the epoch)."""

    def __init__(self) -> None:
        self._changes: dict[str, list[tuple[float, int]]] = {}

    def take(self, line: str, now: float) -> None:
        """Note what a Deployment is asked for: its name and a number; a repetition is no change."""
        name, replicas = line.split()
        changes = self._changes.setdefault(name, [])
        if not changes or changes[-1][1] != int(replicas):
            changes.append((now, int(replicas)))

    def since(self, name: str, moment: float) -> list[tuple[float, int]]:
        """The changes of a Deployment from a moment on, the first first."""
        return [change for change in self._changes.get(name, []) if change[0] >= moment]

    def first(self, name: str, moment: float, workers: int) -> float | None:
        """When it was first asked to have so many workers, from a moment on; None if it was not."""
        return next((at for at, replicas in self.since(name, moment) if replicas >= workers), None)

    def now(self, name: str) -> int:
        """What it is asked to have; 0 for one that was never seen."""
        changes = self._changes.get(name)
        return changes[-1][1] if changes else 0


@contextlib.contextmanager
def replica_trail(plane: ControlPlane, namespace: str) -> Iterator[ReplicaTrail]:
    """The trail of all Deployments of a namespace, for the time of the block."""
    # Of a list in chunks kubectl prints each chunk as one object, without the Deployments in it.
    options = ["get", "deployments", "--watch", "--chunk-size=0", "--namespace", namespace]
    options += ["--output", f"jsonpath={FORMAT}"]
    command = [str(plane.tools / "kubectl"), f"--kubeconfig={plane.kubeconfig}", *options]
    trail = ReplicaTrail()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as watch:
        reader = threading.Thread(target=_read, args=(watch, trail), daemon=True)
        reader.start()
        try:
            yield trail
        finally:
            watch.kill()
            reader.join()


def _read(watch: "subprocess.Popen[str]", trail: ReplicaTrail) -> None:
    for line in watch.stdout or ():
        trail.take(line, time.time())
