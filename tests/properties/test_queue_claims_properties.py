"""Whatever resources there are, seen in whatever order: each queue of a broker has one keeper, the right one."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.core.spec.queue_claims import Claim, Place, lost

PLACES = [
    Place(frozenset({"a:5672"}), "/", "one"),
    Place(frozenset({"b:5672"}), "/", "one"),
    Place(frozenset({"a:5672"}), "v", "one"),
    Place(frozenset({"c:5672"}), "/", "two"),
]
SAME = {frozenset({PLACES[0], PLACES[1]})}
QUEUES = st.frozensets(st.sampled_from("pqrs"), min_size=1)


@st.composite
def resources(draw: st.DrawFn) -> list[Claim]:
    """What runs of up to six resources, and what is asked for of some."""
    claims = []
    for number in range(draw(st.integers(1, 6))):
        place, created = draw(st.sampled_from(PLACES)), f"2026-01-0{draw(st.integers(1, 3))}T00:00:00Z"
        versions = draw(st.sampled_from([(True,), (False,), (True, False)]))
        let_in = draw(st.booleans())
        claims += [Claim(f"ns/{number}", created, runs, place, draw(QUEUES), let_in) for runs in versions]
    return draw(st.permutations(claims))


def broker(claim: Claim) -> tuple[str | None, str]:
    return claim.place.cluster, claim.place.vhost


@given(resources())
def test_a_queue_of_a_broker_has_one_keeper(claims: list[Claim]) -> None:
    missed = lost(claims, SAME)
    assert missed == lost(sorted(claims, key=lambda it: it.fleet), SAME)
    keepers = defaultdict(set)
    for claim in claims:
        if claim.runs or claim not in missed:
            for queue in claim.queues - missed.get(claim, {}).keys():
                keepers[broker(claim), queue].add(claim.fleet)
    assert all(len(who) == 1 for who in keepers.values())
    for claim, queues in missed.items():
        for queue, holder in queues.items():
            assert keepers[broker(claim), queue] == {holder}


@given(resources())
def test_who_runs_loses_only_to_an_older_one_that_runs_and_was_let_in_if_it_was_itself(claims: list[Claim]) -> None:
    running = {claim.fleet: claim for claim in claims if claim.runs}
    for claim, queues in lost(claims, SAME).items():
        for holder in queues.values():
            if claim.runs:
                other = running[holder]
                before, after = ((not it.let_in, it.created, it.fleet) for it in (other, claim))
                assert before < after


@given(resources(), st.data())
def test_when_the_keeper_goes_no_other_loses_more(claims: list[Claim], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(sorted({claim.fleet for claim in claims})))
    before, after = lost(claims, SAME), lost([claim for claim in claims if claim.fleet != gone], SAME)
    for claim in after:
        if claim.runs:
            assert after[claim].keys() <= before.get(claim, {}).keys()
