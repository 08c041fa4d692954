"""What a look through a broker has read again: Secrets once for each refused login, claims where it is another one."""

from types import SimpleNamespace
from typing import Any, cast

from tests.support.pools import NOW
from tests.support.resources import resource
from utilitarian_operator.adapters.cluster.cache import Key
from utilitarian_operator.core.look import begun
from utilitarian_operator.core.spec.acceptance import Acceptance
from utilitarian_operator.core.status.recall import recall
from utilitarian_operator.errors import BrokerError, BrokerUnreachable, LoginRefused
from utilitarian_operator.reconcile.fleet_state import FleetState, Undisputed


def seen(failed: BrokerError | None, cluster: str = "rabbit@a") -> Any:
    return SimpleNamespace(read=SimpleNamespace(broker=SimpleNamespace(failed=failed, cluster=cluster)))


def test_what_was_found_out_holds_as_long_as_the_broker_is_the_same() -> None:
    body = resource()
    body["metadata"] |= {"namespace": "ns", "uid": "mine", "generation": 1}
    found = Undisputed(body, 0, "rabbit@a", cast("Any", None), {})
    for other in (seen(None, "rabbit@b"), SimpleNamespace(read=None)):
        state = FleetState(body, cast("Any", None), Acceptance(body), begun({}, recall({}, NOW), NOW), undisputed=found)
        state.looked_through(seen(None))
        assert state.undisputed is found
        state.looked_through(other)
        assert state.undisputed is None


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
        state.looked_through(seen(failed))
    assert read == ["credentials", "references"]
    state.looked_through(SimpleNamespace(read=None))  # type: ignore[arg-type]
    state.looked_through(seen(LoginRefused("no")))
    assert read == ["credentials", "references"] * 2
