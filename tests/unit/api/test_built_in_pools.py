from tests.support.resources import resource
from utilitarian_operator.api.built_in_pools import BUILT_IN_POOLS, DOCUMENTED_QUEUES
from utilitarian_operator.api.cel_rules import BUILT_IN_POOL_COUNT, LONGEST_BUILT_IN_NAME
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.resource import parse


def fleet(spec: str = "{}") -> Fleet:
    return effective_fleet(parse(resource(spec)).spec)


def test_without_pools_each_documented_queue_has_one_pool() -> None:
    queues = [queue for pool in fleet().pools for queue in pool.queues]
    assert sorted(queues) == sorted(DOCUMENTED_QUEUES)
    assert len(set(queues)) == 14


def test_the_rules_know_the_layouts_size() -> None:
    assert len(BUILT_IN_POOLS) == BUILT_IN_POOL_COUNT
    assert max(len(pool["name"]) for pool in BUILT_IN_POOLS) == LONGEST_BUILT_IN_NAME


def test_the_layout_sets_neither_bounds_nor_runs() -> None:
    # The CEL rules on min, max and outsideRuns without `pools` look at the defaults alone.
    assert not any(
        {"min", "max", "outsideRuns"} & pool["scaling"].keys() or "schedule" in pool for pool in BUILT_IN_POOLS
    )
