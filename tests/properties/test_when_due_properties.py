"""A pool that wakes when due: whatever is seen, and whatever the clock does, its oldest task starts in time."""

from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.pools import NOW, facts, pool
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.memory_json import from_text, to_text
from utilitarian_operator.core.sizing.pools import FleetContext, decide_pool

PROMISE_S, LONGEST_START_S, MARGIN_S = 300.0, 18.0, 3.0
WAITS = pool(concurrency=4, drainWithin="5m", taskDuration="5s", wake="WhenDue")
KNOWS = Memory(start_up_s=10.0, start_ups=(10.0,), start_up_deviation_s=1.0, started_at=NOW)
ZERO_LASTS_S = 50.0


@dataclass(frozen=True)
class Look:
    """One look: so long after the one before, with the clock set back by so much, and what is seen.

    Args:
        after_s: seconds.
        back_s: seconds.
        sees: the facts; a zero is a false one.
        restarted: the operator was restarted since the look before, and its status was kept.
    """

    after_s: float
    back_s: float
    sees: Facts
    restarted: bool = False


SEES, UNSEEN, ZERO, STARTING = facts(1), facts(None), facts(0), facts(1, current=1)
_steady = st.builds(
    Look, st.floats(10, 20), st.just(0.0), st.sampled_from([SEES, UNSEEN, ZERO, STARTING]), st.booleans()
)
_set_back = st.builds(Look, st.floats(0.5, 2), st.floats(0, 7200), st.sampled_from([SEES, UNSEEN, ZERO, STARTING]))


@given(st.lists(_steady | _set_back, min_size=30, max_size=40))
def test_a_task_never_waits_longer_than_promised(looks: list[Look]) -> None:
    """Starts that come to nothing, false zeros, unknown sight, restarts and a clock that is set back in any order.

    The first look has seen the task. A clock that is set back hides only how long ago the look before was.
    """
    _, memory = decide_pool(WAITS, SEES, replace(KNOWS, looked_at=NOW), FleetContext(NOW))
    clock, waited, zero_for = NOW, 0.0, 0.0
    for look in looks:
        waited += max(look.after_s - look.back_s, 0.0)
        clock += timedelta(seconds=look.after_s - look.back_s)
        zero_for = zero_for + look.after_s if look.sees is ZERO else 0.0
        sees = SEES if zero_for > ZERO_LASTS_S else look.sees
        if look.restarted:
            memory = replace(from_text(to_text(memory), clock), looked_at=None)
        decision, memory = decide_pool(WAITS, sees, memory, FleetContext(clock))
        if sees is SEES and waited >= PROMISE_S - LONGEST_START_S - MARGIN_S:
            assert decision.replicas == 1, decision.message
