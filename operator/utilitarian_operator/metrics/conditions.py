"""The conditions of fleets, as metrics: one series for each type, with its present reason."""

from collections.abc import Mapping, Sequence
from typing import Any

from utilitarian_operator.metrics.series import Board, Figures, FleetLabels

CONDITIONS = "/conditions"
"""The part of a fleet's board that is shown here: no pool can be called so."""

_VALUES = {"True": 1.0, "False": 0.0}


class ConditionMetrics:
    """The conditions of all fleets of one operator.

    Args:
        board: where their figures are shown, and taken away.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._condition = board.gauge(
            "condition",
            "A condition of the resource: 1 while it is `True`, 0 while it is `False`, absent while it is `Unknown`; "
            "one series for each `type`, with the `reason` that it has now (status.md)",
            ("namespace", "fleet", "type", "reason"),
        )

    def told(self, fleet: FleetLabels, conditions: Sequence[Mapping[str, Any]]) -> None:
        """Show these conditions, and no others any more.

        Args:
            fleet: namespace and name.
            conditions: as they stand in a status.
        """
        labels = ((it, (*fleet, it["type"], it["reason"])) for it in conditions)
        figures: Figures = {(self._condition, where): _VALUES.get(it["status"]) for it, where in labels}
        self._board.show(fleet, CONDITIONS, figures)
