"""A world of a day: runs of the night in the fleet's own time zone, and what the operator holds from hour to hour.

`python -m tests.adversary.day --seed 20 --hours 24 --faults 40` plays one and prints what was held.
"""

import argparse
import gc
import random
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from tests.adversary import fleet, growth
from tests.adversary import plan as plans
from tests.adversary.api_server import Object
from tests.adversary.invariants import Breach
from tests.adversary.run import shown
from tests.adversary.world import World

ZONE = "Europe/Stockholm"
BEGINS = (
    datetime(2026, 3, 28, 6, tzinfo=UTC),
    datetime(2026, 10, 24, 6, tzinfo=UTC),
    datetime(2026, 12, 31, 6, tzinfo=UTC),
)
"""The hour is set forward in the night that follows, or back, or a year ends: by seed."""
AT_NIGHT = {"midnight": (0, 2), "morning": (3, 10)}
"""Runs by name, each at an hour and minute of that zone; the clocks are set between the two."""
WORKERS, SAMPLED_EACH_S, COLLECTED_EACH_S = 2, 1800, 3600
DONE_IN_S = 240.0
"""A run of the night is over by then, and the fleet at rest."""


class Day(World):
    """A world that crosses midnight.

    Args:
        seed, plan, hours: as those of a world.
    """

    def __init__(self, *arguments: Any, begins: datetime | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.loop.start = begins or BEGINS[self.seed % len(BEGINS)]
        self.samples: list[growth.Held] = []
        self.opened: dict[str, int] = {}
        """Workers that each run of the night had been asked for by its start, where `maxWorkers` left room for them."""

    def _fleet(self, **options: Any) -> Object:
        made = super()._fleet(**options)
        runs = next(it for it in made["spec"]["pools"] if it["name"] == "runs")
        runs["schedule"] += [
            {
                "name": name,
                "start": f"{minute} {hour} * * *",
                "workers": WORKERS,
                "warmUp": "30s",
                "finishWithin": "10m",
            }
            | {"timeZone": ZONE}
            for name, (hour, minute) in AT_NIGHT.items()
        ]
        return made

    def _send_tasks(self) -> None:
        super()._send_tasks()
        rng = random.Random(self.seed * 17 + 9)
        for name, at in self.nights():
            run = [(rng.uniform(0, 5), rng.uniform(1, 8)) for _ in range(20)]
            self.loop.call_later(at, self.beat.due, partial(fleet.send_a_run, self, run))
            self.loop.call_later(at, self._opens, name)
        self.rabbit.every(SAMPLED_EACH_S, self._sample)
        self.rabbit.every(COLLECTED_EACH_S, _collect)

    def nights(self) -> Iterator[tuple[str, float]]:
        """The runs of the night, each with when it is due: seconds since the world began."""
        first = self.loop.start.astimezone(ZoneInfo(ZONE))
        for day in range(2):
            for name, (hour, minute) in AT_NIGHT.items():
                local = (first + timedelta(days=day)).replace(hour=hour, minute=minute, second=0)
                at = (local.astimezone(UTC) - self.loop.start).total_seconds()
                if 0 < at < self.length - DONE_IN_S:
                    yield name, at

    def _opens(self, name: str) -> None:
        asked = {it: body["spec"].get("replicas", 1) for it, body in self.server.objects["deployments"].items()}
        there = asked.get(f"{self.name}-runs", 0)
        self.log(f"run {name} is due, {there} of {sum(asked.values())} workers are for it")
        if there >= WORKERS or sum(asked.values()) < self.spec["maxWorkers"]:
            self.opened[name] = there

    def _sample(self) -> None:
        if not self.process.dead and self.process.lead:
            self.samples.append(growth.held(self.process, self.loop.at, self.status))


def played(seed: int, hours: float, faults: int, families: Sequence[str], begins: datetime | None = None) -> Day:
    """A day that has come to its end."""
    plan = plans.drawn(seed, hours, families, most=faults) if faults else ()
    world = Day(seed, plan, hours, begins=begins)
    gc.disable()
    try:
        world.play()
    finally:
        gc.enable()
    return world


def _collect() -> None:
    gc.collect()


def main(arguments: Sequence[str] | None = None) -> int:
    """Play a day, and print what was held and found; 1 if anything was."""
    parser = argparse.ArgumentParser(description="Play a day.")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--faults", type=int, default=0, help="at most")
    parser.add_argument("--families", default=",".join(plans.FAMILIES))
    asked = parser.parse_args(arguments)
    began = time.process_time()
    world = played(asked.seed, asked.hours, asked.faults, asked.families.split(","))
    for it in world.samples:
        print(f"{it.at / 3600:5.1f} h: {it.objects} objects, {it.kib} KiB, status {it.status}, {it.series} series")
    print(f"{len(world.rabbit.tasks)} tasks, opened for the night: {world.opened}")
    found = growth.grown(world.samples)
    print("\n".join([*found, *map(_told, world.found)]) or "nothing found")
    print(f"{world.length / 3600:.2f} simulated hours in {time.process_time() - began:.1f} s of the processor")
    if world.found:
        print(shown(plans.Scenario(asked.seed, asked.hours, tuple(world.plan)), world, tries=0))
    return int(bool(found or world.found))


def _told(breach: Breach) -> str:
    return f"{breach.what} at {breach.at:g} s: {breach.detail}"


if __name__ == "__main__":
    sys.exit(main())
