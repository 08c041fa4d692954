"""How long a month of the documented fleet takes to simulate, and whether it keeps what it promises; prints JSON."""

import json
from pathlib import Path
from time import process_time

import yaml

from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.simulation.load.workload import read_load
from utilitarian_operator.simulation.oracle import play_oracle
from utilitarian_operator.simulation.play import play, scene
from utilitarian_operator.simulation.report.measure import measured

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
DAYS = 31


def main() -> None:
    """Play the typical month, ours timed, the oracle beside it."""
    fleet = effective_fleet(accept(yaml.safe_load((EXAMPLES / "production.yaml").read_text())).spec)
    path = EXAMPLES / "load-typical.yaml"
    begin = process_time()
    stage = scene(fleet, read_load(path, fleet), days=DAYS, seed=1, folder=EXAMPLES)
    ours = measured("utilitarian", play("utilitarian", stage), stage)
    took = process_time() - begin
    played, bounds = play_oracle(stage)
    oracle = measured("oracle", played, stage, bounds)
    row = {
        "bench": "simulate",
        "days": DAYS,
        "queues": len(stage.load.queues),
        "tasks": sum(len(tasks.at) for tasks in stage.tasks.values()),
        "cpu_s": round(took, 1),
        "deadlines": ours.deadlines,
        "deadlines_met": ours.deadlines_met,
        "promises_kept": round(ours.kept / ours.promised, 5),
        "interrupted": ours.interrupted,
        "worker_hours": round(ours.hours, 1),
        "times_oracle": round(ours.hours / oracle.hours, 3),
        "times_bound": round(ours.hours / sum(pool.bound for pool in oracle.pools.values()), 3),
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main()
