"""Does the adversary see? Plays broken operators: `python -m tests.adversary.mutants [NAME...]` says who is caught.

A mutant is a change of the operator's text (mutants.yaml). It is applied to a copy of the source, and a process of its
own plays worlds with that copy until something is found that must never be.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from tests.adversary import plan as plans
from tests.adversary.plan import Scenario
from tests.support.controlplane import REPOSITORY

FILE = Path(__file__).with_name("mutants.yaml")
SCENARIOS = Path(__file__).parent / "scenarios"
PACKAGE = "utilitarian_operator"
HOURS = 0.25
USUAL = (
    "20:process,watch,stall,broker,workers,people",
    "21:process,watch,stall,broker,workers,people",
    "22:process,watch,stall,broker,workers,people",
    "23:process,watch,stall,broker,workers,people",
)
"""Worlds that a mutant without worlds of its own plays: nothing is found in them with the operator as it is."""
LONGEST_S = 1800.0
NOT_CAUGHT = "not caught"


@dataclass(frozen=True)
class Mutant:
    """A broken operator.

    Args:
        name: of the mutant.
        undoes: what the changes undo, for a reader.
        changes: file under the package, text that stands there exactly once, and what takes its place.
        worlds: that it plays first, each a scenario's file name, `SEED:FAMILIES` of all pools (`SEED:` has no faults),
            or `SEED:FAMILIES:` of the fleets that the seed draws.
        survives: why it can't be caught, where it can't.
    """

    name: str
    undoes: str
    changes: tuple[tuple[str, str, str], ...]
    worlds: tuple[str, ...] = USUAL
    survives: str = ""


class Stale(Exception):
    """A mutant that doesn't fit the operator any more."""


def listed(path: Path = FILE) -> list[Mutant]:
    """All mutants."""
    return [_mutant(entry) for entry in yaml.safe_load(path.read_text())]


def _mutant(entry: Mapping[str, Any]) -> Mutant:
    changes = tuple((it["in"], it["old"], it["new"]) for it in (entry, *entry.get("and", ())))
    worlds = tuple(entry.get("worlds", ()))
    return Mutant(entry["name"], entry["undoes"], changes, worlds or USUAL, entry.get("survives", ""))


def broken(mutant: Mutant, package: Path) -> None:
    """Change a copy of the operator's package.

    Raises:
        Stale: a text does not stand there exactly once.
    """
    for name, old, new in mutant.changes:
        text = (package / name).read_text()
        if text.count(old) != 1:
            raise Stale(f"{mutant.name}: {name} has {text.count(old)} times: {old}")
        (package / name).write_text(text.replace(old, new))


def world(text: str) -> Scenario:
    """A world by its short name."""
    seed, colon, families = text.partition(":")
    if not colon:
        return plans.read(SCENARIOS / f"{text}.yaml")
    families, draws, _ = families.partition(":")
    plan = plans.drawn(int(seed), HOURS, families.split(",")) if families else ()
    drawn = plans.of_seed(int(seed), HOURS)
    return replace(drawn, plan=plan) if draws else Scenario(int(seed), HOURS, plan)


def caught(mutant: Mutant) -> str:
    """What is found first with a mutant, and where; `NOT_CAUGHT` if nothing is."""
    with tempfile.TemporaryDirectory() as folder:
        source = REPOSITORY / "operator" / PACKAGE
        shutil.copytree(source, Path(folder) / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
        broken(mutant, Path(folder) / PACKAGE)
        environment = {**os.environ, "PYTHONPATH": folder, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "tests.adversary.mutants", "--play", *mutant.worlds]
        try:
            played = subprocess.run(  # noqa: S603 - ourselves
                command, cwd=REPOSITORY, env=environment, text=True, capture_output=True, check=False, timeout=LONGEST_S
            )
        except subprocess.TimeoutExpired:
            return f"it hangs: no end in {LONGEST_S:g} s"
    if played.returncode:
        raise RuntimeError(f"{mutant.name} could not be played: {played.stderr[-2000:]}")
    return played.stdout.strip().splitlines()[-1]


def _play(worlds: Sequence[str]) -> Iterator[str]:
    from tests.adversary.world import ANY, play  # noqa: PLC0415 - with the changed operator

    for name in worlds:
        scenario = world(name)
        found = play(scenario, ANY).found
        if found:
            yield f"{found[0].what} at {found[0].at:g} s in {name}: {found[0].detail}"
            return
    yield NOT_CAUGHT


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what the command line asks for; 1 if a mutant is not caught that ought to be."""
    parser = argparse.ArgumentParser(description="Play broken operators.")
    parser.add_argument("--play", action="store_true", help="worlds, with the operator that is there")
    parser.add_argument("names", nargs="*", help="of mutants; all of them by default")
    asked = parser.parse_args(arguments)
    if asked.play:
        print("\n".join(_play(asked.names)))
        return 0
    chosen = [it for it in listed() if not asked.names or it.name in asked.names]
    said = {}
    for mutant in chosen:
        said[mutant.name] = caught(mutant)
        print(f"{mutant.name}: {said[mutant.name]}", flush=True)
    missed = [name for name, what in said.items() if what == NOT_CAUGHT]
    print(f"{len(said) - len(missed)} of {len(said)} caught; not: {', '.join(missed) or 'none'}")
    return int(any(not it.survives for it in chosen if it.name in missed))


if __name__ == "__main__":
    sys.exit(main())
