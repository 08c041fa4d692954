"""kombu's mailbox of remote control, bounded in time, that skips messages that are no JSON."""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from kombu import Consumer, Producer
from kombu.pidbox import Mailbox

from utilitarian_operator.adapters.broker.timing import (
    CLOCK,
)
from utilitarian_operator.adapters.broker.workers.replies import MOST_WORKERS, answers, is_node
from utilitarian_operator.core.observation.broker_settings import TOO_LARGE

ANSWER_WITHIN_S = 1.0
"""How long the slowest worker may take; a worker that is busy in a solo pool, or stopping, never answers."""

LONGEST_READING = 10
"""Times `ANSWER_WITHIN_S` that answers to one question are read at most, however many come that are of no use."""

JSON, UNNAMED = "application/json", "application/data"
"""Content types: of an answer, and of one that names none."""

MOST_KINDS = 20
"""Content types that are kept of the replies to one question: an application has one or two."""

UNSHOWN = "one that can't be shown"
"""Stands for a content type with characters that are none."""


class Replies:
    """What came in answer to one question.

    Args:
        ticket: of the question; a reply without it, or with another one, is none.
        asked: the nodes that were asked; empty where every worker was, who are never known to have all answered.
        callback: is called with each reply.
    """

    def __init__(self, ticket: str, asked: Iterable[str] = (), callback: Callable[[Any], None] | None = None) -> None:
        self._ticket, self._callback = ticket, callback
        self._unheard, self._to_all = set(asked), not asked
        self.bodies: list[Any] = []
        self.strange: set[str] = set()
        """The content types of replies that may not be decoded, and `TOO_LARGE`: who sent them is not known, and is
        waited for."""

    @property
    def complete(self) -> bool:
        """Whether nothing more is waited for: what others say, or one says twice, stands for no other's answer."""
        return not self._to_all and not self._unheard

    def read(self, message: Any) -> None:
        """A reply as it came.

        It is plain JSON to us. The library looks in it for values of a type that the application has registered, and
        fails at one that is known to the application alone: a task's argument would make its worker silent.
        """
        content = message.content_type or UNNAMED
        if content != JSON:
            self.pass_over(content, message.headers)
            return
        body = message.body or b""
        with contextlib.suppress(ValueError, RecursionError):  # what is no JSON after all is no answer
            self.take(json.loads(body) if body else b"", message.headers)

    def take(self, body: Any, headers: Mapping[str, Any]) -> None:
        """A reply that could be decoded."""
        if headers.get("ticket") != self._ticket:
            return
        if body in (b"", ""):  # no answer is empty
            self.strange.add(TOO_LARGE)
        else:
            self.bodies.append(body)
            self._unheard.difference_update(body if isinstance(body, dict) else ())
            if self._callback is not None:
                self._callback(body)

    def pass_over(self, content_type: object, headers: Mapping[str, Any]) -> None:
        """A reply that is never decoded."""
        if headers.get("ticket") == self._ticket and len(self.strange) < MOST_KINDS:
            shown = str(content_type)
            self.strange.add(shown if shown.isprintable() else UNSHOWN)


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
        self._asked: tuple[str, ...] = ()

    def call(self, destination: Sequence[str], *arguments: Any, **options: Any) -> Any:
        """Ask these workers."""
        self._asked = tuple(destination)
        try:
            return super().call(destination, *arguments, **options)
        finally:
            self._asked = ()

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
        del limit, accept
        replies = Replies(ticket, self._asked, callback)
        chosen = channel or self.connection.default_channel
        options = {
            "no_ack": True,
            "on_message": replies.read,
            "on_decode_error": lambda message, _: replies.pass_over(message.content_type, message.headers),
        }
        until = self.seconds() + LONGEST_READING * timeout
        with Consumer(chosen, [self.reply_queue], **options):
            while not replies.complete and self.seconds() < until:
                try:
                    self.connection.drain_events(timeout=timeout)
                except TimeoutError:
                    break
        self.unreadable.update(replies.strange)
        return replies.bodies

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
        return answers(question, replies, None if nodes is None else frozenset(nodes))

    def ping(self, pattern: str) -> set[str]:
        """The nodes of these names that answer in time; a worker that is too old for a pattern answers any."""
        options = {"reply": True, "timeout": ANSWER_WITHIN_S, "pattern": pattern, "matcher": "glob"}
        replies = self._broadcast("ping", **options) or []
        names = (node for reply in replies if isinstance(reply, dict) for node in reply if is_node(node))
        return set(islice((node for node in names if fnmatchcase(node, pattern)), MOST_WORKERS))


class _Once(Producer):  # type: ignore[misc]
    def publish(self, *args: Any, **options: Any) -> Any:
        return super().publish(*args, **{**options, "retry": False})
