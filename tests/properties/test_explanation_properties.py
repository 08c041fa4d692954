"""A status that lacks any of its fields, of an older operator or edited, is told as far as it goes."""

from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.yaml_text import load
from utilitarian_operator.cli.resources import fleet_of, pools_of, the_one
from utilitarian_operator.core.explain.explanation import explain
from utilitarian_operator.core.explain.from_status import NO_REASON, decisions_now, trail_from_status

SAVED = load((Path(__file__).parents[1] / "unit" / "cli" / "saved_fleet.yaml").read_text())
NOW = datetime.fromisoformat("2026-03-02T12:10:00Z")
RUN = {"name": "run", "started": "2026-03-02T12:00:00Z", "remaining": 5, "eta": "2026-03-02T12:20:00Z"}
PAST = {"name": "run", "started": "2026-03-02T11:00:00Z", "finished": "2026-03-02T11:20:00Z", "outcome": "Done"}
SAVED["status"]["pools"][0] |= {"run": RUN, "history": [PAST, PAST]}


def places(part: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all fields below a part, but of a pool's memory, which is the operator's own."""
    keys = part.keys() if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ()
    below = [(*at, key) for key in keys if key != "memory"]
    return below + [place for path in below for place in places(part[path[-1]], path)]


FIELDS = [path for path in places(SAVED["status"]) if not isinstance(path[-1], int)]


@settings(max_examples=examples(200), deadline=None)
@given(missing=st.lists(st.sampled_from(FIELDS), max_size=5), pool=st.sampled_from(["amr-hourly", "cleanup"]))
def test_any_field_may_be_missing(missing: list[tuple[Any, ...]], pool: str) -> None:
    body = deepcopy(SAVED)
    for *parents, leaf in missing:
        part = body["status"]
        for parent in parents:
            part = part.get(parent, {}) if isinstance(part, dict) else part[parent]
        part.pop(leaf, None)
    explained = explain(body, fleet_of(body), pool, NOW)
    assert explained.summary
    assert set(decisions_now(fleet_of(body), body, NOW)) == {"amr-hourly", "cleanup"}
    assert the_one([body], None, pool)


@pytest.mark.parametrize(
    "step, said",
    [
        ({"rule": "demand", "before": 0, "after": 1}, [("demand", NO_REASON)]),
        ({"before": 0, "after": 1, "because": "one task"}, [("unknown", "one task")]),
        ({"rule": "demand", "after": 1, "because": "one task"}, []),
        ({"rule": "demand", "before": 0, "because": "one task"}, []),
        ({}, []),
    ],
)
def test_a_step_that_lacks_a_field_is_told_as_far_as_it_goes(step: dict[str, Any], said: list[tuple[str, str]]) -> None:
    assert [(it.rule, it.because) for it in trail_from_status({"trail": [step]})] == said


def test_a_refused_spec_is_told_by_a_status_whose_pools_have_no_names() -> None:
    body = {"spec": {}, "status": {"pools": [{"replicas": 3}, {"name": "work"}]}}
    assert pools_of(body) == ["work"]
