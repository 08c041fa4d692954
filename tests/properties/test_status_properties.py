"""A status of the hugest fleet, with what may come from outside, fits its size and the schema of the API server."""

import json
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.pools import NOW, fleet
from tests.support.structural import refused, unknown
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.generated.crd import definition
from utilitarian_operator.core.blocker import INVALID_SPEC, Blocker
from utilitarian_operator.core.diagnosis.findings import Finding
from utilitarian_operator.core.forecast.completion import Forecast
from utilitarian_operator.core.observation.counted.start_ups import MOST_START_UPS
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.sizing.decision import Decision, Step
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.runs.open_runs import MOST_OPEN
from utilitarian_operator.core.sizing.runs.run_state import OpenRun, Outcome, PastRun
from utilitarian_operator.core.status.recall import remembered
from utilitarian_operator.core.status.report import Reported, StatusInput
from utilitarian_operator.core.status.size import LIMIT, size
from utilitarian_operator.core.status.status import fleet_status, refused_status

SCHEMA = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
WORDS = st.one_of(st.text(max_size=20), st.text(min_size=1, max_size=5).map(lambda word: word * 25_000))
"""What a peer calls itself, or what a broker says, up to 100,000 characters."""


@st.composite
def memories(draw: st.DrawFn, schedules: list[str]) -> Memory:
    """As full as it may be, or less."""
    opened = draw(st.integers(0, MOST_OPEN))
    runs = tuple(
        OpenRun(name, NOW + timedelta(hours=hour), NOW, NOW, NOW, 10**6, 10**6, 99, 1e9, NOW, missed=True)
        for name in schedules
        for hour in range(opened)
    )
    past = PastRun("run", NOW, NOW, NOW, Outcome.OVERTAKEN, 10**6, 99, 1e9)
    return Memory(
        idle_since=NOW,
        slot_seconds=123_456.789,
        completions=9_999.5,
        arrivals=tuple((NOW - timedelta(seconds=s), 10**9) for s in range(draw(st.sampled_from((0, 10))))),
        highs=tuple((NOW - timedelta(seconds=s), s) for s in range(draw(st.sampled_from((0, 11))))),
        runs=runs,
        longest_before=(1e9,) * 4,
        start_ups=(599.999,) * MOST_START_UPS,
        opened=tuple((name, NOW + timedelta(hours=opened)) for name in schedules),
        history=tuple(replace(past, name=name) for name in (schedules * 12)[:12]),
    )


@cache
def fleet_with(names: tuple[str, ...], runs: tuple[str, ...]) -> Fleet:
    """A fleet of these pools, each with all of these runs."""
    schedule = [{"name": run, "start": "0 * * * *"} for run in runs]
    return fleet(*({"name": name, "schedule": schedule} for name in names), maxWorkers=1000)


@st.composite
def said(draw: st.DrawFn) -> dict[str, Any]:
    """A status of a fleet of any size, at which all goes wrong at once."""
    pools, schedules, length = draw(st.sampled_from((1, 30, 100))), draw(st.sampled_from((0, 1, 10))), 40
    runs = [f"{'s' * (length - 2)}{number:02}" for number in range(schedules)]
    names = [f"{'p' * 30}{number:03}" for number in range(pools)]
    asked = fleet_with(tuple(names), tuple(runs))
    words = draw(WORDS)
    trail = tuple(Step("demand", 99, 100, words) for _ in range(draw(st.integers(1, 20))))
    snapshot = FleetSnapshot(
        NOW,
        {name: PoolSnapshot({"q": Present(10**9, 3)}, 10**9, replicas=10**6) for name in names},
        broker=draw(st.none() | st.builds(Unknown, WORDS, st.just(NOW - timedelta(hours=1)))),
        last_messages={f"{'q' * 200}{number}": NOW for number in range(draw(st.sampled_from((0, 150))))},
    )
    memory = draw(memories(runs))
    forecasts = tuple(Forecast(run, NOW, 10**9, NOW, timedelta(days=9), message=words) for run in memory.runs)
    about = StatusInput(
        7,
        blockers=[Blocker(INVALID_SPEC, words)],
        starts=dict.fromkeys(names, NOW) if runs else {},
        findings=dict.fromkeys(names, (Finding("Stuck", words),)),
        runs=dict.fromkeys(names, forecasts),
    )
    decisions = dict.fromkeys(names, Decision(100, trail))
    return fleet_status(Reported(asked, snapshot, decisions, dict.fromkeys(names, memory), {}, about))


@given(said())
@settings(max_examples=examples(40, fewest=8), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_status_is_under_its_limit_and_as_the_schema_has_it(status: dict[str, Any]) -> None:
    assert size(status) <= LIMIT == 200 * 1024
    assert broken(status) == []
    assert remembered(status, NOW).keys() == {pool["name"] for pool in status["pools"]}


@given(WORDS)
def test_a_refused_resource_tells_no_more_than_the_schema_takes(words: str) -> None:
    status = refused_status([Blocker(INVALID_SPEC, words)], {}, 1, NOW)
    assert broken(status) == []


def broken(status: dict[str, Any]) -> list[str]:
    """What of a status the API server would refuse or take away."""
    written = json.loads(json.dumps(status))
    return [*refused(SCHEMA, written, "status"), *unknown(SCHEMA, written, "status")]
