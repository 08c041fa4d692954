"""What a metric shows: a series from its first look on, and no more once it is removed or forgotten."""

from prometheus_client import CollectorRegistry, Gauge

from utilitarian_operator.metrics.series import Series


def test_a_series_is_shown_until_it_is_removed_or_its_fleet_forgotten() -> None:
    registry = CollectorRegistry()
    series = Series(Gauge("shown", "Shown", ("fleet", "pool"), registry=registry))

    def shown() -> set[tuple[str, ...]]:
        return {tuple(sample.labels.values()) for metric in registry.collect() for sample in metric.samples}

    for labels in (("a", "one"), ("a", "two"), ("ab", "one")):
        series.labels(*labels).set(1)
    assert series.labels("a", "one") is series.labels("a", "one")
    series.remove("a", "one")
    series.remove("a", "one")
    assert shown() == {("a", "two"), ("ab", "one")}
    series.labels("a", "one").set(2)
    assert registry.get_sample_value("shown", {"fleet": "a", "pool": "one"}) == 2
    series.forget("a")
    assert shown() == {("ab", "one")}
