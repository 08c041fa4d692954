import os
import subprocess
import sys

from tests.adversary import faults
from tests.adversary import plan as plans
from tests.adversary.plan import FAMILIES, Scenario
from tests.adversary.world import World, play
from tests.support.controlplane import REPOSITORY

SEED, HOURS = 40, 0.16
HASHES = ("1", "2")
"""Fixed, so that what fails does so each time; the names of the pools come in another order in a set by each."""
SAYS = (
    "from tests.adversary.test_deterministic import world\n"
    "print(world().fingerprint())\n"
)  # fmt: skip


def world() -> World:
    """Of a world with two fleets in which everything may go wrong; two replicas take turns in it."""
    plan = plans.drawn(SEED, HOURS, list(FAMILIES))
    assert any(fault.kind.startswith(faults.OF_LEADERS) for fault in plan)
    return play(Scenario(SEED, HOURS, plan, neighbour=True))


def test_the_same_seed_is_the_same_world_whatever_the_hashes_and_the_machine() -> None:
    command = [sys.executable, "-c", SAYS]
    played = [
        subprocess.Popen(  # noqa: S603 - ourselves
            command, cwd=REPOSITORY, env={**os.environ, "PYTHONHASHSEED": it}, text=True, stdout=subprocess.PIPE
        )
        for it in HASHES
    ]
    said = [it.communicate()[0].strip() for it in played]
    assert [it.returncode for it in played] == [0] * len(HASHES)
    assert len(set(said)) == 1, said
