"""A limit of time is stretched as far as the machine is found to be slower than at rest, and no further."""

import time
from datetime import timedelta

import pytest

from tests.support import pace
from tests.support.pace import MOST, Pace, paced, slowness, takes_at_most
from tests.support.waiting import NotInTimeError, wait_until


def test_a_machine_is_never_called_faster_than_at_rest_nor_slower_than_it_may_be() -> None:
    assert 1.0 <= slowness() <= MOST


def test_the_worst_moment_of_a_stretch_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter([1.0, 3.0, 2.0])
    monkeypatch.setattr(pace, "slowness", lambda: next(seen))
    found = Pace()
    assert [found.note() for _ in range(3)] == [1.0, 3.0, 3.0]
    monkeypatch.setattr(pace, "slowness", lambda: 2.5)
    with paced() as running:
        pass
    assert running.worst == 2.5


@pytest.mark.parametrize("slow,holds", [(1.0, False), (100.0, True)])
def test_what_took_too_long_is_forgiven_on_a_slow_machine_alone(
    slow: float, monkeypatch: pytest.MonkeyPatch, *, holds: bool
) -> None:
    monkeypatch.setattr(pace, "slowness", lambda: slow)
    moments = iter([0.0, 5.0])
    monkeypatch.setattr(pace.time, "monotonic", lambda: next(moments))
    if holds:
        with takes_at_most(1.0):
            pass
    else:
        with pytest.raises(AssertionError, match=r"it took 5\.00 s; 1 s at rest"), takes_at_most(1.0):
            pass


def test_a_condition_has_as_much_longer_as_the_machine_is_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "slowness", lambda: 4.0)
    began = time.monotonic()
    with pytest.raises(NotInTimeError):
        wait_until(lambda: False, within=timedelta(milliseconds=50), every=timedelta(milliseconds=1))
    assert time.monotonic() - began >= 0.2
