"""What is advised was tried: the bill falls, no promise is broken, and following it again asks for nothing worse."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.simulated import stage
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.core.explain.recommendations import Recommendation, can_be_written
from utilitarian_operator.simulation.load.workload import read_load
from utilitarian_operator.simulation.play import Scene, play, scene
from utilitarian_operator.simulation.report.advice import advice
from utilitarian_operator.simulation.report.measure import PolicyResult, measured

EXAMPLES = Path(__file__).resolve().parents[4] / "examples"
ROUNDS = 2


def example(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text()))


def played(staged: Scene) -> PolicyResult:
    return measured("utilitarian", play("utilitarian", staged), staged)


def followed(resource: dict[str, Any], found: list[Recommendation]) -> dict[str, Any]:
    """The resource with all of it written; a `scaling.max` that goes with a change is in its sentence."""
    for one in found:
        _, name, *sections, leaf = one.path.split(".")
        part = next(pool for pool in resource["spec"]["pools"] if pool["name"] == name)
        for section in sections:
            part = part.setdefault(section, {})
        part[leaf] = int(one.to) if one.to.isdecimal() else one.to
        if "with scaling.max: " in one.because:
            more = one.because.partition("with scaling.max: ")[2].partition(":")[0]
            next(pool for pool in resource["spec"]["pools"] if pool["name"] == name)["scaling"]["max"] = int(more)
    parse(resource)
    return resource


def on_stage(resource: dict[str, Any], load: str, pools: set[str], days: float) -> Scene:
    fleet = effective_fleet(accept(resource).spec)
    few: Fleet = replace(fleet, pools=tuple(pool for pool in fleet.pools if pool.name in pools))
    return scene(few, read_load(EXAMPLES / f"{load}.yaml", fleet), days=days, seed=1, folder=EXAMPLES)


@pytest.mark.parametrize(
    "resource, load, pools, days, some",
    [
        pytest.param("production", "load-typical", {"amr-on-demand", "amr-hourly"}, 0.6, True, id="typical"),
        pytest.param(
            "hard", "load-hard", {"heavy-tail"}, 0.1, False, id="halving the slots of a heavy tail would cost more"
        ),
    ],
)
def test_followed_again_and_again_the_bill_only_falls(
    resource: str, load: str, pools: set[str], days: float, *, some: bool
) -> None:
    spec = example(resource)
    before, poll_schedule = played(on_stage(spec, load, pools, days)), []
    for _ in range(ROUNDS):
        staged = on_stage(spec, load, pools, days)
        found = advice(staged, before)
        assert all(can_be_written(one.path, one.to) and one.was != one.to for one in found)
        after = played(on_stage(followed(spec, found), load, pools, days))
        assert (after.hours < before.hours) if found else (after.hours == before.hours)
        assert (after.kept, after.deadlines_met) == (before.kept, before.deadlines_met)
        assert (after.interrupted, after.deadlines) == (before.interrupted, before.deadlines)
        poll_schedule.append(len(found))
        before = after
    assert (poll_schedule[0] > 0) is some
    assert poll_schedule[-1] == 0


LONG = {"seconds": {"median": 2, "p95": 60}, "arrivals": [{"poisson": "40/h"}]}
MANY_STARTS = {"seconds": {"median": 1, "p95": 1}, "arrivals": [{"rate": "30/h"}]}


@pytest.mark.parametrize(
    "queue, pool, why",
    [
        ({"arrivals": [{"cron": "0 1 1 1 *", "tasks": 1}]}, {}, "nothing comes"),
        (MANY_STARTS, {"scaling": {"idleAfter": "3m", "drainWithin": "5s"}}, "a start would break the promise"),
        ({"arrivals": [{"rate": "1/s"}]}, {"scaling": {"min": 1, "max": 1}}, "it never sleeps"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_nothing_is_said_that_was_not_confirmed(queue: dict[str, Any], pool: dict[str, Any], why: str) -> None:
    staged = stage({"work": queue}, {"worker": {"concurrency": 1}, **pool}, days=0.2)
    assert [one.path for one in advice(staged, played(staged))] == [], why


def test_what_is_said_has_its_figures() -> None:
    staged = stage({"work": {"arrivals": [{"rate": "2/h"}]}}, {"scaling": {"idleAfter": "20m"}}, days=0.5)
    (one,) = advice(staged, played(staged))
    assert (one.path, one.was) == ("pools.pool.scaling.idleAfter", "20m")
    assert one.to in {"2m", "5m"}
    assert one.because.startswith("tried on 0.5 days: ")
    assert "worker-hours instead of" in one.because
    assert one.effect.startswith("the 95th percentile of the waits is 10s then, ")
