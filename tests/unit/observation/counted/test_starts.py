"""Each start of a worker is reported once, with what started at the same time and what it waited for."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.support.pools import NOW
from utilitarian_operator.core.observation.counted.start_ups import StartUp
from utilitarian_operator.core.observation.counted.starts import Starts, with_starts
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.pod import pod_snapshot

SECOND = timedelta(seconds=1)
SILENT = Unknown("does not answer", NOW)


def at(seconds: float) -> datetime:
    return NOW + seconds * SECOND


def body(name: str, ready: float | None) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": at(ready).isoformat()}] if ready else []
    running = {"name": "worker", "state": {"running": {"startedAt": at(2).isoformat()}}}
    metadata = {"name": name, "creationTimestamp": at(0).isoformat()}
    return {"metadata": metadata, "status": {"conditions": conditions, "containerStatuses": [running]}}


class Looks:
    """Looks at one pool, one after the other."""

    def __init__(self, began: float = -1) -> None:
        self.began, self.starts = at(began), Starts()

    def look(self, ready: Mapping[str, float | None], second: float, *, away: bool = False) -> dict[str, StartUp]:
        """The starts that are reported at one look, by pod."""
        bodies = {name: body(name, ready[name]) for name in ready}
        pods = {"pool": tuple(pod_snapshot(name, it, SILENT) for name, it in bodies.items())}
        seen, self.starts = with_starts(self.starts, pods, bodies, self.began, at(second), broker_away=away)
        return {pod.name: pod.started_up for pod in seen["pool"] if pod.started_up is not None}


def test_a_start_is_told_once() -> None:
    looks = Looks()
    said = [looks.look({"a": ready}, second) for ready, second in ((None, 5), (10.0, 11), (10.0, 12))]
    assert said == [{}, {"a": StartUp(10.0, 0.0, 1)}, {}]


def test_a_start_of_an_older_pod_is_not_told() -> None:
    assert Looks(1).look({"a": 10.0}, 11) == {}


def test_what_started_together_is_told_with_each() -> None:
    looks = Looks()
    looks.look(dict.fromkeys("abc"), 3)
    assert looks.look({"a": 4.0, "b": None, "c": None}, 5)["a"].at_once == 3
    assert looks.look({"a": 4.0, "b": 6.0, "c": 6.0, "d": None}, 7)["b"].at_once == 3
    assert looks.look({"d": 20.0}, 21)["d"].at_once == 1


def test_a_worker_that_never_becomes_ready_is_no_start_for_ever() -> None:
    looks = Looks()
    looks.look(dict.fromkeys("abc"), 700)
    assert looks.look({"a": 701.0, "b": None, "c": None}, 702)["a"].at_once == 1


def test_of_a_start_while_the_broker_was_away_only_the_wait_is_told() -> None:
    looks = Looks()
    looks.look({"a": None}, 5, away=True)
    assert looks.look({"a": 300.0}, 301) == {"a": StartUp(None, 300.0, 1)}
