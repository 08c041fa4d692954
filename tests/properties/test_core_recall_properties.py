"""What must hold whatever stands in a status: nothing is raised, and what is broken is as if it were not there."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.pools import NOW, facts, pool
from utilitarian_operator.core.reading import Reader
from utilitarian_operator.core.sizing.memory import Memory, seconds_per_task
from utilitarian_operator.core.sizing.memory_json import read, to_text
from utilitarian_operator.core.sizing.pools import FleetContext, decide_pool
from utilitarian_operator.core.status.change import patch, worth_writing
from utilitarian_operator.core.status.recall import recall, remembered, well_formed

EXAMPLES = settings(max_examples=examples(300))

MOMENTS = st.sampled_from(
    (
        "2026-03-02T11:00:00Z",
        "2026-03-02T12:01:00+02:00",
        "2026-03-02T11:00:00",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "noon",
    )
)
NUMBERS = st.one_of(st.integers(-5, 10_000), st.sampled_from((-1, 10**400, 1e300, -0.5, 0.5)), st.floats())
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, MOMENTS, st.text(max_size=5), st.just("run"))
ROWS = st.lists(st.tuples(st.one_of(MOMENTS, st.just("run")), st.one_of(NUMBERS, MOMENTS)).map(list), max_size=3)
RUN = st.dictionaries(
    st.sampled_from(("name", "start", "watchedSince", "firstMessage", "workedAt", "tasks", "done", "missed")), LEAVES
)
NAP = st.dictionaries(st.sampled_from(("number", "firstDue", "returns", "slept")), LEAVES)
ANYTHING = st.recursive(
    st.one_of(LEAVES, ROWS, NAP, RUN, st.lists(RUN, max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=9), inner, max_size=3)),
    max_leaves=8,
)
FIELDS = (
    *("idleSince", "busySince", "slotSeconds", "completions", "periodSeconds", "longest", "longestBefore", "startUp"),
    *("arrivals", "highs", "surplusSince", "firstWorkerSince", "firstWorkerSpent", "nap", "runs", "opened"),
)
WRITTEN = st.dictionaries(st.sampled_from(FIELDS), ANYTHING)
POOLS = (
    pool(name="p"),
    pool(name="p", min=1, schedule=[{"name": "run", "start": "0 12 * * *", "finishWithin": "2h"}]),
    pool(name="p", outsideRuns="Hold", schedule=[{"name": "run", "start": "* * * * *", "until": "Drained"}]),
)
LOOKS = (
    facts(0, current=1),
    facts(500, current=2, running=4, completed=1, arrived=3, longest_s=60.0),
    facts(None, current=2),
    facts(0, current=1, deferred=3, first_due=NOW + timedelta(hours=1)),
)


def decides(memory: Memory, minutes: int = 3) -> None:
    """It decides, and goes on deciding, within the bounds of its pool."""
    for of in POOLS:
        remembered = memory
        for minute in range(minutes):
            now = NOW + timedelta(minutes=minute)
            for look in LOOKS:
                decision, remembered = decide_pool(of, look, remembered, FleetContext(now))
                assert of.scaling.min <= decision.replicas <= of.scaling.max
                assert 0 < seconds_per_task(of, remembered, now) < 10**6


@EXAMPLES
@given(WRITTEN)
def test_whatever_a_pool_remembers_it_decides(written: dict[str, Any]) -> None:
    decides(remembered({"pools": [{"name": "p", "memory": written}]}, NOW)["p"])


@EXAMPLES
@given(st.sampled_from(FIELDS), ANYTHING)
def test_what_is_left_out_is_as_if_it_were_not_there(name: str, value: Any) -> None:
    good = to_text(Memory(slot_seconds=500.0, completions=100.0, longest_s=9.0, start_up_s=3.0, highs=((NOW, 3),)))
    left_out: list[str] = []
    found = read(Reader(NOW, "", left_out), {**good, name: value})
    if any(it.startswith(f".{name} is") for it in left_out):
        # Seconds and completions say nothing without each other.
        gone = {"slotSeconds", "completions"} if name in {"slotSeconds", "completions"} else {name}
        assert found == read(Reader(NOW, "", []), {key: it for key, it in good.items() if key not in gone})


STATUS = st.fixed_dictionaries(
    {},
    optional={
        "pools": st.one_of(
            ANYTHING,
            st.lists(
                st.fixed_dictionaries(
                    {"name": st.sampled_from(("p", "q"))},
                    optional={"memory": st.one_of(WRITTEN, ANYTHING), "history": ANYTHING, "run": ANYTHING},
                ),
                max_size=3,
            ),
        ),
        "beat": st.one_of(ANYTHING, st.fixed_dictionaries({}, optional={"lastMessages": ANYTHING, "lastSeen": LEAVES})),
        "conditions": ANYTHING,
        "workers": LEAVES,
    },
)


@EXAMPLES
@given(st.one_of(STATUS, ANYTHING), STATUS)
def test_whatever_a_status_is_it_is_read_and_written_anew(found: Any, wanted: dict[str, Any]) -> None:
    for memory in recall(found, NOW).memories.values():
        decides(memory, minutes=1)
    previous, now = well_formed(found), well_formed(wanted)
    assert well_formed(previous) == previous or previous != previous  # noqa: PLR0124 - not a number is none
    worth_writing(now, previous, None, NOW)
    patch(now, previous)
