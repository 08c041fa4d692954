from dataclasses import replace
from datetime import timedelta

from tests.support.pools import NOW
from utilitarian_operator.core.sizing.eta_sleep import EtaSleep
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.memory_json import from_text, to_text

HOUR = timedelta(hours=1)
TOMORROW = NOW + timedelta(days=1)
IDLE = Memory(idle_since=NOW - HOUR, looked_at=NOW - timedelta(seconds=1), start_up_s=10.0)
SLEEP = EtaSleep(50, TOMORROW, 1, slept=True)


def test_a_restarted_operator_remembers_the_sleep() -> None:
    memory = replace(IDLE, looked_at=None, eta_sleep=SLEEP)
    assert from_text(to_text(memory), NOW) == memory
