"""A queue that two resources name on one broker: who keeps it, and what the other says."""

from dataclasses import replace

import pytest

from tests.support.pools import fleet
from utilitarian_operator.core.spec.queue_claims import (
    Claim,
    Place,
    given_up,
    lost,
    may_clash,
    only_asking_tells,
    why_stalled,
)

BROKER = Place(frozenset({"rabbit:5672"}), "/", "rabbit@one")
ALIAS = Place(frozenset({"rabbit.shop.svc:5671"}), "/", "rabbit@one")
NAMESAKE = Place(frozenset({"rabbit.test:5672"}), "/", "rabbit@one")
OLD = Claim("shop/old", "2026-01-01T00:00:00Z", runs=True, place=BROKER, queues=frozenset({"q", "x"}))
NEW = Claim("test/new", "2026-02-01T00:00:00Z", runs=False, place=BROKER, queues=frozenset({"q", "y"}))


@pytest.mark.parametrize(
    "claims, expected",
    [
        pytest.param([OLD], {}, id="alone"),
        pytest.param([OLD, NEW], {NEW: {"q": "shop/old"}}, id="two namespaces"),
        pytest.param([NEW, OLD], {NEW: {"q": "shop/old"}}, id="in any order"),
        pytest.param([NEW], {}, id="the older is gone"),
        pytest.param([replace(OLD, queues=frozenset({"x"})), NEW], {}, id="the older names it no more"),
        pytest.param(
            [OLD, new := replace(NEW, place=ALIAS)], {new: {"q": "shop/old"}}, id="another name of the same broker"
        ),
        pytest.param([OLD, replace(NEW, place=replace(BROKER, vhost="v"))], {}, id="another virtual host"),
        pytest.param([OLD, replace(NEW, place=NAMESAKE)], {}, id="another broker that calls itself alike"),
        pytest.param(
            [OLD, new := replace(NEW, place=Place(frozenset({"other:1", "rabbit:5672"}), "/"))],
            {new: {"q": "shop/old"}},
            id="several addresses, one the same, not heard yet",
        ),
        pytest.param(
            [OLD, new := replace(NEW, runs=True)], {new: {"q": "shop/old"}}, id="both run: found at an upgrade"
        ),
        pytest.param(
            [replace(NEW, runs=True), old := replace(OLD, runs=False)],
            {old: {"q": "test/new"}},
            id="an older one is edited to name what the newer runs",
        ),
        pytest.param(
            [OLD, new := replace(NEW, created=OLD.created)], {new: {"q": "shop/old"}}, id="equal ages: by name"
        ),
        pytest.param([OLD, replace(OLD, runs=False, queues=frozenset({"q", "x", "z"}))], {}, id="its own next version"),
        pytest.param(
            [OLD, NEW, replace(NEW, fleet="test/third", created="2026-03-01T00:00:00Z", queues=frozenset({"y"}))],
            {NEW: {"q": "shop/old"}},
            id="what doesn't run takes nothing from a third",
        ),
    ],
)
def test_the_older_keeps_the_queue(claims: list[Claim], expected: dict[Claim, dict[str, str]]) -> None:
    assert lost(claims, {frozenset({BROKER, ALIAS})}) == expected


def test_brokers_that_call_themselves_alike_are_asked_whether_they_are_one() -> None:
    assert only_asking_tells(BROKER, NAMESAKE)
    assert only_asking_tells(BROKER, ALIAS)
    assert not only_asking_tells(BROKER, BROKER)
    assert not only_asking_tells(BROKER, replace(NAMESAKE, vhost="v"))
    assert not only_asking_tells(BROKER, replace(NAMESAKE, cluster="rabbit@two"))
    assert not only_asking_tells(BROKER, replace(NAMESAKE, cluster=None))


@pytest.mark.parametrize(
    "other, expected",
    [
        pytest.param(NEW, True, id="a queue of both"),
        pytest.param(replace(NEW, place=ALIAS), True, id="perhaps another name of the broker"),
        pytest.param(replace(NEW, queues=frozenset({"y"})), False, id="no queue of both"),
        pytest.param(replace(NEW, place=replace(BROKER, vhost="v")), False, id="another virtual host"),
        pytest.param(replace(NEW, fleet=OLD.fleet), False, id="its own next version"),
    ],
)
def test_who_may_clash(other: Claim, expected: bool) -> None:
    assert may_clash(OLD, other) is expected


def test_the_sentence_names_the_other_and_what_to_do() -> None:
    (said,) = why_stalled({"q": "shop/old"}, runs=False, meanwhile="; nothing runs until then")
    assert said == (
        "spec.pools: UtilitarianWorkerPool shop/old has the queue q on the same broker already: "
        "take it out of one of the two resources, or delete one; nothing runs until then"
    )
    two = why_stalled({"q": "shop/old", "r": "shop/old", "s": "a/b"}, runs=True, meanwhile="")
    assert [it.partition(" on ")[0] for it in two] == [
        "spec.pools: UtilitarianWorkerPool a/b has the queue s",
        "spec.pools: UtilitarianWorkerPool shop/old has the queues q, r",
    ]
    assert all(it.endswith("its own pools there are led to zero until then") for it in two)


def test_only_the_pools_on_those_queues_are_led_to_zero() -> None:
    asked = fleet({"name": "a", "queues": ["q"]}, {"name": "b", "queues": ["x"]}, {"name": "c", "queues": ["r", "y"]})
    assert given_up(asked.pools, {"q": "shop/old", "r": "shop/old"}) == {
        "a": "queue q is left to UtilitarianWorkerPool shop/old",
        "c": "queue r is left to UtilitarianWorkerPool shop/old, and 1 queue of its own with it",
    }
