"""Whatever was learned, what is recommended can be written, changes something, and is not asked for again."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.pools import fleet
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.explain.recommendations import Figures, can_be_written, recommendations

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
