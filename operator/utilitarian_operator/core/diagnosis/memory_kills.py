"""What is learned from a worker that was killed at its memory limit: that this is what it may need."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.units import parse_quantity
from utilitarian_operator.core.diagnosis.pod_losses import Cause, PodLoss
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.usage import killed


def with_kills(
    fleet: Fleet, memories: Mapping[str, Memory], losses: Iterable[PodLoss], now: datetime
) -> Mapping[str, Memory]:
    """The memories with the figure that workers were killed at; without a limit it was their node that had no more.

    Args:
        fleet: what runs.
        memories: by pool name.
        losses: that are new.
        now: the one clock.
    """
    slots = {pool.name: pool.worker.concurrency for pool in fleet.pools}
    changed = dict(memories)
    for it in losses:
        if it.cause == Cause.OOM_KILLED and it.memory_limit is not None and it.pool in slots and it.pool in changed:
            memory = changed[it.pool]
            usage = killed(memory.usage, slots[it.pool], float(parse_quantity(it.memory_limit)), now)
            changed[it.pool] = replace(memory, usage=usage)
    return changed
