"""The Grafana dashboards of the chart, as the files that they are in it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hack.observability.fleet_board import fleet
from hack.observability.operator_board import operator
from hack.observability.panels import made
from hack.observability.queue_board import queue
from hack.observability.runs_board import runs
from hack.places import ROOT

FOLDER = ROOT / "charts" / "utilitarian-operator" / "dashboards"
BOARDS = (fleet, queue, runs, operator)


def boards() -> dict[str, dict[str, Any]]:
    """Each dashboard as Grafana imports it, by its uid."""
    return {board.uid: made(board) for board in (it() for it in BOARDS)}


def files() -> Mapping[Path, str]:
    """The text of each file."""
    return {FOLDER / f"{uid}.json": json.dumps(board, indent=2) + "\n" for uid, board in boards().items()}
