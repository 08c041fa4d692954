"""What Celery workers say of themselves over remote control; asks only, and keeps counts and names, never arguments.

A question is a fanout message to every worker of the broker, whatever its destination: who calls bounds the rate.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from kombu import Connection
from kombu.pidbox import Mailbox

from utilitarian_operator.adapters.amqp import broker_errors, connect
from utilitarian_operator.core.observation import Held
from utilitarian_operator.errors import BrokerError

ANSWER_WITHIN_S = 1.0
"""How long the slowest worker may take; a worker that is busy in a solo pool, or stopping, never answers."""

QUESTIONS = ("active", "reserved", "scheduled")


class RemoteControl:
    """One connection to the workers' mailbox; not thread-safe, to be used from one thread.

    Args:
        url: of the broker with user and password.
        ssl: options for the TLS connection, or False.
    """

    def __init__(self, url: str, *, ssl: dict[str, Any] | bool = False) -> None:
        self._url, self._ssl = url, ssl
        self._connection: Connection | None = None
        self._mailbox: Mailbox | None = None

    def holdings(self, nodes: Sequence[str]) -> dict[str, Held]:
        """What each worker holds; one that did not answer all three questions in time is not in the answer.

        Args:
            nodes: Celery node names, `celery@POD`.

        Raises:
            BrokerUnreachable: no connection, or it broke.
            LoginRefused: user, password or virtual host are wrong.
            RightMissing: the user may not use Celery's pidbox exchanges and queues.
        """
        if not nodes:
            return {}
        try:
            with broker_errors():
                mailbox = self._open()
                told: dict[str, dict[str, Any]] = {question: {} for question in QUESTIONS}
                for question in QUESTIONS:
                    still = [node for node in nodes if question == "active" or node in told["active"]]
                    told[question] = _ask(mailbox, question, still)
        except BrokerError:
            self.close()
            raise
        return {node: _held(told, node) for node in nodes if all(node in told[question] for question in QUESTIONS)}

    def close(self) -> None:
        """Close the connection, and with it the reply queue; the next question opens a new one."""
        connection, self._connection, self._mailbox = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(Exception):  # the broker may be gone; there is nothing left to do for it
                connection.release()

    def _open(self) -> Mailbox:
        if self._mailbox is None:
            self._connection = connect(self._url, self._ssl, "utilitarian-operator remote control")
            mailbox = Mailbox("celery", type="fanout", accept=["json"], serializer="json")
            self._mailbox = mailbox(self._connection)
        return self._mailbox


def _ask(mailbox: Mailbox, question: str, nodes: Sequence[str]) -> dict[str, Any]:
    if not nodes:
        return {}
    replies = mailbox.call(list(nodes), question, timeout=ANSWER_WITHIN_S) or []
    return {node: answer for reply in replies for node, answer in reply.items() if isinstance(answer, list)}


def _held(told: Mapping[str, Mapping[str, Any]], node: str) -> Held:
    active = told["active"][node]
    early = sum(bool(request.get("acknowledged")) for request in active)
    return Held(len(active), early, len(told["reserved"][node]), len(told["scheduled"][node]))
