"""What the process tells of itself, from its start on: each kind of error and each target at 0."""

import math

from prometheus_client import CollectorRegistry

from tests.support.pools import NOW
from utilitarian_operator import errors
from utilitarian_operator.adapters.requests import Target
from utilitarian_operator.api.price import InvalidPrice
from utilitarian_operator.api.problem import InvalidSpec
from utilitarian_operator.metrics.process import ProcessMetrics


def test_each_kind_of_error_and_each_target_is_there_from_the_start() -> None:
    registry = CollectorRegistry()
    metrics = ProcessMetrics(registry)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"utilitarian_{name}", labels)

    named = [it for it in vars(errors).values() if isinstance(it, type) and issubclass(it, errors.OperatorError)]
    kinds = {it.__name__ for it in (*named, InvalidSpec)}
    assert {value("errors_total", kind=kind) for kind in kinds} == {0}
    assert {value("request_errors_total", target=it) for it in Target} == {0}
    assert {value("request_seconds_count", target=it) for it in Target} == {0}
    assert value("errors_total", kind=InvalidPrice.__name__) is None, "a wrong option ends the process"
    metrics.failed(errors.BrokerBlocked("x"))
    assert value("errors_total", kind="BrokerBlocked") == 1
    assert value("errors_total", kind="Unexpected") == 0
    metrics.failed(KeyError("x"))
    assert (value("errors_total", kind="Unexpected"), value("errors_total", kind="KeyError")) == (1, None)
    for failed in (False, True):
        metrics.asked(Target.API, 0.5, failed)
    assert (value("request_seconds_count", target="api"), value("request_errors_total", target="api")) == (2, 1)


def test_a_replica_that_waits_says_so() -> None:
    registry = CollectorRegistry()
    metrics = ProcessMetrics(registry)
    names = (
        "leader",
        "operator_last_tick_timestamp_seconds",
        "event_loop_lag_seconds",
        "kept_bytes",
        "kept_limit_bytes",
    )
    shown = [[registry.get_sample_value(f"utilitarian_{name}") for name in names]]
    metrics.leads(leads=True)
    metrics.began_a_round(NOW)
    metrics.lagged(0.25)
    metrics.keeps(3, None)
    shown.append([registry.get_sample_value(f"utilitarian_{name}") for name in names])
    assert shown == [[0, 0, 0, 0, 0], [1, NOW.timestamp(), 0.25, 3, math.inf]]
    metrics.lagged(-0.1)  # a clock is not exact
    assert registry.get_sample_value("utilitarian_event_loop_lag_seconds") == 0
