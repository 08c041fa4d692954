"""Claims are found by queue and place: no look goes through what all fleets claim."""

from dataclasses import replace

import pytest

from tests.support.pools import fleet
from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.adapters.cluster.cache import Key
from utilitarian_operator.core.spec.queue_claims import Claim, Place
from utilitarian_operator.errors import ClusterError, OperatorError, SecretMissing
from utilitarian_operator.reconcile.known_claims import KnownClaims, Noted, Unread

QUEUES = frozenset({"q", "r"})
HERE = Place(frozenset({"here:5672"}), "/", "one")
OURS, OTHER = Key("ours", "fleet"), Key("other", "fleet")


def noted(key: Key, place: Place = HERE, queues: frozenset[str] = QUEUES, *, holds: bool = True) -> Noted:
    claim = Claim(str(key), "2026-01-01T00:00:00Z", True, place, queues)  # noqa: FBT003
    return Noted(claim, Credentials(f"amqp://{key.namespace}/"), holds)


def unread(key: Key, why: OperatorError, at: str = "") -> Unread:
    claim = replace(noted(key).claim, place=Place(frozenset(), ""))
    return Unread(claim, fleet({"name": "work", "queues": ["q"]}), why, at, QUEUES, holds=True)


@pytest.mark.parametrize(
    "place, is_rival",
    [
        pytest.param(HERE, True, id="the same place"),
        pytest.param(replace(HERE, cluster=None), True, id="it is not known what it calls itself"),
        pytest.param(replace(HERE, cluster="two"), True, id="the same address"),
        pytest.param(replace(HERE, addresses=frozenset({"there:5672"})), True, id="the same name"),
        pytest.param(Place(frozenset({"there:5672"}), "/", None), True, id="another address, not heard yet"),
        pytest.param(Place(frozenset({"there:5672"}), "/", "two"), False, id="another broker"),
        pytest.param(replace(HERE, vhost="v"), False, id="another virtual host"),
    ],
)
@pytest.mark.parametrize("heard", [True, False], ids=["heard", "not heard"])
def test_who_may_be_at_the_same_place_is_a_rival(place: Place, is_rival: bool, heard: bool) -> None:
    known = KnownClaims()
    mine = noted(OURS, HERE if heard else replace(HERE, cluster=None))
    other = noted(OTHER, place)
    known.put(OURS, [mine])
    known.put(OTHER, [other])
    expected = is_rival or (not heard and place.vhost == HERE.vhost)
    assert known.rivals(OURS) == ([(mine, other)] if expected else [])


def test_what_can_have_no_consumers_or_names_other_queues_is_no_rival() -> None:
    known = KnownClaims()
    known.put(OURS, [noted(OURS)])
    known.put(OTHER, [noted(OTHER, holds=False), noted(OTHER, queues=frozenset({"s"}))])
    assert known.rivals(OURS) == []


def test_a_thousand_fleets_of_the_same_queues_at_brokers_of_their_own_are_not_gone_through() -> None:
    known = KnownClaims()
    keys = [Key(f"ns-{number}", "fleet") for number in range(1000)]
    for number, key in enumerate(keys):
        known.put(key, [noted(key, Place(frozenset({f"rabbit-{number}:5672"}), "/", f"broker-{number}"))])
    assert not any(known.rivals(key) for key in keys[:20])
    known.put(OURS, [noted(OURS, Place(frozenset({"rabbit-7:5672"}), "/", "broker-7"))])
    assert [other.claim.fleet for _, other in known.rivals(OURS)] == ["ns-7/fleet"]


def test_a_change_counts_once_and_what_is_gone_is_found_no_more() -> None:
    known = KnownClaims()
    known.put(OURS, [noted(OURS)])
    known.put(OTHER, [noted(OTHER)])
    assert known.changes == 2
    known.put(OTHER, [noted(OTHER)])
    assert known.changes == 2
    known.put(OTHER, [], [unread(OTHER, ClusterError("HTTP 503"))])
    assert (known.changes, known.rivals(OURS), OTHER in known) == (3, [], True)
    known.forget(OURS)
    known.forget(OTHER)
    known.forget(OTHER)
    assert (known.changes, list(known), known.unread(OTHER)) == (5, [], ())
    assert not known._found_by


def test_what_runs_and_was_let_in_somewhere_is_found_while_it_can_not_be_read() -> None:
    known = KnownClaims()
    known.put(OURS, [], [unread(OURS, SecretMissing("gone"), at="mark")])
    known.put(OTHER, [], [unread(OTHER, SecretMissing("gone"))])
    assert [it.claim.fleet for it in known.unread_that_run(OTHER)] == ["ours/fleet"]
    assert list(known.unread_that_run(OURS)) == []


def test_who_runs_on_a_queue_may_have_it_wherever_that_is() -> None:
    known = KnownClaims()
    elsewhere = Place(frozenset({"there:5672"}), "v", "two")
    known.put(Key("b", "fleet"), [noted(Key("b", "fleet"), elsewhere)])
    known.put(Key("a", "fleet"), [], [unread(Key("a", "fleet"), SecretMissing("gone"))])
    asked = noted(Key("0", "fleet"))
    known.put(Key("0", "fleet"), [replace(asked, claim=replace(asked.claim, runs=False))])
    found = known.may_run_there(OURS, frozenset({"q"}))
    assert found is not None
    assert found.fleet == "a/fleet"
    assert known.may_run_there(OURS, frozenset({"s"})) is None
