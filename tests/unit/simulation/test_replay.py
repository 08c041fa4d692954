"""A record of looks reads back as it was written, and the engine decides again what it decided then."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.pools import NOW, facts, fleet
from utilitarian_operator.core.sizing.decision_record import to_text
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext, decide_fleet
from utilitarian_operator.simulation.replay import Disagreement, disagreements, looks, worker_seconds

FLEET = fleet(
    {"name": "a"}, {"name": "b", "scaling": {"max": 3, "idleAfter": "10s", "stabilization": "10s"}}, maxWorkers=8
)

SEEN = st.builds(
    lambda work, current, more: facts(work, current=current, **more),
    st.one_of(st.none(), st.integers(0, 500)),
    st.integers(0, 8),
    st.fixed_dictionaries(
        {}, optional={"completed": st.integers(0, 9), "missing": st.just(("q",)), "running": st.integers(0, 9)}
    ),
)


def recorded(seen: list[Mapping[str, Facts]]) -> list[str]:
    memories: dict[str, Memory] = {}
    lines = []
    for second, look in enumerate(seen):
        context = FleetContext(NOW + timedelta(seconds=5 * second), timedelta(seconds=5 * second), second)
        sizes = decide_fleet(FLEET, look, memories, context)
        decisions, memories = sizes.decisions, sizes.memories
        text = to_text(context, look, decisions)
        lines.append(json.dumps({"message": "decided", "fleet": "ns/fleet", "look": text}))
    return lines


@given(st.lists(st.fixed_dictionaries({"a": SEEN, "b": SEEN}), min_size=1, max_size=30))
def test_the_engine_decides_what_was_recorded(seen: list[Mapping[str, Facts]]) -> None:
    assert disagreements(FLEET, looks(recorded(seen), "ns/fleet")) == []


def test_another_decision_is_named() -> None:
    (look,) = looks(recorded([{"a": facts(100), "b": facts()}]), "ns/fleet")
    otherwise = replace(look, decided={**look.decided, "a": (7, "demand")})
    assert disagreements(FLEET, [otherwise]) == [Disagreement(0, "a", (7, "demand"), (1, "demand"))]


def test_other_lines_and_other_fleets_are_passed_over() -> None:
    lines = ["no JSON", '"text"', '{"message": "event"}', *recorded([{"a": facts(), "b": facts()}])]
    assert len(list(looks(lines, "ns/fleet"))) == 1
    assert list(looks(lines, "ns/other")) == []


def test_worker_seconds_are_what_was_asked_for_between_looks() -> None:
    lines = recorded([{"a": facts(9, current=n), "b": facts()} for n in (0, 2, 3)])
    assert worker_seconds(looks(lines, "ns/fleet")) == {"a": 10.0, "b": 0.0}
