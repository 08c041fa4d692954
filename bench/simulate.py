"""What the documented fleet costs and keeps over months and days of its load, played in virtual time; prints JSON.

`make bench BENCH=simulate` plays all parts, half an hour of CPU; `python -m bench.simulate month:1 spread` two.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import process_time
from typing import Any, Literal

import yaml

from bench.machine import machine
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.simulation.load.workload import Load, StartUp, read_load
from utilitarian_operator.simulation.oracle import play_oracle
from utilitarian_operator.simulation.play import Scene, play, scene
from utilitarian_operator.simulation.report.advice import Search
from utilitarian_operator.simulation.report.measure import PolicyResult, measured

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
DAYS = 31
SEEDS = (1, 2, 3)
TIMES = (0.3, 1.0, 3.0, 10.0)
SPREAD = StartUp(median=timedelta(seconds=8), p95=timedelta(seconds=20))
PARTS = (*(f"month:{seed}" for seed in SEEDS), "spread", *(f"times:{times:g}" for times in TIMES), "hard", "advice")


def main() -> None:
    """Play the parts that were asked for, or all."""
    print(json.dumps(machine()), flush=True)
    for part in sys.argv[1:] or PARTS:
        name, _, value = part.partition(":")
        for row in _BY_NAME[name](float(value or 1)):
            print(json.dumps({"bench": "simulate", "part": part, **row}), flush=True)


def _month(seed: float) -> list[dict[str, Any]]:
    """The typical month: ours, timed, beside an oracle and KEDA with its defaults and as an expert sets it."""
    begin = process_time()
    stage = _typical(DAYS, int(seed))
    ours = _played("utilitarian", stage)
    took = process_time() - begin
    played, bounds = play_oracle(stage)
    oracle = measured("oracle", played, stage, bounds)
    keda = [_played(policy, stage) for policy in ("keda", "keda-tuned")]
    row = {
        "tasks": sum(len(tasks.at) for tasks in stage.tasks.values()),
        "cpu_s": round(took, 1),
        "times_oracle": round(ours.hours / oracle.hours, 3),
        "times_bound": round(ours.hours / sum(pool.bound for pool in oracle.pools.values()), 3),
        "times_keda": round(ours.hours / min(it.hours for it in keda), 3),
    }
    return [row, *(_row(it, stage) for it in (ours, oracle, *keda))]


def _spread(_: float) -> list[dict[str, Any]]:
    """The same month with start-ups that differ."""
    stage = _typical(DAYS, 1)
    load = stage.load.model_copy(update={"start_up": SPREAD})
    return [_row(_played("utilitarian", replace(stage, load=load)), stage)]


def _times(times: float) -> list[dict[str, Any]]:
    """A day of the pools that wake when due, at so many times the load, beside the same pools waking at once."""
    fleet = _fleet("production")
    fleet = replace(fleet, pools=tuple(pool for pool in fleet.pools if pool.scaling.wake == "WhenDue"))
    load = _multiplied(read_load(EXAMPLES / "load-typical.yaml", _fleet("production")), times)
    stage = scene(fleet, load, days=1, seed=1, folder=EXAMPLES)
    return [{"wake": wake, **_row(_played("utilitarian", _all(stage, wake)), stage)} for wake in ("AtOnce", "WhenDue")]


def _hard(_: float) -> list[dict[str, Any]]:
    """A day of each hard load, with both ways to wake."""
    fleet = _fleet("hard")
    stage = scene(fleet, read_load(EXAMPLES / "load-hard.yaml", fleet), days=None, seed=1, folder=EXAMPLES)
    rows = []
    for wake in ("AtOnce", "WhenDue"):
        result = _played("utilitarian", _all(stage, wake))
        rows += [
            {
                "wake": wake,
                "pool": pool.name,
                "worker_hours": round(pool.hours, 2),
                "promises_kept": round(pool.promises.kept / pool.promises.given, 5),
                "starts": pool.starts,
                "interrupted": pool.interrupted,
            }
            for pool in result.pools.values()
        ]
    return rows


def _advice(_: float) -> Iterator[dict[str, Any]]:
    """What is advised for each hard load, a day of it, and for each pool of the typical one, three days."""
    for resource, load, days in (("hard", "load-hard", 1.0), ("production", "load-typical", 3.0)):
        fleet = _fleet(resource)
        for pool in fleet.pools:
            alone = replace(fleet, pools=(pool,))
            stage = scene(alone, read_load(EXAMPLES / f"{load}.yaml", fleet), days=days, seed=1, folder=EXAMPLES)
            found = Search(stage, None).advise(_played("utilitarian", stage))
            yield {
                "load": resource,
                "pool": pool.name,
                "worker_hours": [round(it.hours, 2) for it in (found.before, found.after)],
                "promises_kept": [it.kept / it.promised if it.promised else None for it in (found.before, found.after)],
                "wait_p95_s": [[round(p95, 1) for _, p95 in it.waits] for it in (found.before, found.after)],
                "changes": [str(field) for change in found.changes for field in change.fields],
            }


def _typical(days: float, seed: int) -> Scene:
    fleet = _fleet("production")
    return scene(fleet, read_load(EXAMPLES / "load-typical.yaml", fleet), days=days, seed=seed, folder=EXAMPLES)


def _fleet(name: str) -> Fleet:
    return effective_fleet(accept(yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())).spec)


def _all(stage: Scene, wake: Literal["AtOnce", "WhenDue"]) -> Scene:
    pools = (replace(pool, scaling=replace(pool.scaling, wake=wake)) for pool in stage.fleet.pools)
    return replace(stage, fleet=replace(stage.fleet, pools=tuple(pools)))


def _multiplied(load: Load, times: float) -> Load:
    """The load with so many times the tasks in each stream."""
    queues = {
        name: queue.model_copy(update={"arrivals": tuple(_stream(stream, times) for stream in queue.arrivals)})
        for name, queue in load.queues.items()
    }
    return load.model_copy(update={"queues": queues})


def _stream(stream: Any, times: float) -> Any:
    field = next(field for field in ("tasks", "poisson", "rate") if getattr(stream, field, None) is not None)
    value = getattr(stream, field) * times
    return stream.model_copy(update={field: round(value) if field == "tasks" else value})


def _played(policy: str, stage: Scene) -> PolicyResult:
    return measured(policy, play(policy, stage), stage)


def _row(result: PolicyResult, stage: Scene) -> dict[str, Any]:
    return {
        "policy": result.policy,
        "worker_hours": round(result.hours, 1),
        "idle_hours": round(result.idle, 1),
        "deadlines": result.deadlines,
        "deadlines_met": result.deadlines_met,
        "promised": result.promised,
        "promises_kept": result.kept,
        "interrupted": result.interrupted,
        "wait_p95_s": round(result.promised_wait_p95, 1),
        "starts": result.starts,
        "starts_an_hour": round(result.starts / stage.days / 24, 1),
    }


_BY_NAME: dict[str, Callable[[float], Iterable[dict[str, Any]]]] = {
    "month": _month,
    "spread": _spread,
    "times": _times,
    "hard": _hard,
    "advice": _advice,
}

if __name__ == "__main__":
    main()
