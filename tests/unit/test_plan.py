"""What became of a plan: which refusals hold now, and whether its status still says what is."""

from datetime import UTC, datetime, timedelta

from utilitarian_operator.core.blocker import REFUSED, Blocker
from utilitarian_operator.core.objects.refusals import Refusal
from utilitarian_operator.core.objects.wanted import Wanted
from utilitarian_operator.core.plan import Outcome, Plan

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WANTED = Wanted({"kind": "Deployment", "metadata": {"namespace": "ns", "name": "fleet-a"}}, "spec.pools[0]", "a")
NO = Refusal(WANTED, Blocker(REFUSED, "no"))


def test_a_new_refusal_overtakes_the_status_of_the_plan_and_the_same_again_does_not() -> None:
    refused = Outcome(NOW, tried=(WANTED,), refused=(NO,))
    assert refused.overtakes(Plan())
    before = refused.refusals(Plan().refused)
    again = Outcome(NOW + timedelta(minutes=1), tried=(WANTED,), refused=(NO,))
    assert not again.overtakes(Plan(refused=before))


def test_a_try_that_went_well_overtakes_a_status_that_says_it_was_refused() -> None:
    before = Outcome(NOW, tried=(WANTED,), refused=(NO,)).refusals(Plan().refused)
    assert Outcome(NOW, tried=(WANTED,)).overtakes(Plan(refused=before))
    assert not Outcome(NOW).overtakes(Plan(refused=before)), "it was not tried"
