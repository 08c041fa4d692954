"""What of a crashed worker's log is told: what the broker refused it, and nothing else of it."""

import pytest

from utilitarian_operator.core.observation.causes.worker_log import LONGEST, broker_refusal

INEQUIVALENT = (
    "inequivalent arg 'x-max-priority' for queue 'amr' in vhost '/': received none but current is the value '10'"
)
LOG = f"""Traceback (most recent call last):
  File "app.py", line 1, in poll(password='hunter2')
amqp.exceptions.PreconditionFailed: Queue.declare: (406) PRECONDITION_FAILED - {INEQUIVALENT} of type 'signedint'
Sentry: shutting down
"""


@pytest.mark.parametrize(
    "log,parts",
    [
        pytest.param("", [], id="an empty log"),
        pytest.param("ImportError: no module named app (503)", [], id="an error of the application"),
        pytest.param("HTTP (403) forbidden - amqp://u:hunter2@h", [], id="another protocol's number"),
        pytest.param(
            LOG,
            ["the broker refused it: 406 PRECONDITION_FAILED - inequivalent arg 'x-max-priority'", "make them alike"],
            id="a queue that was declared otherwise",
        ),
        pytest.param(
            "(406) PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 9 ms",
            ["consumer_timeout: make that longer"],
            id="a task that took too long",
        ),
        pytest.param(
            "amqp.exceptions.AccessRefused: Queue.declare: (403) ACCESS_REFUSED - access to queue 'q' in vhost '/' "
            "refused for user 'u'",
            ["403 ACCESS_REFUSED", "give the workers' user that right"],
            id="a right that is missing",
        ),
        pytest.param(
            "Connection.open: (530) NOT_ALLOWED - vhost nowhere not found", ["correct the virtual host"], id="no vhost"
        ),
        pytest.param(
            "(406) PRECONDITION_FAILED - first\n(404) NOT_FOUND - no exchange 'x' in vhost '/'",
            ["404 NOT_FOUND - no exchange 'x'"],
            id="the last of several",
        ),
    ],
)
def test_of_a_log_only_the_broker_s_refusal_is_told(log: str, parts: list[str]) -> None:
    said = broker_refusal(log)
    assert bool(said) == bool(parts)
    assert [part for part in parts if part not in said] == []
    assert "hunter2" not in said
    assert len(said) < LONGEST + 200
