"""One pool as it is played: its workers, what its engine remembers, and when it was last looked at."""

from dataclasses import dataclass, field
from math import inf

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.sizing.decision import Decision, Rule, Step, start
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.simulation.pool_model import Workers
from utilitarian_operator.simulation.worker import DRAINING, LEAVING, SERVING, STARTING

TICK_S = 1.0
"""Seconds between two looks of the operator."""

NOT_LOOKED_AT = start(Step(Rule.DEMAND, 0, 0, "not looked at yet"))


@dataclass(slots=True)
class Lane:
    """One pool as it is played.

    Args:
        pool: the effective spec.
        workers: the model.
        memory: the engine's.
        own: what was last decided for it by itself.
        opens: when the next schedule opens, seconds.
    """

    pool: Pool
    workers: Workers
    memory: Memory = field(default_factory=Memory)
    own: Decision = NOT_LOOKED_AT
    opens: float = -inf
    looked_at: float = 0.0
    arrived: int = 0
    completed: int = 0
    used: float = 0.0
    pace: float = TICK_S
    seconds: float = 0.0
    coasted: bool = False
    rules: dict[str, int] = field(default_factory=dict)

    @property
    def samples(self) -> list[tuple[float, int, int]]:
        """Of the model: a look adds one, as does a worker that goes."""
        return self.workers.samples

    @property
    def current(self) -> int:
        """Workers asked for now."""
        in_each = self.workers.in_each
        return in_each[STARTING] + in_each[SERVING]

    @property
    def draining(self) -> int:
        """Workers on their way out."""
        in_each = self.workers.in_each
        return in_each[DRAINING] + in_each[LEAVING]

    @property
    def returnable(self) -> int:
        """Those of them that hold tasks: they are taken back before new ones are started."""
        return self.workers.in_each[DRAINING]
