"""What the metrics of a fleet show: the figures of the last look, and nothing of what is not seen any more."""

from dataclasses import replace

from prometheus_client import CollectorRegistry

from tests.support.pools import NOW
from utilitarian_operator.core.ailments import STARVED, Ailment
from utilitarian_operator.core.decision import Step, start
from utilitarian_operator.core.observation import FleetSight, PoolSight, Present, Unknown
from utilitarian_operator.metrics import Metrics

FLEET = ("ns", "fleet")
POOL = PoolSight({"q": Present(3, 1, 2)}, 2, (), 1)
ONE = start(Step("demand", 1, 1, "one"))


class Shown:
    """The metrics of one operator, and what they show."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)

    def look(self, pool: PoolSight, *ailments: Ailment) -> None:
        self.metrics.looked(FLEET, FleetSight(NOW, {"p": pool}), {"p": ONE}, {"p": ailments})

    def value(self, name: str, **labels: str) -> float | None:
        where = {"namespace": "ns", "fleet": "fleet", "pool": "p", **labels}
        return self.registry.get_sample_value(f"utilitarian_{name}", where)


def test_each_look_shows_what_it_saw() -> None:
    shown = Shown()
    shown.look(POOL)
    assert shown.value("queue_messages", queue="q", state="ready") == 3
    assert shown.value("queue_messages", queue="q", state="unacked") == 2
    shown.look(replace(POOL, queues={"q": Present(4, 1, 2)}), Ailment(STARVED, "they begin none"))
    assert shown.value("queue_messages", queue="q", state="ready") == 4
    assert shown.value("pool_ailing", reason=STARVED) == 1
    shown.look(replace(POOL, queues={"q": Present(4, 1, 2)}))
    assert shown.value("pool_ailing", reason=STARVED) == 0


def test_a_look_at_what_is_as_it_was_counts_its_decision_all_the_same() -> None:
    shown = Shown()
    for _ in range(3):
        shown.look(POOL)
    assert shown.value("decisions_total", rule="demand") == 3


def test_what_is_not_seen_has_no_figure_and_comes_back_when_it_is() -> None:
    shown = Shown()
    shown.look(POOL)
    shown.look(replace(POOL, queues={"q": Unknown("away", NOW)}))
    for state in ("ready", "unacked"):
        assert shown.value("queue_messages", queue="q", state=state) is None
    assert shown.value("queue_consumers", queue="q") is None
    shown.look(POOL)
    assert shown.value("queue_messages", queue="q", state="ready") == 3


def test_nothing_stays_of_a_fleet_that_is_gone_and_it_may_come_again() -> None:
    shown = Shown()
    shown.look(POOL)
    shown.metrics.forget(FLEET)
    assert [it for metric in shown.registry.collect() for it in metric.samples if it.labels.get("fleet")] == []
    shown.look(POOL)
    assert shown.value("queue_messages", queue="q", state="ready") == 3
