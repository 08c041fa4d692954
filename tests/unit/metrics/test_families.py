"""The metrics as Prometheus' own linter sees them: names, units and help by its conventions."""

from dataclasses import replace
from datetime import timedelta

from prometheus_client import generate_latest

from tests.support.metrics_looks import BUSY, FLEET, Shown, figures, worker
from tests.support.pools import NOW, fleet
from tests.support.prometheus import promtool
from utilitarian_operator.core.forecast.news import Watched
from utilitarian_operator.core.observation.model.figures import Source
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.runs.run_state import Outcome, PastRun

SPEC = fleet({"name": "p", "schedule": [{"name": "run", "start": "0 12 * * *"}]}, maxWorkers=4)
POOL = PoolSnapshot({"q": Present(3, 1, 2)}, 2, (worker(BUSY, completed=3),), 1, arrived=4)


def test_promtool_finds_nothing_to_say_of_what_is_served() -> None:
    shown = Shown()
    look = figures(SPEC, {"p": POOL}, {"p": Memory(slot_seconds=9.0, completions=3.0, start_up_s=2.0)})
    snapshot = replace(look.snapshot, sources=(Source("depths", timedelta()),))
    shown.metrics.looked(FLEET, snapshot, look.decisions, look.findings)
    shown.metrics.flow.looked(FLEET, look)
    shown.metrics.runs.watched(FLEET, SPEC, Watched(ended=(("p", PastRun("run", NOW, NOW, None, Outcome.DONE)),)))
    shown.metrics.conditions(FLEET, [{"type": "Ready", "status": "True", "reason": "Working"}])
    shown.metrics.ticked(FLEET, timedelta(milliseconds=5))
    served = generate_latest(shown.registry).decode()
    assert len(served) > 10_000
    assert promtool("check", "metrics", reads=served) == ""


def test_a_pool_has_about_seventy_series() -> None:
    """What a Prometheus pays for it: docs/metrics.md says so."""

    def series(pools: int) -> int:
        names = [f"p{number}" for number in range(pools)]
        spec = fleet(*({"name": it, "schedule": [{"name": "run", "start": "0 12 * * *"}]} for it in names))
        shown, look = Shown(), figures(spec, dict.fromkeys(names, POOL))
        shown.metrics.looked(FLEET, look.snapshot, look.decisions, look.findings)
        shown.metrics.flow.looked(FLEET, look)
        shown.metrics.runs.watched(FLEET, spec, Watched())
        samples = [it for metric in shown.registry.collect() for it in metric.samples]
        return sum(not it.name.endswith("_created") for it in samples)

    assert 65 <= series(2) - series(1) <= 75
