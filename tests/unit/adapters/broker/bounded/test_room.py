"""However many brokers say much at a time, what is kept of all has a bound, and those that say little are heard."""

from contextvars import copy_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.adapters.broker.bounded import calls
from utilitarian_operator.adapters.broker.bounded.room import MOST, SMALL, Room, Share

MIB = 1024**2


def test_each_may_take_half_of_what_is_left() -> None:
    room = Room(100)
    assert [room.take(size) for size in (51, 50, 26, 25)] == [False, True, False, True]
    room.give_back(75)
    assert room.left == 100


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, MOST), st.booleans())))
def test_all_together_take_no_more_than_there_is_and_leave_nothing_taken(
    said: list[tuple[int, int, bool]],
) -> None:
    room = Room()
    shares = [Share(room) for _ in range(6)]
    for who, size, kept in said:
        if shares[who].take(size) and not kept:
            shares[who].give_back(size)
        assert 0 < room.left <= MOST
        assert Share(room).take(SMALL), "one that says little is heard"
    for share in shares:
        share.end()
    assert room.left == MOST


def test_fifty_calls_at_a_time_read_no_more_than_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each alone may take 96 MiB, and one namespace names fifty brokers: 4.8 GiB."""
    room = Room()
    monkeypatch.setattr(calls, "ALL", room)
    came = list[tuple[bool, bool]]()

    def call(others: int) -> None:
        with calls.bounded(60):
            came.append((calls.may_unpack(40 * MIB), calls.may_unpack(MIB // 2)))
            if others:
                copy_context().run(call, others - 1)

    copy_context().run(call, 49)
    assert [sum(it) for it in zip(*came, strict=True)] == [3, 50]
    assert room.left == MOST
