"""What is advised was tried: the bill falls, no promise is broken, and following it again asks for nothing worse."""

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.pools import NOW, fleet
from tests.support.simulated import load, stage
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.price import Price
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.core.sizing.usage import Usage
from utilitarian_operator.simulation.load.arrivals import joined
from utilitarian_operator.simulation.load.workload import read_load
from utilitarian_operator.simulation.play import Scene, play, scene
from utilitarian_operator.simulation.report.advice import Advice, Search
from utilitarian_operator.simulation.report.measure import PolicyResult, measured
from utilitarian_operator.simulation.report.report import NO_ADVICE, Report
from utilitarian_operator.simulation.report.report import advised as rows_and_word
from utilitarian_operator.simulation.report.written import followed

EXAMPLES = Path(__file__).resolve().parents[4] / "examples"


def example(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text()))


def played(staged: Scene) -> PolicyResult:
    return measured("utilitarian", play("utilitarian", staged), staged)


def advised(staged: Scene, price: Price | None = None) -> Advice:
    return Search(staged, price).advise(played(staged))


def on_stage(resource: dict[str, Any], load: str, pools: set[str], days: float) -> Scene:
    whole = effective_fleet(accept(resource).spec)
    few: Fleet = replace(whole, pools=tuple(pool for pool in whole.pools if pool.name in pools))
    return scene(few, read_load(EXAMPLES / f"{load}.yaml", whole), days=days, seed=1, folder=EXAMPLES)


@pytest.mark.parametrize(
    "resource, load, pools, days, some",
    [
        pytest.param("production", "load-typical", {"amr-on-demand"}, 0.4, True, id="typical"),
        pytest.param("hard", "load-hard", {"trickle"}, 0.3, True, id="hard-trickle"),
        pytest.param("hard", "load-hard", {"crowded"}, 0.1, True, id="hard-crowded"),
        pytest.param("hard", "load-hard", {"constant"}, 0.03, False, id="hard-constant"),
    ],
)
@pytest.mark.thorough
def test_followed_again_and_again_the_bill_only_falls(
    resource: str, load: str, pools: set[str], days: float, *, some: bool
) -> None:
    spec, changes = follow(example(resource), load, pools, days)
    assert (changes > 0) is some
    follow(spec, load, pools, days)


@pytest.mark.parametrize("name", [it["name"] for it in example("hard")["spec"]["pools"]])
@pytest.mark.soak
def test_advice_lowers_the_bill_of_each_hard_load_or_says_that_nothing_does(name: str) -> None:
    follow(example("hard"), "load-hard", {name}, 1)


@pytest.mark.parametrize("wake", ["AtOnce", "WhenDue"])
@pytest.mark.parametrize("name", [it["name"] for it in example("production")["spec"]["pools"]])
@pytest.mark.soak
def test_advice_lowers_the_bill_of_each_pool_of_the_typical_load(name: str, wake: str) -> None:
    spec = example("production")
    for pool in spec["spec"]["pools"]:
        pool["scaling"] = {**pool["scaling"], "wake": wake}
    follow(spec, "load-typical", {name}, 3)


def follow(spec: dict[str, Any], load: str, pools: set[str], days: float) -> tuple[dict[str, Any], int]:
    """Follow what is advised: the bill falls as was said, and no promise is broken. Or it says that nothing lowers it.

    Returns:
        The resource that was written, and how many changes there were.
    """
    staged = on_stage(spec, load, pools, days)
    before = played(staged)
    found = Search(staged, None).advise(before)
    if not found.changes:
        assert found.after == found.before
        table, word = rows_and_word(Report("fleet", staged, [before], None, found))
        assert (table.rows, word) == ([], NO_ADVICE)
        return spec, 0
    written = followed(spec, found.changes)
    after = played(on_stage(written, load, pools, days))
    assert after.hours < before.hours
    assert after.hours == pytest.approx(found.after.hours)
    assert after.kept >= before.kept
    assert after.deadlines_met >= before.deadlines_met
    assert after.interrupted <= before.interrupted
    assert (after.promised, after.deadlines) == (before.promised, before.deadlines)
    return written, len(found.changes)


MANY_STARTS = {"seconds": {"median": 1, "p95": 1}, "arrivals": [{"rate": "30/h"}]}


@pytest.mark.parametrize(
    "queue, pool, why",
    [
        pytest.param({"arrivals": [{"cron": "0 1 1 1 *", "tasks": 1}]}, {}, "nothing comes", id="nothing comes"),
        pytest.param(
            MANY_STARTS,
            {"scaling": {"idleAfter": "3m", "drainWithin": "5s"}},
            "a start would break the promise",
            id="no time to start",
        ),
        pytest.param(
            {"arrivals": [{"rate": "1/s"}]}, {"scaling": {"min": 1, "max": 1}}, "it never sleeps", id="never sleeps"
        ),
    ],
)
@pytest.mark.thorough
def test_nothing_is_said_that_was_not_confirmed(queue: dict[str, Any], pool: dict[str, Any], why: str) -> None:
    staged = stage({"work": queue}, {"worker": {"concurrency": 1}, **pool}, days=0.2)
    assert [str(it) for one in advised(staged).changes for it in one.fields] == [], why


@pytest.mark.thorough
def test_to_wake_when_due_is_said_with_its_waits() -> None:
    found = advised(stage({"work": {"arrivals": [{"rate": "20/h"}]}}, days=0.3))
    (one,) = found.changes
    assert [str(it) for it in one.fields] == ["scaling.wake AtOnce → WhenDue"]
    (before,), (after,) = one.before.waits, one.after.waits
    assert before[1] < 12
    assert 300 < after[0] < after[1] < 600
    assert one.after.hours < one.before.hours / 2
    assert one.after.starts_an_hour > 1


@pytest.mark.thorough
def test_the_pool_that_spends_most_is_tried_first_and_those_without_time_are_named() -> None:
    pools = ({"name": name, "scaling": {"idleAfter": "5m"}} for name in ("less", "most", "quiet"))
    staged = crowded(*pools, rates={"less": "3/h", "most": "20/h", "quiet": "1/h"}, ceiling=40, days=0.2)
    before, times = played(staged), iter([True, False, False])
    found = Search(staged, None, in_time=lambda: next(times, False)).advise(before)
    assert [it.pools for it in found.changes] == [("most",)]
    assert found.untried == ("less", "quiet")
    _, said = rows_and_word(Report("fleet", staged, [before], None, found))
    assert said.endswith("; no time was left for less, quiet; --advise-within gives more")
    _, said = rows_and_word(Report("fleet", staged, [before], None, replace(found, untried=tuple("abcdef"))))
    assert "; no time was left for a, b, c, d and 2 other pools; " in said
    none = Search(staged, None, in_time=lambda: False).advise(before)
    assert (none.changes, none.after) == ((), none.before)


@pytest.mark.thorough
def test_a_longer_promise_is_only_asked_about() -> None:
    found = advised(stage({"work": {"arrivals": [{"rate": "0.1/s"}]}}, {"scaling": {"drainWithin": "1m"}}, days=0.15))
    assert "scaling.drainWithin" not in {it.field for one in found.changes for it in one.fields}
    (asked,) = found.questions
    assert "scaling.drainWithin 1m → 2m" in [str(it) for it in asked.fields]
    assert asked.after.hours < asked.before.hours


@pytest.mark.thorough
def test_slots_are_advised_only_where_what_a_worker_requests_has_a_price() -> None:
    staged = stage({"work": {"arrivals": [{"rate": "20/h"}]}}, {"worker": {"concurrency": 8}}, days=0.1)
    fields = {
        price: {it.field for one in advised(staged, price).changes for it in one.fields}
        for price in (None, Price(worker=1), Price(cpu=1))
    }
    assert "worker.concurrency" not in fields[None] | fields[Price(worker=1)]
    assert {"worker.concurrency", "worker.resources.requests.cpu"} <= fields[Price(cpu=1)]


@pytest.mark.thorough
def test_slots_that_fit_by_what_was_measured_are_advised_without_more_requests() -> None:
    resources = {"requests": {"cpu": "1", "memory": "4Gi"}}
    pool = {"worker": {"concurrency": 2, "resources": resources}, "scaling": {"max": 20}}
    staged = stage({"work": {"arrivals": [{"rate": "4/s"}]}}, pool, days=0.05)
    usage = {"pool": Usage(slots=2, cpu_per_slot=(0.02,) * 10, peak=2**28, since=NOW)}
    (one,) = Search(staged, Price(cpu=1, memory=1), usage).advise(played(staged)).changes
    fields = {it.field: it.to for it in one.fields}
    assert fields["worker.concurrency"] == 8
    assert not any(it.startswith("worker.resources") for it in fields)
    assert one.after.cost < 0.5 * one.before.cost


def crowded(*pools: dict[str, Any], rates: dict[str, str], ceiling: int, days: float = 0.02) -> Scene:
    """Pools with tasks of 10 s and 4 slots a worker, each with a queue of its name, that share a ceiling."""
    worker = {"concurrency": 4, "resources": {"requests": {"cpu": "400m", "memory": "512Mi"}}}
    scaling = {"drainWithin": "30s", "taskDuration": "10s"}
    asked = fleet(*({"queues": [it["name"]], "worker": worker, "scaling": scaling, **it} for it in pools))
    arrive = {name: {"seconds": {"median": 10, "p95": 11}, "arrivals": [{"rate": it}]} for name, it in rates.items()}
    return scene(replace(asked, max_workers=ceiling), load(arrive), days=days, seed=1, folder=Path())


@pytest.mark.thorough
def test_no_pool_pays_with_its_promises_for_what_another_one_saves() -> None:
    """Half the slots would save `first` a quarter, with three workers for two: under the ceiling `second` lacks one."""
    pools = {"name": "first", "priority": 90}, {"name": "second", "priority": 10}
    rates, price = {"first": "0.45/s", "second": "0.55/s"}, Price(cpu=1, memory=1)
    (alone,) = advised(crowded(pools[0], rates={"first": "0.45/s"}, ceiling=4), price).changes
    assert ("worker.concurrency", 2) in {(it.field, it.to) for it in alone.fields}
    assert not advised(crowded(*pools, rates=rates, ceiling=4), price).changes


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.soak
def test_advice_for_a_fleet_under_a_ceiling_lowers_its_bill_and_no_pool_keeps_less(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - of a test
    names = ["first", "second", "third", "fourth"][: rng.randint(2, 4)]
    pools = [
        {"name": name, "priority": rng.choice([10, 50, 90]), "scaling": {"taskDuration": "10s", **_any(rng)}}
        for name in names
    ]
    rates = {name: rng.choice(["20/h", "0.1/s", "0.45/s", "0.55/s"]) for name in names}
    staged = crowded(*pools, rates=rates, ceiling=rng.randint(len(names), 2 * len(names)), days=0.1)
    before, price = played(staged), rng.choice([None, Price(worker=1), Price(cpu=1, memory=1)])
    found = Search(staged, price).advise(before)
    of = {it.pools: it.to for it in found.changes}
    pools_then = tuple(of.get((pool.name,), pool) for pool in staged.fleet.pools)
    if any(len(it.pools) > 1 for it in found.changes):
        pools_then = tuple(pool for pool in pools_then if not any(pool.name in it for it in of if len(it) > 1))
        pools_then += tuple(it.to for it in found.changes if len(it.pools) > 1)
    tasks = staged.tasks | {it.to.name: joined([staged.tasks[n] for n in it.pools]) for it in found.changes}
    after = played(replace(staged, fleet=replace(staged.fleet, pools=pools_then), tasks=tasks))
    assert after.hours == pytest.approx(found.after.hours)
    assert found.after.cost <= found.before.cost
    for name, pool in after.pools.items():
        late = sum(before.pools[n].promises.given - before.pools[n].promises.kept for n in _now(name, of))
        assert pool.promises.given - pool.promises.kept <= late, (name, found.changes)


def _any(rng: random.Random) -> dict[str, Any]:
    idle, wake = rng.choice(["0s", "30s", "5m"]), rng.choice(["AtOnce", "WhenDue"])
    return {"drainWithin": rng.choice(["30s", "2m", "10m"]), "idleAfter": idle, "wake": wake}


def _now(name: str, changes: Mapping[tuple[str, ...], Any]) -> tuple[str, ...]:
    """The pools that a pool stands for."""
    return next((names for names in changes if names[0] == name), (name,))


@pytest.mark.thorough
def test_quiet_pools_with_equal_workers_become_one() -> None:
    resource = example("production")
    for pool in resource["spec"]["pools"]:
        pool.pop("priority")
    staged = on_stage(resource, "load-typical", {"commits", "default"}, 0.2)
    (one,) = advised(staged).changes
    assert one.pools == ("commits", "default")
    assert len(one.to.queues) == 4
    assert one.after.hours < one.before.hours
    assert (one.after.promised, one.after.kept) == (one.before.promised, one.before.kept)
    assert len(accept(followed(resource, [one])).spec.pools or ()) == len(resource["spec"]["pools"]) - 1
