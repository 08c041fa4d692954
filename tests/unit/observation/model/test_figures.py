from datetime import UTC, datetime, timedelta

import pytest

from utilitarian_operator.core.observation.model.figures import HOLDS, LIVE, Count, Source, Unknown, add

SOME, OTHER = (
    Unknown("no answer", datetime(2026, 1, 1, tzinfo=UTC)),
    Unknown("refused", datetime(2026, 1, 2, tzinfo=UTC)),
)
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    "counts, total",
    [([], 0), ([1, 2], 3), ([1, SOME, 2], SOME), ([SOME, OTHER], SOME)],
    ids=["none", "all known", "one unknown", "the first unknown"],
)
def test_a_sum_with_an_unknown_part_is_unknown(counts: list[Count], total: Count) -> None:
    assert add(counts) == total


@pytest.mark.parametrize(
    "age, quality",
    [
        (None, "unknown"),
        (timedelta(), "live"),
        (LIVE, "live"),
        (LIVE + MOMENT, "sampled"),
        (HOLDS, "sampled"),
        (HOLDS + MOMENT, "stale"),
    ],
    ids=str,
)
def test_a_source_is_as_good_as_it_is_fresh(age: timedelta | None, quality: str) -> None:
    assert Source("depths", age).quality == quality
