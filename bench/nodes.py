"""A node whose pods run nothing: kwok says of each that it is ready, and ends it when it is deleted."""

import contextlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from hack import tools
from hack.commands import run
from tests.support.controlplane import ControlPlane
from tests.support.ports import LOOPBACK, free_port
from tests.support.processes import Process
from tests.support.waiting import wait_until
from utilitarian_operator.api.objects import Object

NODE = "kwok"
ON_IT: Object = {"spec": {"nodeName": NODE}}
"""Of a pod's template, since no scheduler is there."""

STAGES = ("node/fast/node-initialize", "pod/fast/pod-ready", "pod/fast/pod-delete")
"""What becomes of nodes and pods, of kwok's own files."""

READY_WITHIN = timedelta(minutes=2)


@contextlib.contextmanager
def node(plane: ControlPlane, folder: Path) -> Iterator[Process]:
    """The node, for the time of the block.

    Args:
        plane: that it belongs to.
        folder: for its log.
    """
    command = [
        str(tools.program("kwok")),
        f"--kubeconfig={plane.kubeconfig}",
        f"--server-address={LOOPBACK}:{free_port()}",
        *(f"--config={_sources()}/kustomize/stage/{name}.yaml" for name in STAGES),
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=40",
    ]
    with Process("kwok", command, log=folder / "kwok.log") as process:
        plane.request("POST", "/api/v1/nodes", {"metadata": {"name": NODE}})
        wait_until(lambda: _is_ready(plane), within=READY_WITHIN, describe=process.tail)
        yield process
        plane.request("DELETE", f"/api/v1/nodes/{NODE}")


def _sources() -> Path:
    """The folder of kwok's own sources."""
    folder = tools.group_of("kwok").folder
    return Path(json.loads(run("go", "mod", "download", "-json", "sigs.k8s.io/kwok", cwd=folder))["Dir"])


def _is_ready(plane: ControlPlane) -> bool:
    conditions = plane.request("GET", f"/api/v1/nodes/{NODE}").get("status", {}).get("conditions", [])
    return any(it["type"] == "Ready" and it["status"] == "True" for it in conditions)
