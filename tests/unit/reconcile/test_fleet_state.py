"""A refused login has the Secrets read again, once for each refusal."""

from types import SimpleNamespace
from typing import Any, cast

from tests.support.pools import NOW
from tests.support.resources import resource
from utilitarian_operator.adapters.cluster.cache import Key
from utilitarian_operator.core.look import begun
from utilitarian_operator.core.spec.acceptance import Acceptance
from utilitarian_operator.core.status.recall import recall
from utilitarian_operator.errors import BrokerError, BrokerUnreachable, LoginRefused
from utilitarian_operator.reconcile.fleet_state import FleetState


def seen(failed: BrokerError | None) -> Any:
    return SimpleNamespace(read=SimpleNamespace(broker=SimpleNamespace(failed=failed)))


def test_each_refused_login_has_the_secrets_read_again_once() -> None:
    read: list[str] = []
    parts = SimpleNamespace(
        credentials=SimpleNamespace(refused=lambda: read.append("credentials")),
        references=SimpleNamespace(read_again=lambda: read.append("references")),
    )
    body = resource()
    body["metadata"] |= {"namespace": "ns", "uid": "mine", "generation": 1}
    state = FleetState(body, cast("Any", parts), Acceptance(body), begun({}, recall({}, NOW), NOW))
    assert (state.key, state.uid) == (Key("ns", "fleet"), "mine")
    refusal = LoginRefused("no")
    for failed in (None, BrokerUnreachable("no answer"), refusal, refusal):  # a session repeats its last error
        state.read_again_if_refused(seen(failed))
    assert read == ["credentials", "references"]
    state.read_again_if_refused(SimpleNamespace(read=None))  # type: ignore[arg-type]
    state.read_again_if_refused(seen(LoginRefused("no")))
    assert read == ["credentials", "references"] * 2
