"""The namespace that takes most gives way, and no other one."""

from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.adapters.cluster.room import MOST_DEPARTED, Departed, Room


def test_there_is_room_for_all_where_nothing_is_limited() -> None:
    room = Room()
    assert [room.take("ns", number, 2**40) for number in range(10)] == [None] * 10


def test_the_one_that_takes_most_gives_way() -> None:
    room = Room(10 * 2**20)
    assert room.take("small", "a", 2**20) is None
    assert room.take("large", "a", 9 * 2**20) is None
    assert room.take("small", "b", 2**20) == "large"
    assert room.aside == {"large": "its objects take 9 MiB, the most of all namespaces, which together may 10"}
    assert room.take("large", "b", 2**30) is None
    assert room.take("small", "c", 7 * 2**20) is None


def test_what_takes_the_place_of_another_counts_alone() -> None:
    room = Room(10)
    assert [room.take("ns", "a", 9) for _ in range(5)] == [None] * 5
    room.give_back("ns", "a")
    room.give_back("ns", "never there")
    assert room.weight_of("ns", "a") is None
    assert room.take("ns", "b", 10) is None


def test_pods_that_have_gone_take_room_until_they_are_taken() -> None:
    room = Room()
    departed = Departed(room)
    for number in range(2 * MOST_DEPARTED):
        assert departed.add(("ns", "fleet"), {"number": number}, 10) is None
    assert room.taken == 10 * MOST_DEPARTED
    assert departed.take(("ns", "fleet")) == [{"number": it} for it in range(MOST_DEPARTED, 2 * MOST_DEPARTED)]
    assert (room.taken, departed.take(("ns", "fleet"))) == (0, [])


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3), st.integers(0, 60)), max_size=60),
    st.integers(60, 200),
)
def test_what_is_kept_never_takes_more_than_it_may(taken: list[tuple[str, int, int]], most: int) -> None:
    room, kept = Room(most), dict[tuple[str, int], int]()
    for namespace, what, count in taken:
        room.take(namespace, what, count)
        kept[namespace, what] = count
        kept = {place: it for place, it in kept.items() if place[0] not in room.aside}
        assert sum(kept.values()) <= most
