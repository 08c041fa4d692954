"""Plays worlds by seed: `python -m tests.adversary.run --seeds 0-20 --hours 0.25`; says what was found, cut down."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.adversary import plan as plans
from tests.adversary.invariants import Breach
from tests.adversary.plan import FAMILIES, Fault, Scenario
from tests.adversary.shrink import shrunk
from tests.adversary.world import World, play

HOURS = 0.25
AROUND_S = 20.0
LONGEST_TRACE = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what the command line asks for; 1 if anything was found."""
    asked = _arguments(arguments)
    families = asked.families.split(",") if asked.families else list(FAMILIES)
    began, found, hours = time.process_time(), 0, 0.0
    for scenario in _scenarios(asked, families):
        world = play(scenario.seed, scenario.plan, scenario.hours)
        hours += world.length / 3600
        said = ", ".join(sorted({breach.what for breach in world.found})) or "nothing found"
        print(f"seed {scenario.seed}: {len(world.rabbit.tasks)} tasks, {said}", flush=True)
        if asked.trace:
            print("\n".join(f"{at:9.2f} {text}" for at, text in world.trace))
        if world.found:
            found += 1
            print(shown(scenario, world, tries=asked.tries), flush=True)
    took = time.process_time() - began
    print(f"{hours:.2f} simulated hours in {took:.1f} s of the processor, {hours * 60 / took:.1f} a minute of it")
    return int(found > 0)


def shown(scenario: Scenario, world: World, *, tries: int) -> str:
    """A failure for a reader: what, the plan that suffices, the trace around it, and how to play it again."""
    first = world.found[0]
    plan, played = scenario.plan, world
    if tries:
        plan = shrunk(scenario.seed, scenario.plan, scenario.hours, first.what, tries)
        played = play(scenario.seed, plan, scenario.hours, first.what)
        first = next(breach for breach in played.found if breach.what == first.what)
    kept = Scenario(scenario.seed, scenario.hours, tuple(plan), scenario.why or f"{first.what}: {first.detail}")
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


def _scenarios(asked: argparse.Namespace, families: Sequence[str]) -> list[Scenario]:
    if asked.scenario:
        return [plans.read(Path(asked.scenario))]
    first, _, last = asked.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    none: tuple[Fault, ...] = ()
    return [
        Scenario(it, asked.hours, none if asked.no_faults else plans.drawn(it, asked.hours, families)) for it in seeds
    ]


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Play worlds by seed.")
    parser.add_argument("--seeds", default="0-9", help="one, or FIRST-LAST")
    parser.add_argument("--hours", type=float, default=HOURS, help="of virtual time for each")
    parser.add_argument("--families", default="", help=f"of faults, separated by commas: {', '.join(FAMILIES)}")
    parser.add_argument("--no-faults", action="store_true", help="let nothing go wrong")
    parser.add_argument("--scenario", default="", help="play this file instead")
    parser.add_argument("--tries", type=int, default=0, help="worlds to play at most to cut a plan down")
    parser.add_argument("--trace", action="store_true", help="print what happened")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
