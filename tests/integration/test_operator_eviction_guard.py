"""A busy worker asks node autoscalers to leave its node alone, on a real API server, and an idle one does not."""

from datetime import timedelta

import pytest

from tests.support.installation import DEFAULT, Installation
from tests.support.operator import Operator
from utilitarian_operator.api.patience import Patience
from utilitarian_operator.core.draining import eviction_guard

WORK = {"name": "work", "queues": [DEFAULT], "disruption": "Avoid", "scaling": {"min": 1}}


def eviction_guards(installation: Installation) -> list[bool]:
    """Of each pod whether it has the whole guard."""
    found = installation.fleet.controlplane.pods(installation.fleet.namespace)
    return [(it["metadata"].get("annotations") or {}).items() >= eviction_guard.GUARD.items() for it in found]


@pytest.mark.parametrize("patience", [Patience(idle=timedelta(seconds=1))], ids=["quick"])
def test_a_worker_is_guarded_while_it_is_busy(installation: Installation, operator: Operator) -> None:
    installation.create(pools=[WORK])
    installation.wait(lambda: installation.fleet.pool("work").get("ready") == 1)
    installation.wait(lambda: eviction_guards(installation) == [False])
    (task,) = installation.send(DEFAULT, 1, 4)
    installation.wait(lambda: eviction_guards(installation) == [True])
    assert task not in installation.ledger.read().ids("end")
    installation.wait(lambda: eviction_guards(installation) == [False])
    assert task in installation.ledger.read().ids("end")
    assert operator.healthy()
