"""What is said of queues that a resource doesn't get."""

from tests.support.pools import fleet
from utilitarian_operator.core.spec.queue_claims import Claim, Place
from utilitarian_operator.errors import ClusterError, SecretMissing
from utilitarian_operator.reconcile.lost_queues import said, shared, waits

SPEC = fleet({"name": "work", "queues": ["q"]})
RIVAL = Claim("shop/old", "2026-01-01T00:00:00Z", True, Place(frozenset(), ""), frozenset({"q", "r"}))  # noqa: FBT003


def test_who_can_not_read_its_secret_is_told_so_and_whose_queues_are_at_stake() -> None:
    missing = SecretMissing("spec.broker.urlFrom: Secret ns/env does not exist; create it", ("Secret", "env"))
    blocker = waits(missing, {"q", "z"}, RIVAL, None)
    assert (blocker.reason, blocker.about) == ("SecretMissing", ("Secret", "env"))
    assert blocker.message == (
        "spec.broker.urlFrom: Secret ns/env does not exist; create it; nothing of this resource runs until then, "
        "since UtilitarianWorkerPool shop/old may have q on the same broker"
    )


def test_what_the_api_server_says_of_a_failure_is_not_repeated() -> None:
    blocker = waits(ClusterError("HTTP 500: details"), {"q"}, RIVAL, SPEC)
    assert "details" not in blocker.message
    assert "the last accepted spec keeps running, since" in blocker.message


def test_only_queues_that_both_name_are_shared() -> None:
    mine = Claim("shop/new", RIVAL.created, True, RIVAL.place, frozenset({"r", "s"}))  # noqa: FBT003
    assert shared([(mine, RIVAL)]) == {"r": "shop/old"}


def test_a_fleet_that_only_looks_may_run_beside_one_that_has_its_queue() -> None:
    looking = fleet({"name": "work", "queues": ["q"]}, mode="Preview")
    assert not said(None, SPEC, {False: {"q": "shop/old"}}).may_run
    assert said(None, looking, {False: {"q": "shop/old"}}).may_run
    assert said(SPEC, SPEC, {True: {"q": "shop/old"}}).pools.keys() == {"work"}
