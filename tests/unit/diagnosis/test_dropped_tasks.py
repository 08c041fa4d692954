"""What is said of tasks that were dropped, and when it is recorded."""

from datetime import timedelta

from tests.support.pools import NOW, fleet
from utilitarian_operator.core.diagnosis.dropped_tasks import dropped_advice, dropped_news, newly_dropped
from utilitarian_operator.core.observation.counted.dropped import Dropped
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present

FLEET = fleet({"name": "p", "queues": ["q", "r"]}, {"name": "other", "queues": ["s"]})
ONE, TWO = Dropped(1, NOW - timedelta(minutes=5)), Dropped(2, NOW)


def seen(**dropped: Dropped) -> FleetSnapshot:
    pools = {"p": PoolSnapshot({"q": Present(0, 0), "r": Present(0, 0)}, 0), "other": PoolSnapshot({}, 0)}
    return FleetSnapshot(NOW, pools, dropped=dropped)


def test_a_pool_is_told_how_many_and_of_which_queue_the_last() -> None:
    (sentence,) = dropped_advice(FLEET.pools[0], seen(q=TWO, r=ONE))
    assert sentence.startswith("pool p, queue q: 3 tasks of the pool left while nothing consumed them, the last by 2")
    assert sentence.endswith("let them expire later than drainWithin, or set scaling.min to 1")
    assert list(dropped_advice(FLEET.pools[1], seen(q=TWO))) == []


def test_each_task_is_counted_once() -> None:
    assert newly_dropped(FLEET, seen(q=TWO, r=ONE), {"q": ONE}) == {"p": 2}
    assert newly_dropped(FLEET, seen(q=TWO, r=ONE), {"q": TWO, "r": ONE}) == {}
    assert newly_dropped(FLEET, seen(q=ONE), {"q": TWO}) == {}, "they were forgotten meanwhile"


def test_it_is_recorded_when_it_happens_again_in_the_same_words() -> None:
    first, again = (list(dropped_news(FLEET, seen(q=it), before)) for it, before in ((ONE, {}), (TWO, {"q": ONE})))
    assert first == again
    assert first[0].startswith("pool p: tasks left queue q while nothing consumed it: their expires")
    assert list(dropped_news(FLEET, seen(q=TWO), {"q": TWO})) == []
