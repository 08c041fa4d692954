"""What a watch of Deployments leaves behind: changes and when they came."""

from bench.replica_trail import ReplicaTrail


def _trail(*lines: tuple[float, str]) -> ReplicaTrail:
    trail = ReplicaTrail()
    for at, line in lines:
        trail.take(line, at)
    return trail


def test_a_repetition_is_no_change() -> None:
    trail = _trail((1, "fleet-a 0"), (2, "fleet-a 1\n"), (3, "fleet-a 1"), (4, "fleet-b 7"), (5, "fleet-a 5"))
    assert trail.since("fleet-a", 0) == [(1, 0), (2, 1), (5, 5)]
    assert trail.since("fleet-a", 2) == [(2, 1), (5, 5)]
    assert (trail.now("fleet-a"), trail.now("fleet-b"), trail.now("fleet-c")) == (5, 7, 0)


def test_the_first_time_of_so_many_workers_counts_from_a_moment_on() -> None:
    trail = _trail((1, "fleet-a 20"), (2, "fleet-a 0"), (3, "fleet-a 4"), (4, "fleet-a 20"))
    assert trail.first("fleet-a", 0, 20) == 1
    assert trail.first("fleet-a", 2, 20) == 4
    assert trail.first("fleet-a", 2, 21) is None
    assert trail.first("fleet-z", 0, 1) is None
