"""Whatever was learned, what is recommended or tried can be written, and what is recommended is not asked for again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.pools import NOW, fleet
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.cli.resources import fleet_of
from utilitarian_operator.core.explain.recommendations import Figures, can_be_written, recommendations
from utilitarian_operator.core.explain.usage_advice import slots
from utilitarian_operator.core.sizing.usage import MOST_BYTES, Usage
from utilitarian_operator.simulation.report import candidates
from utilitarian_operator.simulation.report.advice import Change
from utilitarian_operator.simulation.report.advice import Figures as Came
from utilitarian_operator.simulation.report.written import followed

SECONDS = st.sampled_from([0.0, 1e-9, 0.0004, 0.001, 0.3, 5.0, 600.0, 86_400.0, 604_800.0, 8.64e5, 1e12, 1e300])
FIGURES = st.builds(
    Figures,
    seconds_per_task=SECONDS,
    completions=st.sampled_from([0.0, 19.0, 200.0]),
    longest_s=SECONDS,
    start_up_s=st.none() | SECONDS,
    work=st.none() | st.integers(0, 10**9),
    needed=st.none() | st.integers(0, 10**6),
)
AMOUNTS = st.sampled_from([5e-324, 1e-9, 0.0, 0.01, 1.0, 1024.0])
BYTES = st.sampled_from([5e-324, 0.0, 1.0, 2.0**27, 2.0**31, MOST_BYTES])
USAGES = st.builds(
    Usage,
    slots=st.integers(0, 60),
    cpu_per_slot=st.lists(AMOUNTS, max_size=10).map(tuple),
    peak=BYTES,
    peaks_before=st.lists(BYTES, max_size=3).map(tuple),
    since=st.just(NOW),
    killed_at=st.none() | st.just(NOW),
)
LENGTHS = st.sampled_from([timedelta(seconds=1), timedelta(minutes=2), timedelta(hours=24)]).map(format_duration)
POOLS = st.fixed_dictionaries(
    {
        "worker": st.fixed_dictionaries(
            {"concurrency": st.integers(1, 60), "prefetchMultiplier": st.integers(1, 4)},
            optional={"resources": st.just({"limits": {"memory": "1Gi"}})},
        ),
        "scaling": st.fixed_dictionaries(
            {"drainWithin": LENGTHS, "idleAfter": LENGTHS, "taskDuration": LENGTHS, "max": st.integers(1, 1000)}
        ),
        "drainTimeout": LENGTHS,
    }
)


@settings(max_examples=examples(150), deadline=None)
@given(written=POOLS, figures=FIGURES)
def test_what_is_recommended_can_be_written_and_is_enough(written: dict[str, Any], figures: Figures) -> None:
    pool = fleet({"name": "pool", **written}).pools[0]
    for one in recommendations(pool, figures):
        assert can_be_written(one.path, one.to)
        assert one.was != one.to
        *sections, leaf = one.path.removeprefix("pools.pool.").split(".")
        value: Any = int(one.to) if one.to.isdecimal() else one.to
        changed = {**written, **({sections[0]: {**written[sections[0]], leaf: value}} if sections else {leaf: value})}
        again = recommendations(fleet({"name": "pool", **changed}).pools[0], figures)
        assert one.path not in {it.path for it in again}


RESOURCES = st.fixed_dictionaries(
    {},
    optional={
        "requests": st.fixed_dictionaries({"cpu": st.sampled_from(["1m", "200m"]), "memory": st.just("256Mi")}),
        "limits": st.fixed_dictionaries(
            {"memory": st.sampled_from(["256Mi", "2Gi"])},
            optional={"cpu": st.just("1"), "nvidia.com/gpu": st.just("1")},
        ),
    },
)


@st.composite
def written_pools(draw: st.DrawFn) -> dict[str, Any]:
    """A pool as it may be written: each execution, from one worker to as many as may be."""
    execution = draw(st.sampled_from(["prefork", "threads", "gevent", "solo"]))
    most = draw(st.integers(1, 1000))
    worker = {"execution": execution, "resources": draw(RESOURCES)}
    if execution != "solo":
        worker["concurrency"] = draw(st.integers(1, 1000) | st.integers(1, 8))
    run = {"name": "run", "start": "0 * * * *", "workers": draw(st.integers(1, most))}
    return {
        "name": "pool",
        "queues": ["queue"],
        "worker": worker,
        "scaling": {"max": most, "min": draw(st.integers(0, most))},
        "schedule": draw(st.sampled_from([[], [run]])),
    }


def resource(pool: dict[str, Any]) -> dict[str, Any]:
    url = {"secretKeyRef": {"name": "broker", "key": "url"}}
    return {
        "apiVersion": "utilitarian.io/v1alpha1",
        "kind": "UtilitarianWorkerPool",
        "metadata": {"name": "fleet", "namespace": "test"},
        "spec": {"image": "utilitarian:1", "broker": {"urlFrom": url}, "pools": [pool]},
    }


NOTHING = Came(0.0, 0.0, 0, 0, 0, 0, (), 0.0)


@settings(max_examples=examples(100), deadline=None)
@given(written=written_pools(), usage=USAGES, same=st.booleans(), peak=st.integers(0, 1000))
def test_what_is_tried_or_advised_by_usage_is_a_resource(
    written: dict[str, Any], usage: Usage, same: bool, peak: int
) -> None:
    body = resource(written)
    pool = fleet_of(body).pools[0]
    usage = replace(usage, slots=pool.worker.concurrency) if same else usage
    tried = [
        *candidates.fewer_slots(pool),
        *candidates.more_slots(pool),
        *candidates.measured_slots(pool, usage, peak),
        *candidates.smaller(pool, peak),
        *candidates.longer_promises(pool),
        *candidates.wakes(pool),
    ]
    for it in tried:
        change = Change(("pool",), it, candidates.differences(pool, it), NOTHING, NOTHING)
        assert fleet_of(followed(body, [change])).pools[0].scaling == it.scaling
    advised = slots(pool, usage, peak)
    if advised is not None:
        worker = {**written["worker"], "concurrency": advised.to}
        assert fleet_of(resource({**written, "worker": worker})).pools[0].worker.concurrency == advised.to
