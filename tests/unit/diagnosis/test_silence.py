"""Why workers don't answer, with the setting of the application that cures it."""

import pytest

from tests.support.pools import fleet
from utilitarian_operator.core.diagnosis.silence import causes

BROKER = fleet().broker


@pytest.mark.parametrize(
    "unreadable,says",
    [
        (frozenset({"application/x-python-serialize"}), "answers come in pickle, which is never decoded"),
        (frozenset({"application/x-python-serialize", "application/x-msgpack"}), "answers come in msgpack"),
        (frozenset({"application/x-own"}), "answers come in application/x-own"),
        (frozenset(), "worker_enable_remote_control on"),
        (frozenset(), f"spec.broker.controlExchange names ({BROKER.control_exchange})"),
    ],
)
def test_what_keeps_workers_from_answering(unreadable: frozenset[str], says: str) -> None:
    assert says in causes(BROKER, unreadable)
