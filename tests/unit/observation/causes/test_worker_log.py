"""What of a crashed worker's log is told: what kind of thing the broker refused it, in the operator's own words."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.core.objects.broker_environment import PUT_TOGETHER
from utilitarian_operator.core.observation.causes.worker_log import _CODES, NO_PROGRAM, broker_refusal, said_by_log

INEQUIVALENT = (
    "inequivalent arg 'x-max-priority' for queue 'amr' in vhost '/': received none but current is the value '10'"
)
LOG = f"""Traceback (most recent call last):
  File "app.py", line 1, in poll(password='hunter2')
amqp.exceptions.PreconditionFailed: Queue.declare: (406) PRECONDITION_FAILED - {INEQUIVALENT} of type 'signedint'
Sentry: shutting down
"""
ALIKE = "the queue exists with other arguments than the application declares: make them alike, or delete it when empty"
TOO_LONG = "a message was not acknowledged within consumer_timeout: make it longer than tasks run or wait"
LIMITED = (
    "a limit of the broker is reached (of connections, channels or queues): raise it (rabbitmqctl set_vhost_limits or "
    "set_user_limits, or rabbitmq.conf), or use fewer"
)


@pytest.mark.parametrize(
    "log,told",
    [
        pytest.param("", "", id="an empty log"),
        pytest.param("ImportError: no module named app (503)", "", id="an error of the application"),
        pytest.param("HTTP (403) forbidden - amqp://u:hunter2@h", "", id="another protocol's number"),
        pytest.param("(403) NOT_FOUND - hunter2", "", id="a number and a name that don't belong together"),
        pytest.param("(403) HUNTER_TWO - hunter2", "", id="a name that AMQP doesn't have"),
        pytest.param(
            LOG,
            f"406 PRECONDITION_FAILED (argument x-max-priority, queue amr); {ALIKE}",
            id="a queue that was declared otherwise",
        ),
        pytest.param(
            "(406) PRECONDITION_FAILED - inequivalent arg 'hunter2' for queue 'hunter2' in vhost 'hunter2'",
            f"406 PRECONDITION_FAILED; {ALIKE}",
            id="names that we don't know ourselves",
        ),
        pytest.param(
            "(406) PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 9 ms",
            f"406 PRECONDITION_FAILED; {TOO_LONG}",
            id="a task that took too long",
        ),
        pytest.param(
            "amqp.exceptions.AccessRefused: Queue.declare: (403) ACCESS_REFUSED - access to queue 'amr' in vhost "
            "'hunter2' refused for user 'hunter2'",
            "403 ACCESS_REFUSED (queue amr); give the workers' user that right",
            id="a right that is missing",
        ),
        pytest.param(
            "(403) ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. hunter2",
            "403 ACCESS_REFUSED; correct user or password of the workers' broker URL",
            id="a login that is refused",
        ),
        pytest.param(
            "Connection.open: (530) NOT_ALLOWED - vhost hunter2 not found",
            "530 NOT_ALLOWED; correct the virtual host of the workers' broker URL, or the rights in it",
            id="no vhost",
        ),
        pytest.param(
            "Connection.open: (530) NOT_ALLOWED - access to vhost 'hunter2' refused for user 'hunter2': connection "
            "limit (9) is reached",
            f"530 NOT_ALLOWED; {LIMITED}",
            id="the vhost's limit of connections",
        ),
        pytest.param(
            "Connection.open: (530) NOT_ALLOWED - connection refused for user 'hunter2': user connection limit (9) is "
            "reached",
            f"530 NOT_ALLOWED; {LIMITED}",
            id="the user's limit of connections",
        ),
        pytest.param(
            "(530) NOT_ALLOWED - number of channels opened for user 'hunter2' has reached the maximum allowed user "
            "limit of (1)",
            f"530 NOT_ALLOWED; {LIMITED}",
            id="the user's limit of channels",
        ),
        pytest.param(
            "Queue.declare: (406) PRECONDITION_FAILED - cannot declare queue 'amr': queue limit in vhost 'hunter2' (2) "
            "is reached",
            f"406 PRECONDITION_FAILED (queue amr); {LIMITED}",
            id="the vhost's limit of queues",
        ),
        pytest.param(
            "(530) NOT_ALLOWED - access to vhost 'hunter2' refused for user 'hunter2': vhost 'hunter2' is down",
            "530 NOT_ALLOWED; the virtual host is down: rabbitmqctl restart_vhost",
            id="the vhost is down",
        ),
        pytest.param(
            "(406) PRECONDITION_FAILED - first\n(404) NOT_FOUND - no exchange 'hunter2' in vhost '/'",
            "404 NOT_FOUND; its log has why",
            id="the last of several",
        ),
    ],
)
def test_of_a_log_only_the_kind_of_the_broker_s_refusal_is_told(log: str, told: str) -> None:
    assert broker_refusal(log, ["amr"]) == (f"the broker refused it: {told}" if told else "")


WORDS = st.text(st.sampled_from("secret' q-_:,()\n"), max_size=30)
OURS = frozenset(
    broker_refusal(f"({code}) {name} - {words}")
    for code, name in _CODES.items()
    for words in (
        *("inequivalent arg", "timed out", "access to queue", "vhost", "vhost is down", "limit is reached", "x"),
    )
)


@given(WORDS, st.sampled_from(sorted(_CODES)), WORDS, WORDS)
def test_no_word_of_the_log_is_told_whatever_stands_there(before: str, code: str, name: str, after: str) -> None:
    """As who writes to a log could have the operator copy what it is not to show."""
    log = f"{before}({code}) {_CODES[code]} - queue '{name}' inequivalent arg '{after}' {after}"
    assert broker_refusal(log) in OURS | {""}


@pytest.mark.parametrize("program", ["no-such-program", "/etc/passwd", "/etc/passwd/celery"])
def test_an_image_without_celery_is_told_where_python_was_to_become_it(program: str) -> None:
    words = [sys.executable, "-c", PUT_TOGETHER, "amqp://mq/%2F", program, "-A", "app", "worker"]
    ended = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own program
    assert ended.returncode == 1
    assert said_by_log(ended.stderr) == NO_PROGRAM


def test_another_file_that_is_missing_is_the_applications_own_business() -> None:
    assert said_by_log("FileNotFoundError: [Errno 2] No such file or directory: 'settings.ini'") == ""
    assert said_by_log(LOG, ["amr"]) == broker_refusal(LOG, ["amr"]) != ""
