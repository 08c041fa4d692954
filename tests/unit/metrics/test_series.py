"""What a family shows: a series from when it begins or is told, and no more once it is forgotten or told no more."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as TheirCounter
from prometheus_client import Gauge as TheirGauge
from prometheus_client import Histogram as TheirHistogram

from utilitarian_operator.metrics.series import Ages, Board, Counter, Histogram

A, AB = ("ns", "a"), ("ns", "ab")
POOL = ("namespace", "fleet", "pool")
STATE = (*POOL, "state")


def shown(registry: CollectorRegistry) -> list[tuple[tuple[str, ...], float]]:
    samples = [it for metric in registry.collect() for it in metric.samples]
    return [(tuple(it.labels.values())[1:], it.value) for it in samples]


def test_a_gauge_shows_what_each_part_told_last_and_nothing_else() -> None:
    board = Board(registry := CollectorRegistry())
    gauge = board.gauge("workers", "Workers.", STATE)
    for fleet, pool in ((A, "one"), (A, "two"), (AB, "one")):
        board.show(fleet, pool, {(gauge, (*fleet, pool, "ready")): 1, (gauge, (*fleet, pool, "wanted")): None})
    board.show(A, "one", {(gauge, (*A, "one", "wanted")): 2})
    assert shown(registry) == [(("a", "one", "wanted"), 2), (("a", "two", "ready"), 1), (("ab", "one", "ready"), 1)]
    board.keep_only(A, {"two"})
    assert shown(registry) == [(("a", "two", "ready"), 1), (("ab", "one", "ready"), 1)]
    board.forget(A)
    assert shown(registry) == [(("ab", "one", "ready"), 1)]


def test_pools_that_are_alike_share_what_is_kept_of_their_names() -> None:
    """Most figures of a thousand pools differ in nothing but the pool."""
    board = Board(CollectorRegistry())
    gauge = board.gauge("workers", "Workers.", STATE)
    for pool in ("one", "two"):
        board.show(A, pool, {(gauge, (*A, pool, state)): 0 for state in ("ready", "wanted")})
    one, two = board.shown()
    assert one.shape is two.shape


def test_what_is_counted_stays_until_its_pool_or_fleet_is_forgotten() -> None:
    registry = CollectorRegistry()
    counter = Counter(registry, "scales", "Scales.", STATE)
    for fleet, pool in ((A, "one"), (A, "two"), (AB, "one")):
        counter.begin(fleet, pool, "up")
        counter.add(2, fleet, pool, "up")
        counter.begin(fleet, pool, "up")
    counter.forget(A, "one")
    assert shown(registry) == [(("a", "two", "up"), 2), (("ab", "one", "up"), 2)]
    counter.forget(A)
    assert shown(registry) == [(("ab", "one", "up"), 2)]
    with pytest.raises(ValueError, match="utilitarian_scales can't go back by 1"):
        counter.add(-1, AB, "one", "up")


def test_an_age_grows_until_it_begins_anew() -> None:
    registry, now = CollectorRegistry(), [10.0]
    ages = Ages(registry, "age_seconds", "Age.", POOL[:2], lambda: now[0])
    ages.from_now(A)
    now[0] = 13.0
    assert shown(registry) == [(("a",), 3.0)]
    ages.from_now(A)
    assert shown(registry) == [(("a",), 0.0)]
    ages.forget(A)
    assert shown(registry) == []


def test_the_page_is_the_one_that_the_librarys_own_families_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte, with names that must be escaped."""
    monkeypatch.setattr("prometheus_client.metrics._use_created", False)
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    board, text, bounds = Board(ours), 'What "it"\nmeans \\ is', (0.5, 1, 2.5, 10000000)
    gauge, counter = board.gauge("workers", text, STATE), Counter(ours, "scales", text, STATE)
    histogram = Histogram(ours, "wake_seconds", text, POOL, bounds)
    their_gauge = TheirGauge("utilitarian_workers", text, STATE, registry=theirs)
    their_counter = TheirCounter("utilitarian_scales", text, STATE, registry=theirs)
    their_histogram = TheirHistogram("utilitarian_wake_seconds", text, POOL, registry=theirs, buckets=bounds)
    for pool in ("p", 'q"\\\n', "ü"):
        figures = {"ready": 3, "max": 12345678.5, "min": True, "age": float("inf")}
        board.show(A, pool, {(gauge, (*A, pool, state)): it for state, it in figures.items()})
        for state, it in figures.items():
            their_gauge.labels(*A, pool, state).set(it)
            counter.begin(A, pool, state)
            counter.add(7.25, A, pool, state)
            their_counter.labels(*A, pool, state).inc(7.25)
        histogram.begin(A, pool)
        their_histogram.labels(*A, pool)
        for seconds in (0.5, 0.51, 0.0, 3, 10000000.5) if pool == "p" else ():
            histogram.observe(seconds, A, pool)
            their_histogram.labels(*A, pool).observe(seconds)
    assert generate_latest(ours) == generate_latest(theirs)
