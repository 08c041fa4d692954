"""Refuses early, in one sentence, what would fail later half-way; it reads the machine and changes nothing."""

import os
import re
import shutil
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from hack.failure import Failure

GIGABYTE = 1024**3
ROOM_NEEDED = 8 * GIGABYTE
TEST_CONTEXT = re.compile(r"^(kind-|minikube|k3d-|docker-desktop)|test")


def check_platform() -> None:
    """Refuse another system than Linux, where neither an engine nor the fast tier can run.

    Raises:
        Failure: it is not Linux.
    """
    if sys.platform != "linux":
        raise Failure(f"the test bed runs on Linux only, and this is {sys.platform}; use a Linux machine or VM")


def check_root(what: str) -> None:
    """Refuse to do as a user what only root can.

    Raises:
        Failure: this process is not root.
    """
    if os.geteuid() != 0:
        raise Failure(
            f"{what}, which only root can do; run this as root, or start a Docker engine that this user may use"
        )


def check_room(folder: Path, needed: int = ROOM_NEEDED) -> None:
    """Refuse a disk that is too full for what will be built.

    Raises:
        Failure: less than `needed` bytes are free where `folder` is.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Failure(too_little_room(folder, free, needed))


def too_little_room(folder: Path, free: int, needed: int) -> str:
    """The sentence for a full disk; sizes in bytes."""
    return (
        f"{folder} has {free / GIGABYTE:.1f} GB free and the test bed needs {needed / GIGABYTE:.0f} GB; "
        "free some, or set XDG_CACHE_HOME to a larger disk"
    )


def check_ports(ports: Iterable[int]) -> None:
    """Refuse loopback ports that have a listener.

    Raises:
        Failure: one of them is in use.
    """
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise Failure(f"port {port} on 127.0.0.1 is in use; end what listens there or choose another") from None


def check_context(context: str, allowed: str | None) -> None:
    """Refuse a cluster that does not look like one for tests, unless its context is named on purpose.

    Raises:
        Failure: the context's name says nothing of tests and differs from `allowed`.
    """
    if not context:
        raise Failure("CLUSTER=existing needs a kubeconfig with a current context; set KUBECONFIG")
    if TEST_CONTEXT.search(context) is None and context != allowed:
        raise Failure(
            f"the context {context!r} does not look like a test cluster, and the test bed installs and deletes things "
            f"in it; if that is meant, say ALLOW_CLUSTER={context}"
        )
