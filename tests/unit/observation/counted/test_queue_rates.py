"""What came and what left by a broker's totals: resets, restarts, redeliveries, missed readings, several nodes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.core.observation.counted.queue_rates import (
    FELL_S,
    NodeStatistics,
    Row,
    Tally,
    count,
    figures,
    merged,
)
from utilitarian_operator.core.observation.model.queue import Counted

Q = "q"
EVERY_S = 5.0


def node(ready: int, unacked: int, left: int | None, name: str = "a", channel: str = "") -> NodeStatistics:
    counters = {} if left is None else {(Q, channel): left}
    return NodeStatistics(name, {Q: Row(ready, unacked)}, counters)


def of_all(ready: int, left: int) -> NodeStatistics:
    return replace(node(ready, 0, left), of_all=True)


class Counting:
    """Readings, each five seconds after the one before."""

    def __init__(self, *readings: Sequence[NodeStatistics]) -> None:
        self.tally, self.at = Tally(), 0.0
        for nodes in readings:
            self.read(*nodes)

    def read(self, *nodes: NodeStatistics) -> None:
        self.at += EVERY_S
        self.tally = count(self.tally, nodes, self.at)
        self.last = merged(nodes)

    @property
    def counted(self) -> Counted:
        return figures(self.last, self.tally)[Q]


def said(*readings: Sequence[NodeStatistics]) -> Counted:
    """What is known of the queue after these readings, the last repeated until it counts."""
    return Counting(*readings, readings[-1]).counted


@pytest.mark.parametrize(
    "readings,arrived,left",
    [
        pytest.param([[node(7, 3, 100)]], 0, 0, id="at first sight nothing came"),
        pytest.param([[node(0, 0, 0)], [node(5, 0, 0)]], 5, 0, id="they wait"),
        pytest.param([[node(0, 0, 0)], [node(1, 2, 2)]], 5, 2, id="some are done"),
        pytest.param([[node(0, 0, 0)], [node(0, 0, 40)]], 40, 40, id="came and went between two readings"),
        pytest.param([[node(5, 0, 0)], [node(0, 5, 0)], [node(5, 0, 0)]], 0, 0, id="returned and delivered again"),
        pytest.param([[node(5, 0, 90)], [node(4, 0, 91)], [node(4, 0, 0)]], 0, 1, id="the node restarted"),
        pytest.param([[node(5, 0, 90)], [node(4, 0, 3)]], 2, 3, id="it restarted, and three were done since"),
        pytest.param([[node(0, 0, 5)], [node(0, 0, None)], [node(0, 0, 2)]], 2, 2, id="a queue's counter began anew"),
        pytest.param(
            [[node(2, 0, 5, channel="<0.1.0>")], [node(1, 0, 1, channel="<0.2.0>")]],
            0,
            1,
            id="another channel acknowledges",
        ),
        pytest.param(
            [[node(2, 0, 1), node(2, 0, 1, "b")], [node(2, 0, 2), node(2, 0, 2, "b")]],
            2,
            2,
            id="channels of one queue are on several nodes",
        ),
        pytest.param([[node(2, 0, 1)], [node(2, 0, 1), node(2, 0, 70, "b")]], 0, 0, id="a node joined"),
        pytest.param(
            [[node(5, 0, 1_000_000)], [node(5, 0, None)], [node(5, 0, 1_000_010)]],
            10,
            10,
            id="a counter that was away comes back with all that it ever counted",
        ),
        pytest.param(
            [
                [node(5, 0, 1_000_000, channel="<0.1.0>")],
                [node(5, 0, None)],
                [node(5, 0, 1_000_010, channel="<0.1.0>")],
            ],
            10,
            10,
            id="a channel that was away, too",
        ),
        pytest.param(
            [[of_all(5, 2_000_000)], [of_all(5, 1_000_004)], [of_all(5, 2_000_010)]],
            10,
            10,
            id="a node's share of a sum is away, and is back",
        ),
        pytest.param(
            [[of_all(5, 3_000_000)], [of_all(5, 2_000_000)], [of_all(5, 500_003)], [of_all(5, 3_000_010)]],
            10,
            10,
            id="two shares",
        ),
        pytest.param(
            [[of_all(5, 2_000_000)], [of_all(5, 1_000_000)], [of_all(5, 1_000_040)], [of_all(5, 1_000_080)]],
            80,
            80,
            id="a share that stays away",
        ),
    ],
)
def test_what_came_and_what_left(readings: Sequence[Sequence[NodeStatistics]], arrived: int, left: int) -> None:
    counted = said(*readings)
    assert (counted.arrived, counted.left) == (arrived, left)


def test_an_acknowledgement_seen_before_the_depth_fell_is_no_arrival() -> None:
    assert said([node(10, 0, 0)], [node(10, 0, 4)], [node(6, 0, 4)]).arrived == 0


def test_a_depth_that_fell_before_the_acknowledgement_was_seen_hides_nothing() -> None:
    assert said([node(10, 0, 0)], [node(6, 0, 0)], [node(8, 0, 4)]).arrived == 2


def test_after_a_purge_what_comes_counts_again() -> None:
    counting = Counting([node(1000, 0, 0)])
    for _ in range(int(FELL_S / EVERY_S) + 1):
        counting.read(node(0, 0, 0))
    for _ in range(3):
        counting.read(node(7, 0, 0))
    assert counting.counted.arrived == 7


def test_readings_that_are_late_or_missed_make_no_fall() -> None:
    counting = Counting([node(9, 0, 0)])
    counting.at += 10 * FELL_S
    for _ in range(2):
        counting.read(node(2, 0, 9))
    assert counting.counted.arrived == 2


def test_a_queue_missing_from_a_listing_for_a_moment_loses_nothing() -> None:
    empty = NodeStatistics("a", {}, {(Q, ""): 3})
    assert said([node(5, 0, 0)], [empty], [node(4, 0, 3)]).arrived == 2


def test_a_queue_that_is_gone_is_forgotten() -> None:
    counting = Counting([node(5, 0, 0)])
    for _ in range(int(FELL_S / EVERY_S) + 1):
        counting.read(NodeStatistics("a", {}))
    assert not counting.tally.queues


@pytest.mark.parametrize(
    "rows,expected",
    [
        pytest.param([Row(1, 5), Row(3, 2)], Row(3, 5), id="the larger figures"),
        pytest.param([Row(9, 9, leads=False), Row(1, 2, leads=True)], Row(1, 2, leads=True), id="the leader's"),
        pytest.param([Row(1, 2, leads=True), Row(9, 9, leads=False)], Row(1, 2, leads=True), id="whatever the order"),
        pytest.param([Row(9, 9, leads=False), Row(1, 2, leads=False)], Row(9, 9, leads=False), id="without a leader"),
        pytest.param([Row(9, 9), Row(1, 2, leads=True)], Row(1, 2, leads=True), id="nodes of two versions"),
        pytest.param([Row(1, 5, leads=True), Row(3, 2, leads=True)], Row(3, 5, leads=True), id="two who think so"),
    ],
)
def test_nodes_are_merged(rows: Sequence[Row], expected: Row) -> None:
    nodes = [NodeStatistics(str(number), {Q: row}) for number, row in enumerate(rows)]
    assert merged(nodes) == {Q: expected}


def two(stale: Row | None, row: Row) -> list[NodeStatistics]:
    """Two nodes: one that led a queue once, and the one that leads it now."""
    return [NodeStatistics("was", {} if stale is None else {Q: stale}), NodeStatistics("leads", {Q: row})]


@pytest.mark.parametrize(
    "readings, expected",
    [
        pytest.param([two(Row(50, 3), Row(0, 0))], Row(50, 3), id="who knows: the larger"),
        pytest.param([two(Row(50, 3), Row(0, 0))] * 9, Row(50, 3), id="nothing ever changes"),
        pytest.param([two(Row(50, 3), Row(0, 1)), two(Row(50, 3), Row(0, 0))], Row(0, 0), id="one changes"),
        pytest.param(
            [two(Row(50, 3), Row(0, 1)), two(Row(50, 3), Row(0, 0)), two(Row(50, 3), Row(0, 0))],
            Row(0, 0),
            id="and rests",
        ),
        pytest.param(
            [two(Row(50, 3), Row(0, 1)), two(Row(50, 3), Row(0, 0)), two(Row(49, 3), Row(0, 0))],
            Row(49, 3),
            id="the other leads again",
        ),
        pytest.param([two(None, Row(9, 0)), two(Row(7, 0), Row(9, 0))], Row(7, 0), id="a queue that moved to a node"),
        pytest.param(
            [two(None, Row(9, 0))[1:], two(Row(0, 0), Row(9, 0))], Row(9, 0), id="a node that comes back with old rows"
        ),
    ],
)
def test_a_row_that_never_changes_again_gives_way_to_one_that_does(
    readings: Sequence[Sequence[NodeStatistics]], expected: Row
) -> None:
    counting = Counting(*readings)
    assert merged(readings[-1], counting.tally.rows) == {Q: expected}


def played(steps: Sequence[tuple[int, int, bool]], *, missed: Mapping[int, bool]) -> tuple[Counted, int, int]:
    """What is told of a queue to which so many come and from which so many go; a node may restart in between."""
    depth, acked, came, went = 3, 50, 0, 0
    counting = Counting([node(depth, 0, acked)])
    for step, (arrivals, departures, restarts) in enumerate(steps):
        if restarts:  # what left between the last reading and the restart is not known
            counting.read(node(depth, 0, acked))
            acked = 0
            counting.read(node(depth, 0, acked))
        gone = min(departures, depth + arrivals)
        came, went, depth, acked = came + arrivals, went + gone, depth + arrivals - gone, acked + gone
        if not missed.get(step):
            counting.read(node(depth, 0, acked))
    for _ in range(2):
        counting.read(node(depth, 0, acked))
    return counting.counted, came, went


STEP = st.tuples(st.integers(0, 50), st.integers(0, 50), st.booleans())


@given(st.lists(STEP, max_size=12), st.dictionaries(st.integers(0, 11), st.booleans()))
def test_totals_are_exact_whatever_restarts_and_whatever_is_missed(
    steps: list[tuple[int, int, bool]], missed: dict[int, bool]
) -> None:
    counted, came, went = played(steps, missed=missed)
    assert (counted.arrived, counted.left) == (came, went)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)), max_size=20))
def test_totals_never_fall(readings: list[tuple[int, int, int]]) -> None:
    counting, before = Counting(), (0, 0)
    for reading in readings:
        counting.read(node(*reading))
        arrived, left = counting.counted.arrived, counting.counted.left
        assert arrived is not None
        assert left is not None
        assert arrived >= before[0]
        assert left >= before[1]
        before = arrived, left


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 1), st.booleans()), max_size=20))
def test_a_sum_over_nodes_that_come_and_go_never_counts_what_they_counted_before(
    steps: list[tuple[int, int, bool]],
) -> None:
    """Two nodes with a million each; what leaves while a share is away or comes back may be lost, and nothing else."""
    shares, there, went = [1_000_000, 1_000_000], [True, True], 0
    counting = Counting([of_all(9, sum(shares))])
    for gone, which, turns in steps:
        if turns:
            there[which] = not there[which]
        shares[which], went = shares[which] + gone, went + gone
        counting.read(of_all(9, sum(share for share, is_there in zip(shares, there, strict=True) if is_there)))
    left, arrived = counting.counted.left, counting.counted.arrived
    assert left is not None
    assert left <= went
    assert arrived is not None
    assert arrived <= went


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=20))
def test_a_counter_that_is_away_now_and_then_loses_nothing_and_invents_nothing(steps: list[tuple[int, bool]]) -> None:
    acked, went = 1_000_000, 0
    counting = Counting([node(9, 0, acked)])
    for gone, away in steps:
        acked, went = acked + gone, went + gone
        counting.read(node(9, 0, None if away else acked))
    for _ in range(2):
        counting.read(node(9, 0, acked))
    assert (counting.counted.arrived, counting.counted.left) == (went, went)
