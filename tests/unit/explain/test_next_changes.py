from dataclasses import asdict
from datetime import timedelta

import pytest

from tests.support.explained import OUTLOOKS, left_by_operator, one
from tests.support.pools import NOW, facts
from utilitarian_operator.core.explain import next_changes as outlooks
from utilitarian_operator.core.explain.explanation import explain
from utilitarian_operator.core.explain.from_status import decisions_now

UNTIL = "2026-03-02T15:00:00Z"


@pytest.mark.parametrize("name", OUTLOOKS)
def test_what_would_change_the_number(name: str) -> None:
    decided, look, said = OUTLOOKS[name]
    explanation = explain(left_by_operator(decided, **look), decided, "pool", NOW)
    assert any(said in sentence for sentence in explanation.ahead), explanation


def test_an_override_names_its_end_and_how_to_end_it_now() -> None:
    decided = one()
    annotations = {"utilitarian.io/override.pool": f"5 until {UNTIL}"}
    resource = left_by_operator(decided, facts(0), annotations=annotations)
    trail = decisions_now(decided, resource, NOW)["pool"].trail
    resource["status"]["pools"][0] |= {"trail": [asdict(step) for step in trail]}
    ahead = explain(resource, decided, "pool", NOW).ahead
    assert f"the rules decide again at {UNTIL}, or without the annotation utilitarian.io/override.pool" in ahead


def test_a_pause_by_annotation_names_its_end_and_how_to_end_it_now() -> None:
    decided = one()
    annotations = {"utilitarian.io/paused": f"until {UNTIL}"}
    resource = left_by_operator(decided, facts(10), annotations=annotations)
    trail = decisions_now(decided, resource, NOW)["pool"].trail
    assert trail[-1].because.startswith(f"paused by annotation until {UNTIL}: would be 1 (10 tasks of ")
    resource["status"]["pools"][0] |= {"trail": [asdict(step) for step in trail]}
    ahead = explain(resource, decided, "pool", NOW).ahead
    assert "the rules set it to 1 when the pause is over, or without the annotation utilitarian.io/paused" in ahead


@pytest.mark.parametrize(
    "ahead,said",
    [
        (timedelta(seconds=1), "in 1s"),
        (timedelta(seconds=119), "in 1m59s"),
        (timedelta(minutes=23, seconds=20), "in 23m"),
        (timedelta(hours=5, minutes=10), "in 5h10m"),
        (timedelta(days=12, hours=3), "in 12 days"),
    ],
)
def test_how_long_it_is_to_a_moment(ahead: timedelta, said: str) -> None:
    assert outlooks.until(NOW + ahead, NOW) == said
