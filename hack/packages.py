"""Installs missing Debian packages where possible, or names them in one sentence; starts none of their services."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hack.commands import run, succeeds
from hack.console import step
from hack.failure import Failure

POLICY = Path("/usr/sbin/policy-rc.d")

# program or file -> the package of Debian 12 that has it
ENGINE = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "jq": "jq",
}
BASE = {"debootstrap": "debootstrap"}
PYTHON = {"/usr/share/python-wheels": "python3-venv"}
FAST_TIER = {"openssl": "openssl", "/usr/lib/rabbitmq/bin/rabbitmq-server": "rabbitmq-server"}
MONITORING = {"prometheus": "prometheus"}
DRAWING = {"chromium": "chromium", "/usr/share/fonts/truetype/dejavu": "fonts-dejavu-core"}


def missing(needs: dict[str, str]) -> list[str]:
    """The packages whose program (or file, where a path is given) is not on this machine."""
    return sorted({package for program, package in needs.items() if not _there(program)})


def _there(program: str) -> bool:
    if program.startswith("/"):
        return Path(program).exists()
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is not None


def ensure(*needs: dict[str, str]) -> None:
    """Have the programs installed: by apt where this is Debian and we are root.

    Raises:
        Failure: something is missing and can't be installed from here.
    """
    wanted = sorted({package for need in needs for package in missing(need)})
    if wanted:
        install(wanted)


def install(packages: Iterable[str]) -> None:
    """Install packages by apt, keeping the services among them from being started.

    Raises:
        Failure: not root, not Debian, or apt fails.
    """
    names = list(packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Failure(f"these packages are missing: {', '.join(names)}; install them (as root on Debian they would be)")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with step(f"installing {', '.join(names)} with apt"), _services_held_back():
        run("apt-get", "update", "-q", env=quiet, remedy="Is there a network, and are the apt sources right?")
        run("apt-get", "install", "-y", "-q", "--no-install-recommends", *names, env=quiet)


@contextmanager
def _services_held_back() -> Iterator[None]:
    """Let packages' scripts start nothing for the time of the block: invoke-rc.d asks this file."""
    before = (POLICY.read_bytes(), POLICY.stat().st_mode) if POLICY.exists() else None
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        if before is None:
            POLICY.unlink()
        else:
            POLICY.write_bytes(before[0])
            POLICY.chmod(before[1])


def can_make_venv() -> bool:
    """Whether this Python can make a virtual environment with pip in it."""
    return succeeds("python3", "-c", "import ensurepip, venv")
