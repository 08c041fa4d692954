from datetime import UTC, datetime, timedelta

import pytest

from tests.support.pod_states import NOW, STATES, pod
from tests.support.times import stamp
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.observation.causes.pod_status import why_not_ready, why_not_running


def beat_that_hangs(wanted: str) -> Object:
    state = next(it for it in STATES if it["id"] == wanted)
    return pod(state["pods"][0] | {"metadata": {**state["pods"][0]["metadata"], "name": "fleet-beat-0"}}, "beat")


@pytest.mark.parametrize(
    "state,events,said",
    [
        ("after a wake from zero an init container hangs", {}, "its init container wait-for-db has not ended"),
        (
            "after a wake from zero a volume is not there",
            {"fleet-beat-0": 'FailedMount: no volume "v"'},
            'its volumes or its network are not ready (FailedMount: no volume "v")',
        ),
    ],
)
def test_what_beat_waits_for_is_said_too(state: str, events: Object, said: str) -> None:
    words = why_not_ready(beat_that_hangs(state), NOW, events)
    assert words is not None
    assert words.startswith(f"pod fleet-beat-0: {said}")
    assert why_not_ready(beat_that_hangs(state), datetime(2026, 11, 23, 11, 9, tzinfo=UTC), events) is None


def test_a_pod_without_a_status_says_nothing() -> None:
    assert why_not_running({"metadata": {"name": "p"}}, NOW) is None
    assert why_not_running({}, NOW) is None


@pytest.mark.parametrize("ago", [timedelta(minutes=-1), timedelta(minutes=1), timedelta(hours=1), timedelta(hours=-1)])
def test_an_end_of_long_ago_or_of_a_clock_that_was_set_back_explains_nothing(ago: timedelta) -> None:
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": stamp(NOW - ago)}}
    restarted = {"name": "worker", "state": {"running": {}}, "lastState": ended, "restartCount": 3}
    found = why_not_running({"metadata": {"name": "a"}, "status": {"containerStatuses": [restarted]}}, NOW)
    assert (found is not None) == (abs(ago) < timedelta(minutes=2))
