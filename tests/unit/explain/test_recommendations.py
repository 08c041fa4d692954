"""Each recommendation in one row: what is known of a pool, what to write instead and what that brings."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.pools import NOW, fleet
from utilitarian_operator.api.effective import Pool
from utilitarian_operator.api.resource import parse
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.explain.recommendations import Figures, Recommendation, recommendations, round_up
from utilitarian_operator.core.sizing.usage import Usage

MIB = 2**20
QUIET = Figures(seconds_per_task=5, completions=100, longest_s=9, start_up_s=8)


def pool(**written: Any) -> Pool:
    return fleet({"name": "pool", **written}).pools[0]


def found(field: str, pool: Pool, figures: Figures) -> Recommendation | None:
    return next((it for it in recommendations(pool, figures) if it.path == f"pools.pool.{field}"), None)


def worker(**fields: Any) -> dict[str, Any]:
    return {"worker": fields}


def scaling(**fields: Any) -> dict[str, Any]:
    return {"scaling": fields}


LIMITED = {"resources": {"limits": {"memory": "1Gi"}}}

CASES: dict[str, tuple[str, dict[str, Any], Figures, tuple[str, str], str]] = {
    "more workers than allowed": (
        "scaling.max",
        scaling(max=10),
        replace(QUIET, needed=14, work=5_600),
        ("10", "14"),
        "about 8m20s instead of 11m40s",
    ),
    "more than allowed, how much work is not known": (
        "scaling.max",
        scaling(max=10),
        Figures(needed=14),
        ("10", "14"),
        "all of the work is started within its promise",
    ),
    "more workers rather than more concurrency": (
        "worker.concurrency",
        worker(concurrency=40),
        Figures(),
        ("40", "10"),
        "10 tasks with it instead of 40; with scaling.max: 40",
    ),
    "slots that still fit by what was measured": (
        "worker.concurrency",
        worker(concurrency=2, resources={"requests": {"cpu": "200m", "memory": "1Gi"}}),
        Figures(usage=Usage(2, (0.03,) * 5, 300 * MIB, since=NOW), most_workers=3),
        ("2", "6"),
        "fewer workers for the same tasks; at its peak one takes about 0.7 GiB",
    ),
    "memory near its limit": (
        "worker.concurrency",
        worker(concurrency=8, resources={"limits": {"memory": "2Gi"}}),
        Figures(usage=Usage(8, (), 1741 * MIB, since=NOW)),
        ("8", "6"),
        "fewer slots, or maxTasksPerChild",
    ),
    "a worker was killed for its memory": (
        "worker.concurrency",
        worker(concurrency=8, execution="threads", resources={"limits": {"memory": "2Gi"}}),
        Figures(usage=Usage(8, (), 2048 * MIB, since=NOW, killed_at=NOW)),
        ("8", "5"),
        "fewer slots, or a larger resources.limits.memory",
    ),
    "memory near its limit with one slot": (
        "worker.maxTasksPerChild",
        worker(concurrency=1, resources={"limits": {"memory": "2Gi"}}),
        Figures(usage=Usage(1, (), 1741 * MIB, since=NOW)),
        ("none", "100"),
        "a child's memory is given back between two tasks",
    ),
    "messages wait behind running tasks": (
        "worker.prefetchMultiplier",
        worker(prefetchMultiplier=4),
        QUIET,
        ("4", "1"),
        "the worker that is free first",
    ),
    "a promise shorter than a start": (
        "scaling.drainWithin",
        scaling(drainWithin="5s"),
        QUIET,
        ("5s", "15s"),
        "scaling.min: 1 keeps the present one, for 24 worker-hours a day",
    ),
    "a promise that leaves less than a task's time": (
        "scaling.drainWithin",
        scaling(drainWithin="10s"),
        QUIET,
        ("10s", "30s"),
        "1,000 tasks at once ask for 50 workers instead of 250",
    ),
    "children without a ceiling under a limit": (
        "worker.maxMemoryPerChild",
        worker(concurrency=3, **LIMITED),
        Figures(),
        ("none", "256Mi"),
        "replaced between two tasks",
    ),
    "children that together may exceed the limit": (
        "worker.maxMemoryPerChild",
        worker(concurrency=3, maxMemoryPerChild="400Mi", **LIMITED),
        Figures(),
        ("400Mi", "256Mi"),
        "replaced between two tasks",
    ),
    "a task longer than a worker may take to stop": (
        "drainTimeout",
        {"drainTimeout": "10m"},
        replace(QUIET, longest_s=1_200),
        ("10m", "30m"),
        "lets such a task end",
    ),
    "a task nearly as long as the longest grace": (
        "drainTimeout",
        {"drainTimeout": "1h"},
        replace(QUIET, longest_s=160 * 3_600),
        ("1h", "168h"),
        "lets such a task end",
    ),
    "a first guess for tasks of no time": (
        "scaling.taskDuration",
        scaling(taskDuration="10ms"),
        replace(QUIET, seconds_per_task=0.0004, longest_s=0.01),
        ("10ms", "1ms"),
        "sizes its first burst right",
    ),
    "a first guess far too long": (
        "scaling.taskDuration",
        scaling(taskDuration="30s"),
        QUIET,
        ("30s", "5s"),
        "sizes its first burst right",
    ),
    "a first guess far too short": (
        "scaling.taskDuration",
        scaling(taskDuration="100ms"),
        replace(QUIET, seconds_per_task=0.24),
        ("100ms", "200ms"),
        "sizes its first burst right",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_should_be_changed(name: str) -> None:
    field, written, figures, (was, to), effect = CASES[name]
    recommendation = found(field, pool(**written), figures)
    assert recommendation is not None
    assert (recommendation.was, recommendation.to) == (was, to)
    assert effect in recommendation.effect
    assert recommendation.because


SILENT: dict[str, tuple[dict[str, Any], Figures]] = {
    "nothing is known": ({}, Figures()),
    "measured, it says more than a rule of thumb": (
        worker(concurrency=40, resources={"requests": {"cpu": "2", "memory": "4Gi"}}),
        Figures(usage=Usage(40, (0.04,) * 5, 3000 * MIB, since=NOW), most_workers=3),
    ),
    "with one worker more slots save nothing": (
        worker(concurrency=2, resources={"requests": {"cpu": "2", "memory": "4Gi"}}),
        Figures(usage=Usage(2, (0.01,) * 5, 300 * MIB, since=NOW), most_workers=1),
    ),
    "measured with another number of slots": (
        worker(
            concurrency=2,
            execution="threads",
            resources={"limits": {"memory": "2Gi"}, "requests": {"cpu": "2", "memory": "1Gi"}},
        ),
        Figures(usage=Usage(8, (0.01,) * 5, 2000 * MIB, since=NOW), most_workers=3),
    ),
    "memory leaves no room for more slots": (
        worker(
            concurrency=2,
            execution="threads",
            resources={"limits": {"memory": "1Gi"}, "requests": {"cpu": "2", "memory": "1Gi"}},
        ),
        Figures(usage=Usage(2, (0.01,) * 5, 700 * MIB, since=NOW), most_workers=3),
    ),
    "a worker that is bound by its CPU": (
        worker(concurrency=4, execution="threads", resources={"requests": {"cpu": "4", "memory": "9Gi"}}),
        Figures(usage=Usage(4, (0.24,) * 5, 300 * MIB, since=NOW), most_workers=3),
    ),
    "everything fits": ({}, QUIET),
    "too few tasks to trust the mean": (
        {"worker": {"prefetchMultiplier": 4}, "scaling": {"taskDuration": "30s"}},
        replace(QUIET, completions=19),
    ),
    "as many workers as are allowed": ({"scaling": {"max": 10}}, replace(QUIET, needed=10)),
    "what halving the slots costs is not known": ({"worker": {"concurrency": 8}}, replace(QUIET, longest_s=600)),
    "a task longer than any grace": ({}, replace(QUIET, longest_s=10 * 86_400)),
    "a start-up of a day": ({"scaling": {"drainWithin": "168h"}}, Figures(start_up_s=86_400)),
    "no time at all": ({"scaling": {"taskDuration": "1ms"}}, replace(QUIET, seconds_per_task=0.0004, longest_s=0.01)),
    "more workers than the schema has": ({"scaling": {"max": 1000}}, Figures(needed=20_000)),
    "one slot can't be halved": ({"worker": {"concurrency": 1}}, replace(QUIET, longest_s=600)),
    "threads share their memory": ({"worker": {"execution": "threads", "concurrency": 40, **LIMITED}}, Figures()),
    "children fit under the limit": (
        {"worker": {"concurrency": 3, "maxMemoryPerChild": "256Mi", **LIMITED}},
        Figures(),
    ),
}


@pytest.mark.parametrize("name", SILENT)
def test_nothing_is_recommended_without_a_reason(name: str) -> None:
    written, figures = SILENT[name]
    assert recommendations(pool(**written), figures) == ()


@pytest.mark.parametrize("name", CASES)
def test_what_is_recommended_can_be_written(name: str) -> None:
    """A resource with the better value is accepted, and the same figures don't ask for the same change again."""
    field, written, figures, (_, to), _ = CASES[name]
    *parents, leaf = field.split(".")
    inner = part = {"name": "pool", "queues": ["queue"], **written}
    for parent in parents:
        part[parent] = dict(part.get(parent, {}))
        part = part[parent]
    part[leaf] = int(to) if to.isdigit() else to
    assert parse(_resource(inner)).spec.pools
    again = found(field, fleet(inner).pools[0], figures)
    assert again is None


def _resource(pool: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "utilitarian.io/v1alpha1",
        "kind": "UtilitarianWorkerPool",
        "metadata": {"name": "fleet"},
        "spec": {
            "image": "utilitarian:1",
            "broker": {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}},
            "pools": [pool],
        },
    }


@pytest.mark.parametrize(
    "value,text",
    [(0.2, "1s"), (1, "1s"), (23.4, "30s"), (31, "1m"), (130, "5m"), (1_801, "1h"), (3_601, "2h"), (200_000, "56h")],
)
def test_durations_that_a_person_would_write(value: float, text: str) -> None:
    assert format_duration(round_up(value)) == text
