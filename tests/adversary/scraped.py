"""A world that is scraped as by Prometheus: what the operator in it shows, as series for `promtool test rules`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.adversary.world import World

STEP_S = 15
NO_CLOCK = "utilitarian_operator_last_tick_timestamp_seconds"
"""Promtool's clock begins at 0, and the world's does not."""


class Scraped(World):
    """A world with a Prometheus in it.

    Args:
        seed, plan, hours: as those of a world.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.series: dict[str, dict[int, float]] = {}

    def _prepare(self) -> None:
        super()._prepare()
        self._began = self.machine.true().timestamp()
        self.rabbit.every(STEP_S, self._scrape)

    def _scrape(self) -> None:
        process = self.process
        if process.dead or not process.lead:
            return
        at = round(self.loop.at / STEP_S)
        for metric in process.registry.collect():
            for it in metric.samples:
                labels = {**it.labels, "pod": f"operator-{process.lead}"}
                name = f"{it.name}{{{','.join(f'{key}={json.dumps(value)}' for key, value in sorted(labels.items()))}}}"
                value = it.value - self._began if it.name == NO_CLOCK else it.value
                self.series.setdefault(name, {})[at] = value


def rule_test(series: Mapping[str, Mapping[int, float]], rules: Path, into: Path) -> Path:
    """A test for promtool that expects no alert to have fired."""
    steps = max(at for of in series.values() for at in of) + 1
    shown = [
        {"series": name, "values": " ".join(repr(of[at]) if at in of else "_" for at in range(steps))}
        for name, of in series.items()
    ]
    asked = f'sum by (alertname, pool, run, reason) (count_over_time(ALERTS{{alertstate="firing"}}[{steps * STEP_S}s]))'
    test = {
        "interval": f"{STEP_S}s",
        "input_series": shown,
        "promql_expr_test": [{"expr": asked, "eval_time": f"{(steps - 1) * STEP_S}s", "exp_samples": []}],
    }
    into.write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": f"{STEP_S}s", "tests": [test]}))
    return into
