"""Keeps ports of a cluster that was there open on this machine, by kubectl in the background; ends only its own."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

from hack import tools
from hack.cluster import Cluster
from hack.failure import Failure
from hack.places import BUILD

OPEN_WITHIN = 20.0  # seconds
PID = BUILD / "forwarding.pid"
LOG = BUILD / "forwarding.log"


def start(cluster: Cluster, namespace: str, target: str, ports: dict[str, int]) -> dict[str, int]:
    """Open loopback ports of the kernel's choice for these ports of a Service; returns them by the same names."""
    stop()
    command = [str(tools.program("kubectl")), "--kubeconfig", str(cluster.kubeconfig), "--context", cluster.context]
    command += ["port-forward", "--namespace", namespace, target, *(f":{port}" for port in ports.values())]
    with LOG.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    PID.write_text(str(process.pid))
    deadline = time.monotonic() + OPEN_WITHIN
    while True:
        found = {int(inner): int(outer) for outer, inner in re.findall(r"127\.0\.0\.1:(\d+) -> (\d+)", LOG.read_text())}
        if set(ports.values()) <= set(found):
            return {name: found[port] for name, port in ports.items()}
        if process.poll() is not None or time.monotonic() > deadline:
            stop()
            raise Failure(f"kubectl port-forward to {target} did not open its ports:\n{LOG.read_text()[-500:]}")
        time.sleep(0.1)


def stop() -> None:
    """End the forwarding that `start` left running, if it is still that process."""
    try:
        pid = int(PID.read_text())
        if b"port-forward" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        pass  # nothing runs
    PID.unlink(missing_ok=True)
