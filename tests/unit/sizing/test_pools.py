from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.pools import NOW, facts, fleet, pool
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Present
from utilitarian_operator.core.sizing import facts as from_sight
from utilitarian_operator.core.sizing.decision import Decision
from utilitarian_operator.core.sizing.eta_sleep import EtaSleep
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext, decide_fleet, decide_pool, first_seen_work
from utilitarian_operator.core.spec.override import Override

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    "replicas, leaving, granted",
    [
        pytest.param(2, False, 1, id="before-the-step-down"),
        pytest.param(1, False, 1, id="after-it"),
        pytest.param(1, True, 2, id="its-pod-is-ended"),
    ],
)
def test_a_worker_holds_its_place_until_its_pod_is_ended(replicas: int, leaving: bool, granted: int) -> None:
    """Else its Deployment goes 2, 1, 2, 1 for as long as the ReplicaSet controller is behind."""
    nothing = WorkerLoad(0, 0, 0, 0, consuming=())
    stays = PodSnapshot("stays", running=True, ready=True, leaving=False, held=nothing)
    goes = replace(stays, name="goes", leaving=leaving, marked=NOW, cheapest=True, gated=True, gate=False)
    queues = {"q": Present(5_000, 1, 0)}
    snapshot = PoolSnapshot(queues, 0, (stays, goes), replicas=replicas)
    fleets = fleet({"name": "pool", "scaling": {"max": 9}}, {"name": "other"}, maxWorkers=4)
    other = facts(2, current=2, idle=0, running=2)
    seen = {"pool": from_sight.facts(snapshot), "other": other}
    decisions = decide_fleet(fleets, seen, {}, FleetContext(NOW)).decisions
    assert decisions["pool"].replicas == granted


def test_what_is_remembered_of_a_turn_does_not_change_at_each_look() -> None:
    """In Preview no worker comes of a turn."""
    pools, seen, memories = fleet({"name": "a"}), {"a": facts(0, missing=("queue-a",))}, dict[str, Memory]()
    turns = set()
    for minute in range(30):
        memories = decide_fleet(pools, seen, memories, FleetContext(NOW + minute * MINUTE)).memories
        turns.add(memories["a"].first_worker_turn)
    assert len(turns) == 3


HOUR = timedelta(hours=1)
TOMORROW = NOW + timedelta(days=1)
POOL = pool(idleAfter="2m", drainWithin="1m", stabilization="1m")
IDLE = Memory(idle_since=NOW - HOUR, looked_at=NOW - timedelta(seconds=1), start_up_s=10.0)
ASLEEP = Facts(0, 50, 50, 50, 0)
SLEEP = EtaSleep(50, TOMORROW, 1, slept=True)


def decided(facts: Facts, memory: Memory, after: timedelta = timedelta()) -> tuple[Decision, Memory]:
    return decide_pool(POOL, facts, memory, FleetContext(NOW + after))


def test_the_time_to_wake_a_pool_counts_from_work_and_not_from_what_was_given_back() -> None:
    snapshot = FleetSnapshot(NOW, {"pool": PoolSnapshot({"q": Present(50, 0)}, 0, (), 0)})
    asleep, _ = decided(ASLEEP, replace(IDLE, eta_sleep=SLEEP))
    awake, _ = decided(replace(ASLEEP, ready=51, work=51, at_least=51), replace(IDLE, eta_sleep=SLEEP))
    assert first_seen_work({}, snapshot, {"pool": asleep}) == {}
    assert first_seen_work({}, snapshot, {"pool": awake}) == {"pool": NOW}


@pytest.mark.parametrize(
    "mode, workers, counted",
    [
        pytest.param("Auto", None, True, id="asleep"),
        pytest.param("Paused", None, False, id="paused"),
        pytest.param("Auto", 0, False, id="kept-at-zero-by-hand"),
        pytest.param("Auto", 2, True, id="called-by-hand"),
    ],
)
def test_the_time_to_wake_a_pool_does_not_count_while_a_person_lets_it_sleep(
    mode: str, workers: int | None, *, counted: bool
) -> None:
    asked, seen = fleet({"name": "pool"}, mode=mode), {"pool": ASLEEP}
    overrides = {} if workers is None else {"pool": Override(workers, TOMORROW)}
    decisions = decide_fleet(asked, seen, {}, FleetContext(NOW, overrides=overrides)).decisions
    snapshot = FleetSnapshot(NOW, {"pool": PoolSnapshot({"q": Present(50, 0)}, 0, (), 0)})
    assert first_seen_work({}, snapshot, decisions) == ({"pool": NOW} if counted else {})


def test_the_number_of_a_pool_that_another_client_sets_is_left_alone_and_the_trail_says_what_it_would_be() -> None:
    asked = fleet({"name": "a", "queues": ["q"]}, {"name": "b", "queues": ["r"]})
    seen = {"a": facts(100_000, current=2), "b": facts(100, current=0)}
    context = FleetContext(NOW, contested={"a": "keda", "gone": "keda"})
    decisions = decide_fleet(asked, seen, {}, context).decisions
    assert (decisions["a"].replicas, decisions["a"].rule) == (2, "contested")
    assert "keda sets the number, too, and is not fought: would be 10" in decisions["a"].trail[-1].because
    assert decisions["b"].replicas == 1
