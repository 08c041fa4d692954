import json
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.pools import NOW, facts
from utilitarian_operator.core.sizing.decision_record import Look, from_text, to_text
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.pools import FleetContext

SEEN = st.builds(
    lambda work, current, more: facts(work, current=current, **more),
    st.one_of(st.none(), st.integers(0, 500)),
    st.integers(0, 8),
    st.fixed_dictionaries(
        {}, optional={"completed": st.integers(0, 9), "missing": st.just(("q",)), "running": st.integers(0, 9)}
    ),
)


@given(SEEN)
def test_a_look_reads_back_as_it_was_written(seen: Facts) -> None:
    look = Look(FleetContext(NOW, timedelta(seconds=1.5), 3, moved=True, removed=2), {"a": seen}, {})
    assert from_text(json.loads(json.dumps(to_text(look.context, look.seen, {})))) == look
