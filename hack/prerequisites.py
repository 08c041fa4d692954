"""Installs what the tests need from the system's packages before they start; it starts nothing."""

import os
import sys

from hack import packages, preflight
from hack.console import exit_code
from hack.engine import check_startable, running


def ensure() -> None:
    """Have the broker, Prometheus and openssl, and what an engine and base images need where none answers.

    Raises:
        Failure: something is missing and can't be installed, or the machine can't do it.
    """
    preflight.check_platform()
    needs = [packages.FAST_TIER, packages.MONITORING]
    if os.environ.get("CLUSTER") != "existing" and running() is None:
        check_startable()
        needs += [packages.ENGINE, packages.BASE]
    packages.ensure(*needs)


def ensure_for_pictures() -> None:
    """Have what draws the dashboards, and the broker and Prometheus that give them figures; no engine.

    Raises:
        Failure: something is missing and can't be installed.
    """
    packages.ensure(packages.FAST_TIER, packages.MONITORING, packages.DRAWING)


if __name__ == "__main__":
    sys.exit(exit_code(ensure_for_pictures if sys.argv[1:] == ["pictures"] else ensure))
