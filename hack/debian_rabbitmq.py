"""A Debian suite's RabbitMQ in a folder of the cache, to be run with that folder as its root; it starts nothing."""

import platform
from pathlib import Path

from hack import base, packages, preflight
from hack.console import step
from hack.places import key_of, published

PACKAGE = "rabbitmq-server"


def root(suite: str) -> Path:
    """A folder with a minimal Debian and the suite's RabbitMQ; made where it is not there.

    Args:
        suite: of Debian: `trixie` has RabbitMQ 4.0, `sid` the newest.

    Raises:
        Failure: not root, debootstrap missing, no mirror known, or no network.
    """
    return published(
        f"rabbitmq-{suite}", key_of(suite, PACKAGE, platform.machine()), lambda folder: _make(suite, folder)
    )


def _make(suite: str, folder: Path) -> None:
    preflight.check_root("another RabbitMQ must be installed with debootstrap")
    packages.ensure(packages.BASE)
    with step(f"installing the RabbitMQ of Debian {suite}"):
        base.debootstrap(folder, suite, (PACKAGE,))
