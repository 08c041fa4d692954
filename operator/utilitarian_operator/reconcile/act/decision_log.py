"""Says in the log why a pool has its size: once when that changes, and nothing while it lasts."""

import logging
from collections.abc import Mapping

from utilitarian_operator.adapters.cluster.cache import Key
from utilitarian_operator.core.sizing.decision import Decision

logger = logging.getLogger(__name__)

Said = tuple[int, tuple[str, ...]]
"""Workers wanted, and the rules that spoke; their figures change with each message, which makes no other decision."""


class DecisionLog:
    """What was said last of each pool."""

    def __init__(self) -> None:
        self._said: dict[Key, dict[str, Said]] = {}

    def decided(self, key: Key, decisions: Mapping[str, Decision]) -> None:
        """Log the decisions that are others than at the look before, each with its whole trail.

        Args:
            key: of the fleet.
            decisions: of this look, by pool; a pool that is not among them any more is forgotten.
        """
        before = self._said.get(key, {})
        now = self._said[key] = {pool: _said(it) for pool, it in decisions.items()}
        for pool, said in now.items():
            if said != before.get(pool):
                about = {"fleet": str(key), "pool": pool, "workers": said[0], "rule": decisions[pool].rule}
                logger.info("decision changed", extra={**about, "trail": _trail(decisions[pool])})

    def forget(self, key: Key) -> None:
        """Drop what was said of a fleet that is gone."""
        self._said.pop(key, None)


def _said(decision: Decision) -> Said:
    return decision.replicas, tuple(step.rule for step in decision.trail)


def _trail(decision: Decision) -> str:
    return "; ".join(f"{step.rule} {step.before} to {step.after}: {step.because}" for step in decision.trail)
