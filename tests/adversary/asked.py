"""A person who asks the CLI now and then how the fleet is, and why each pool has its size."""

import copy
import traceback
from typing import Any

from tests.adversary.people import RESOURCES
from utilitarian_operator.cli import explain, status
from utilitarian_operator.cli.output import Format
from utilitarian_operator.cli.readable_status import readable
from utilitarian_operator.cli.resources import Found

EACH_S = 60.0


class Asked:
    """Watches a world.

    Args:
        world: whose resource is asked for, as it is stored.
    """

    def __init__(self, world: Any) -> None:
        self._world = world

    def look(self) -> None:
        """Ask both, and read the answers."""
        world = self._world
        stored = world.server.get(RESOURCES, world.name)
        if stored is None:
            return
        try:
            resource, _ = readable(copy.deepcopy(stored))
            found, now = Found([resource]), world.machine.true()
            answers = [status.printed(found, [resource], Format.WIDE, now)]
            answers += [text for _, text in explain.of_each_pool(found, resource, Format.WIDE, now)]
        except Exception as error:  # noqa: BLE001 - whatever it is, a person would see it
            where = traceback.extract_tb(error.__traceback__)[-1]
            world.invariants.breach(
                "exception", f"the CLI: {error!r} at {where.filename.rpartition('/')[2]}:{where.lineno}"
            )
            return
        for answer in answers:
            for line in answer.splitlines():
                world.invariants.readable(line)
