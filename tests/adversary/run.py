"""Plays worlds by seed: `python -m tests.adversary.run --seeds 0-20 --hours 0.25`; says what was found, cut down."""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tests.adversary import plan as plans
from tests.adversary.fleet import LATE
from tests.adversary.invariants import Breach
from tests.adversary.plan import FAMILIES, Scenario
from tests.adversary.shrink import shrunk
from tests.adversary.world import World, play

HOURS = 0.25
AROUND_S = 20.0
LONGEST_TRACE = 40
WORLDS_OF_A_PROCESS = 200
"""A process that has played so many gives way to a new one."""


@dataclass(frozen=True)
class Played:
    """What there is to say of a world.

    Args:
        seed: of the world.
        hours: of virtual time, with those of the world that its end is compared with.
        took_s: of the processor.
        found: whether anything was.
        said: for a reader.
    """

    seed: int
    hours: float
    took_s: float
    found: bool
    said: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what the command line asks for; 1 if anything was found."""
    asked = _arguments(arguments)
    found, hours, took = [], 0.0, 0.0
    for world in _each(asked, _scenarios(asked)):
        print(world.said, flush=True)
        found += [world.seed] if world.found else []
        hours, took = hours + world.hours, took + world.took_s
    print(f"{hours:.2f} simulated hours in {took:.1f} s of the processor, {hours * 60 / took:.1f} a minute of it")
    print(f"found something in {len(found)} worlds: {', '.join(map(str, found)) or 'in none'}")
    return int(bool(found))


def _each(asked: argparse.Namespace, scenarios: Sequence[Scenario]) -> Iterator[Played]:
    one = partial(_played, asked)
    if asked.processes == 1:
        yield from map(one, scenarios)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(asked.processes, spawn, max_tasks_per_child=WORLDS_OF_A_PROCESS) as processes:
        yield from processes.map(one, scenarios)


def _played(asked: argparse.Namespace, scenario: Scenario) -> Played:
    began = time.process_time()
    world = play(scenario)
    kinds = ", ".join(sorted({breach.what for breach in world.found})) or "nothing found"
    said = [f"seed {scenario.seed}: {len(world.rabbit.tasks)} tasks, {kinds}"]
    if asked.trace:
        said += [f"{at:9.2f} {text}" for at, text in world.trace]
    if world.found:
        said.append(shown(scenario, world, tries=asked.tries))
    took_s = time.process_time() - began
    return Played(scenario.seed, (world.loop.at + world.compared_s) / 3600, took_s, bool(world.found), "\n".join(said))


def shown(scenario: Scenario, world: World, *, tries: int) -> str:
    """A failure for a reader: what, the plan that suffices, the trace around it, and how to play it again."""
    first = world.found[0]
    cut, played = scenario, world
    if tries:
        cut = shrunk(scenario, first.what, tries)
        played = play(cut, first.what)
        first = next(breach for breach in played.found if breach.what == first.what)
    kept = replace(cut, why=scenario.why or f"{first.what}: {first.detail}")
    name = f"tests/adversary/scenarios/seed-{scenario.seed}.yaml"
    return "\n".join(
        [
            *(f"  {breach.what} at {breach.at:g} s: {breach.detail}" for breach in world.found),
            "  --- its scenario, to be kept as " + name,
            plans.written(kept),
            f"  --- around {first.at:g} s",
            *_around(played, first),
            "  --- again",
            f"  python -m tests.adversary.run --scenario {name}",
        ]
    )


def _around(world: World, breach: Breach) -> list[str]:
    lines = [f"  {at:9.2f} {text}" for at, text in world.trace if breach.at - AROUND_S <= at <= breach.at + 1]
    return lines[-LONGEST_TRACE:]


def _scenarios(asked: argparse.Namespace) -> list[Scenario]:
    if asked.scenario:
        return [plans.read(Path(asked.scenario))]
    first, _, last = asked.seeds.partition("-")
    return [_scenario(asked, seed) for seed in range(int(first), int(last or first) + 1)]


def _scenario(asked: argparse.Namespace, seed: int) -> Scenario:
    drawn = plans.of_seed(seed, asked.hours)
    if asked.no_faults:
        drawn = replace(drawn, plan=())
    elif asked.families:
        drawn = replace(drawn, plan=plans.drawn(seed, asked.hours, asked.families.split(",")))
    if asked.tick:
        drawn = replace(drawn, tick_s=asked.tick)
    return replace(drawn, pools=tuple(asked.pools.split(","))) if asked.pools else drawn


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Play worlds by seed.")
    parser.add_argument("--seeds", default="0-9", help="one, or FIRST-LAST")
    parser.add_argument("--hours", type=float, default=HOURS, help="of virtual time for each")
    known = f"of faults, separated by commas: {', '.join(FAMILIES)}; without it each seed draws some by their weight"
    parser.add_argument("--families", default="", help=known)
    pools = f"of the fleet, separated by commas: {', '.join(LATE)}; without it each seed draws some"
    parser.add_argument("--pools", default="", help=pools)
    tick = "seconds between two of the operator's looks at a fleet; without it each seed draws them"
    parser.add_argument("--tick", type=float, default=0.0, help=tick)
    parser.add_argument("--no-faults", action="store_true", help="let nothing go wrong")
    parser.add_argument("--scenario", default="", help="play this file instead")
    parser.add_argument("--tries", type=int, default=0, help="worlds to play at most to cut a plan down")
    parser.add_argument("--processes", type=int, default=1, help="that play together")
    parser.add_argument("--trace", action="store_true", help="print what happened")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
