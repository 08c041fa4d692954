"""What a Lease says of the operator, and what a status says of its own age."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.times import stamp
from utilitarian_operator.core.explain.presence import Seen, newest_moment, of_a_file, presence

NOW = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)


def lease(ago: timedelta, **spec: Any) -> dict[str, Any]:
    renewed = stamp(NOW - ago)
    held = {"holderIdentity": "operator-1", "leaseDurationSeconds": 15, "renewTime": renewed}
    return {"metadata": {"namespace": "metering"}, "spec": held | spec}


SECONDS, HOURS = timedelta(seconds=2), timedelta(hours=3)
REFUSED = 'leases.coordination.k8s.io "utilitarian-fleets" is forbidden: User "jo" cannot get resource "leases"'

CASES: dict[str, tuple[dict[str, Any] | str | None, Seen, str]] = {
    "at-work": (lease(SECONDS), Seen.NOW, "operator seen 2 s ago"),
    "ahead-of-our-clock": (lease(-SECONDS), Seen.NOW, "operator seen 0 s ago"),
    "of-a-clock-that-was-wrong": (lease(-HOURS), Seen.UNKNOWN, "at 2026-11-28T15:00:00Z, which is yet to come"),
    "dead-for-hours": (lease(HOURS), Seen.NOT, "operator NOT SEEN for 3 h; nothing below is newer than that"),
    "given-back": (lease(SECONDS, holderIdentity=None), Seen.NOT, "NOT SEEN for 2 s: it ended, and no other"),
    "never-there": (None, Seen.NOT, "operator NOT SEEN: there is no Lease of one in namespace metering"),
    "not-to-be-read": (REFUSED, Seen.UNKNOWN, "can't be known: its Lease can't be read: leases.coordination"),
    "no-lease-that-we-know": ({"metadata": {}, "spec": {"renewTime": "soon"}}, Seen.NOT, "NOT SEEN"),
}


@pytest.mark.parametrize("seen_of_it, seen, says", CASES.values(), ids=CASES)
def test_the_lease_tells_whether_an_operator_is_at_work(
    seen_of_it: dict[str, Any] | str | None, seen: Seen, says: str
) -> None:
    found = presence(seen_of_it, "metering", NOW)
    assert found.seen is seen
    assert says in found.message


def resource(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "fleet"}, "status": status}


OLD = "2026-03-02T12:00:00Z"
RESOURCES: dict[str, dict[str, Any]] = {
    "a-condition": resource(conditions=[{"lastTransitionTime": OLD}]),
    "a-decision": resource(pools=[{"memory": {"idleSince": "2026-03-01T00:00:00Z", "highs": [[OLD, 1]]}}]),
    "a-message": resource(beat={"lastSeen": "2026-03-01T00:00:00Z", "lastMessages": [{"queue": "q", "at": OLD}]}),
    "a-run": resource(pools=[{"history": [{"finished": OLD}], "nextRun": "2026-03-02T13:00:00Z"}]),
    "not-what-is-to-come": resource(conditions=[{"lastTransitionTime": OLD}, {"lastTransitionTime": "2027-01-01"}]),
    "what-can-be-read": resource(conditions=["x", {"lastTransitionTime": OLD}], pools=7, beat={"lastMessages": {}}),
}


@pytest.mark.parametrize("saved", RESOURCES.values(), ids=RESOURCES)
def test_a_saved_status_is_as_old_as_the_newest_that_it_tells(saved: dict[str, Any]) -> None:
    assert newest_moment(saved, NOW) == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert of_a_file(saved, NOW).message == (
        "read from a file: nothing in it is newer than 2026-03-02T12:00:00Z, 271 days ago"
    )


def test_a_file_without_a_moment_says_so() -> None:
    assert of_a_file(resource(), NOW).message == "read from a file that tells no moment"
