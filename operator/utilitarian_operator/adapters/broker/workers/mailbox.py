"""kombu's mailbox of remote control, bounded in time, that skips messages that are no JSON."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kombu import Consumer, Producer
from kombu.pidbox import Mailbox

from utilitarian_operator.adapters.broker.timing import (
    CLOCK,
)
from utilitarian_operator.adapters.broker.workers.replies import is_answer

ANSWER_WITHIN_S = 1.0
"""How long the slowest worker may take; a worker that is busy in a solo pool, or stopping, never answers."""

LONGEST_READING = 10
"""Times `ANSWER_WITHIN_S` that answers to one question are read at most, however many come that are of no use."""


class AnswersBox(Mailbox):  # type: ignore[misc]
    """The library's mailbox, which would go on for ever to publish to a broker that is away.

    One answer that it may not decode would end the asking of all. Here it is none, and its content type is kept.
    """

    unreadable: set[str]
    seconds: Callable[[], float]
    """Of a clock that never goes back; `clock` is kombu's own, which counts messages."""

    def __init__(self, *arguments: Any, seconds: Callable[[], float] = CLOCK.monotonic, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.seconds = seconds
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
        until = self.seconds() + LONGEST_READING * timeout
        with Consumer(chosen, [self.reply_queue], **options):
            while (limit is None or len(answers) + len(strange) < limit) and self.seconds() < until:
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

    def ask(
        self, question: str, nodes: Sequence[str] | None, took: dict[str, float] | None = None, **arguments: Any
    ) -> dict[str, Any]:
        """The answers by node; without `nodes` every worker is asked, and the time waited out.

        `took` is filled with the seconds that each let us wait.
        """
        if nodes is not None and not nodes:
            return {}
        asked_at = self.seconds()

        def came(reply: object) -> None:
            if took is not None and isinstance(reply, dict):
                took.update(dict.fromkeys(reply, self.seconds() - asked_at))

        if nodes is None:
            replies = self.multi_call(question, arguments, timeout=ANSWER_WITHIN_S) or []
        else:
            replies = self.call(list(nodes), question, arguments, timeout=ANSWER_WITHIN_S, callback=came) or []
        answers = (pair for reply in replies if isinstance(reply, dict) for pair in reply.items())
        return {node: answer for node, answer in answers if is_answer(question, answer)}

    def ping(self, pattern: str) -> set[str]:
        """The nodes of these names that answer in time."""
        options = {"reply": True, "timeout": ANSWER_WITHIN_S, "pattern": pattern, "matcher": "glob"}
        replies = self._broadcast("ping", **options) or []
        return {node for reply in replies if isinstance(reply, dict) for node in reply if isinstance(node, str)}


class _Once(Producer):  # type: ignore[misc]
    def publish(self, *args: Any, **options: Any) -> Any:
        return super().publish(*args, **{**options, "retry": False})
