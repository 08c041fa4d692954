"""What RabbitMQ refused a worker, or that it has no celery, by the last lines of its log, and what to do about it.

Of the log itself nothing is told: it is the application's, and may hold whatever the broker or another server said.
"""

import re
from collections.abc import Collection

_CODES = {
    "403": "ACCESS_REFUSED",
    "404": "NOT_FOUND",
    "405": "RESOURCE_LOCKED",
    "406": "PRECONDITION_FAILED",
    "501": "FRAME_ERROR",
    "502": "SYNTAX_ERROR",
    "503": "COMMAND_INVALID",
    "504": "CHANNEL_ERROR",
    "505": "UNEXPECTED_FRAME",
    "506": "RESOURCE_ERROR",
    "530": "NOT_ALLOWED",
    "541": "INTERNAL_ERROR",
}
"""AMQP 0-9-1's replies that end a channel or a connection."""

_BECOMES = ", in execvp"
_NO_PROGRAM = ("FileNotFoundError: [Errno 2]", "PermissionError: [Errno 13]", "NotADirectoryError: [Errno 20]")
"""How Python says that the words that put the broker's URL together (`broker.from`) can't become the next one."""

NO_PROGRAM = (
    "the first word of its command (celery, or that of commandPrefix) is no program of the image: "
    "is it the application's image, and is the word on its PATH?"
)

_REFUSAL = re.compile(r"\((?P<code>40[3-6]|50[1-6]|530|541)\) (?P<name>[A-Z]+_[A-Z_]+) - (?P<words>[^\r\n]{1,1000})")
_NAMED = re.compile(r"\bqueue '([^']{1,255})'")
_ARGUMENT = re.compile(r"\binequivalent arg '([^']{1,255})'")
_ARGUMENTS = frozenset(
    [
        "durable",
        "auto_delete",
        "exclusive",
        "type",
        "x-queue-type",
        "x-max-priority",
        "x-message-ttl",
        "x-expires",
        "x-dead-letter-exchange",
        "x-dead-letter-routing-key",
        "x-dead-letter-strategy",
        "x-max-length",
        "x-max-length-bytes",
        "x-overflow",
        "x-queue-mode",
        "x-queue-version",
        "x-single-active-consumer",
        "x-delivery-limit",
        "x-quorum-initial-group-size",
    ]
)
"""Arguments of a queue or an exchange that are named; another one could be any word."""

_RAISE = (
    "a limit of the broker is reached (of connections, channels or queues): raise it (rabbitmqctl set_vhost_limits or "
    "set_user_limits, or rabbitmq.conf), or use fewer"
)

_REMEDIES = (
    (
        "inequivalent arg",
        "the queue exists with other arguments than the application declares: make them alike, or delete it when empty",
    ),
    ("timed out", "a message was not acknowledged within consumer_timeout: make it longer than tasks run or wait"),
    (r"limit .*is reached|number of channels", _RAISE),
    (r"^NOT_ALLOWED.*is down", "the virtual host is down: rabbitmqctl restart_vhost"),
    (r"^ACCESS_REFUSED access to", "give the workers' user that right"),
    (r"^ACCESS_REFUSED", "correct user or password of the workers' broker URL"),
    (r"^NOT_ALLOWED.*vhost", "correct the virtual host of the workers' broker URL, or the rights in it"),
)


def said_by_log(log: str, queues: Collection[str] = ()) -> str:
    """Why a worker ended, as far as its log says what we know; empty if it doesn't.

    Args:
        log: the end of a worker's log, with whatever the application writes there.
        queues: that the fleet consumes: one of these is named, and no other.
    """
    _, begun, rest = log.rpartition(_BECOMES)
    if begun and any(it in rest for it in _NO_PROGRAM):
        return NO_PROGRAM
    return broker_refusal(log, queues)


def broker_refusal(log: str, queues: Collection[str] = ()) -> str:
    """The kind of the last refusal in a log with its remedy; empty if there is none.

    Args:
        log: the end of a worker's log, with whatever the application writes there.
        queues: that the fleet consumes: one of these is named, and no other.
    """
    found = [it for it in _REFUSAL.finditer(log) if _CODES[it["code"]] == it["name"]]
    if not found:
        return ""
    code, name, words = found[-1].group("code", "name", "words")
    remedy = next((cure for pattern, cure in _REMEDIES if re.search(pattern, f"{name} {words}")), "its log has why")
    return f"the broker refused it: {code} {name}{_about(words, queues)}; {remedy}"


def _about(words: str, queues: Collection[str]) -> str:
    """What it concerns, as far as we know the name ourselves."""
    queue, argument = _NAMED.search(words), _ARGUMENT.search(words)
    parts = [
        f"argument {argument[1]}" if argument and argument[1] in _ARGUMENTS else "",
        f"queue {queue[1]}" if queue and queue[1] in queues else "",
    ]
    told = ", ".join(part for part in parts if part)
    return f" ({told})" if told else ""
