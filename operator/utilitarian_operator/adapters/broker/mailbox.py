"""kombu's mailbox of remote control, bounded in time, that skips messages that are no JSON."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from kombu import Consumer, Producer
from kombu.pidbox import Mailbox

ANSWER_WITHIN_S = 1.0
"""How long the slowest worker may take; a worker that is busy in a solo pool, or stopping, never answers."""

LONGEST_READING = 10
"""Times `ANSWER_WITHIN_S` that answers to one question are read at most, however many come that are of no use."""


class AnswersBox(Mailbox):  # type: ignore[misc]
    """The library's mailbox, which would go on for ever to publish to a broker that is away.

    One answer that it may not decode would end the asking of all. Here it is none, and its content type is kept.
    """

    unreadable: set[str]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.unreadable = set()

    def _collect(
        self,
        ticket: str,
        limit: int | None = None,
        timeout: float = ANSWER_WITHIN_S,
        callback: Callable[[Any], None] | None = None,
        channel: Any = None,
        accept: None = None,
    ) -> list[Any]:
        """The answers to one question, until all that were asked have answered or no answer has come for a while."""
        del accept
        answers: list[Any] = []
        strange: list[str] = []

        def read(body: Any, message: Any) -> None:
            if message.headers.get("ticket", ticket) == ticket:
                answers.append(body)
                if callback is not None:
                    callback(body)

        def pass_over(message: Any, _: Exception) -> None:
            if message.headers.get("ticket", ticket) == ticket:
                strange.append(str(message.content_type))

        chosen = channel or self.connection.default_channel
        options = {"accept": self.accept, "no_ack": True, "callbacks": [read], "on_decode_error": pass_over}
        until = time.monotonic() + LONGEST_READING * timeout
        with Consumer(chosen, [self.reply_queue], **options):
            while (limit is None or len(answers) + len(strange) < limit) and time.monotonic() < until:
                try:
                    self.connection.drain_events(timeout=timeout)
                except TimeoutError:
                    break
        self.unreadable.update(strange)
        return answers

    @contextlib.contextmanager
    def producer_or_acquire(self, producer: Producer | None = None, channel: Any = None) -> Iterator[Producer]:
        """A producer that publishes once."""
        yield producer or _Once(channel, auto_declare=False)

    def ping(self, pattern: str) -> set[str]:
        """The nodes of these names that answer in time."""
        options = {"reply": True, "timeout": ANSWER_WITHIN_S, "pattern": pattern, "matcher": "glob"}
        replies = self._broadcast("ping", **options) or []
        return {node for reply in replies if isinstance(reply, dict) for node in reply if isinstance(node, str)}


class _Once(Producer):  # type: ignore[misc]
    def publish(self, *args: Any, **options: Any) -> Any:
        return super().publish(*args, **{**options, "retry": False})
