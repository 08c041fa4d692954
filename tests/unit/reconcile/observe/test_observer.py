"""What an observer makes of broker and workers together, and what a rollout is."""

from dataclasses import replace

import pytest

from tests.support.pools import NOW, pool
from utilitarian_operator.adapters.cluster.cache import Key, Store
from utilitarian_operator.core.observation.model import PodSnapshot, PoolSnapshot, Present, Unknown, WorkerLoad
from utilitarian_operator.reconcile.observe.observer import Observer

HOLDS = PodSnapshot(
    "a", ready=True, running=True, leaving=False, held=WorkerLoad(2, 1, 3, 0, consuming=("queue",)), revision="1"
)
DEAF = replace(HOLDS, name="b", held=WorkerLoad(0, 0, 0, 0, consuming=()))
GOING = replace(HOLDS, name="c", marked=NOW)
GOING_DEAF = replace(DEAF, name="d", marked=NOW)
LIMITED = replace(HOLDS, sample=WorkerLoad(0, 0, 0, 0, begun=1, limited=True))


@pytest.mark.parametrize(
    "consumers, pods, unacked",
    [
        pytest.param(1, [HOLDS], 4, id="one worker, one consumer"),
        pytest.param(2, [HOLDS, GOING], 8, id="one that goes and still consumes"),
        pytest.param(1, [HOLDS, GOING], 8, id="one that goes and no longer consumes, as its word will say"),
        pytest.param(1, [HOLDS, GOING_DEAF], 4, id="one that goes and consumes no longer"),
        pytest.param(1, [HOLDS, DEAF], 4, id="one that stays and takes nothing, by its own word"),
        pytest.param(0, [DEAF], 0, id="nobody takes anything"),
        pytest.param(2, [HOLDS], None, id="a consumer too many"),
        pytest.param(0, [HOLDS], None, id="a consumer too few"),
        pytest.param(2, [HOLDS, DEAF], None, id="a consumer too many beside one that takes nothing"),
        pytest.param(1, [LIMITED], None, id="messages that wait for a rate limit are told nowhere"),
    ],
)
def test_what_is_unacknowledged_is_known_where_each_consumer_is_a_worker_that_said_what_it_holds(
    consumers: int, pods: list[PodSnapshot], unacked: int | None
) -> None:
    observer = Observer(Key("test", "fleet"), Store())
    found = observer._told_unacked(pool(), {"queue": Present(0, consumers)}, tuple(pods), NOW)
    assert found == unacked if unacked is not None else isinstance(found, Unknown)


def test_a_pod_of_the_old_template_that_was_told_to_go_holds_up_no_drain() -> None:
    old = replace(HOLDS, name="old", revision="0")
    there = PoolSnapshot({}, 0, (HOLDS, old), 1)
    assert there.rolling_out
    assert not replace(there, pods=(HOLDS, replace(old, leaving=True))).rolling_out
