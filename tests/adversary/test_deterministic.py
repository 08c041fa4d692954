import os
import subprocess
import sys

from tests.adversary import plan as plans
from tests.adversary.plan import FAMILIES
from tests.adversary.world import play
from tests.support.controlplane import REPOSITORY

SEED, HOURS = 11, 0.16
SAYS = (
    "from tests.adversary.test_deterministic import fingerprint\n"
    "print(fingerprint())\n"
)  # fmt: skip


def fingerprint() -> str:
    """Of a world in which everything may go wrong."""
    return play(SEED, plans.drawn(SEED, HOURS, list(FAMILIES)), HOURS).fingerprint()


def test_the_same_seed_is_the_same_world_whatever_the_hashes() -> None:
    here = fingerprint()
    command = [sys.executable, "-c", SAYS]
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    there = subprocess.run(command, cwd=REPOSITORY, env=environment, text=True, capture_output=True, check=True)  # noqa: S603 - ourselves
    assert there.stdout.strip() == here
