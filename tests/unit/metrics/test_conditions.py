"""Conditions as metrics: one series a type, absent while nothing is known, also of a fleet that never ran."""

from tests.support.metrics_looks import FLEET, Shown


def told(shown: Shown, **conditions: tuple[str, str]) -> dict[tuple[str, str], float]:
    """What is shown after these were told: each a status and its reason."""
    said = [{"type": kind, "status": status, "reason": why} for kind, (status, why) in conditions.items()]
    shown.metrics.conditions(FLEET, said)
    return series(shown)


def series(shown: Shown) -> dict[tuple[str, str], float]:
    samples = [
        it for metric in shown.registry.collect() if metric.name == "utilitarian_condition" for it in metric.samples
    ]
    return {(it.labels["type"], it.labels["reason"]): it.value for it in samples}


def test_one_series_a_type_with_its_present_reason() -> None:
    shown = Shown()
    assert told(shown, Ready=("True", "Idle"), Stalled=("False", "Accepted")) == {
        ("Ready", "Idle"): 1,
        ("Stalled", "Accepted"): 0,
    }
    assert told(shown, Ready=("True", "Working"), Stalled=("False", "Accepted")) == {
        ("Ready", "Working"): 1,
        ("Stalled", "Accepted"): 0,
    }
    assert told(shown, Ready=("Unknown", "NotSeen")) == {}


def test_what_is_in_the_way_of_a_fleet_that_never_ran_is_shown_and_nothing_of_a_look_that_failed() -> None:
    shown = Shown()
    with shown.metrics.look(FLEET):
        told(shown, Stalled=("True", "InvalidSpec"))
    assert series(shown) == {("Stalled", "InvalidSpec"): 1}
    with shown.metrics.look(FLEET):
        pass
    assert series(shown) == {}


def test_none_stays_of_a_fleet_that_is_gone() -> None:
    shown = Shown()
    told(shown, Ready=("True", "Idle"))
    shown.metrics.forget(FLEET)
    assert series(shown) == {}
