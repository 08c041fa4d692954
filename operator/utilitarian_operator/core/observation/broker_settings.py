"""A broker's version, its settings, and how its queues were declared, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from utilitarian_operator.core.observation.expiring import Expiring

MOST = 10**14
"""Three thousand years in milliseconds."""

LONGEST = 255
"""Characters of a setting: that of a name (AMQP 0-9-1: a short string)."""

_READ = frozenset(
    {"consumer-timeout", "dead-letter-exchange", "delivery-limit", "expires", "queue-type", "single-active-consumer"}
)
"""Names of the settings that are kept; a queue may have any number of others, of any size."""

DELIVERY_LIMIT = 20
"""Of a quorum queue from RabbitMQ 4.0 on, unless it says otherwise."""

TOO_LARGE = "too large"
"""Stands among them for an answer for which there was no room: that of a worker which holds very many tasks."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How one queue was declared.

    Args:
        kind: `classic`, `quorum` or `stream`.
        settings: by name as a policy has them, `delivery-limit`; arguments of the queue come before its policy.
            `auto-delete` is there where the queue is deleted with its last consumer.
    """

    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """What a broker tells of itself; what it doesn't tell is not in it.

    Args:
        version: of RabbitMQ, as it says.
        celery: version of the workers' Celery, as one of them says.
        queues: by name, where the management API is read.
        delayed: tasks that wait in the broker for their time (Celery's native delayed delivery), of all queues of the
            virtual host; None where that is not set up.
        unreadable: content types in which workers answered that are never decoded, and `TOO_LARGE`.
        expiring: what expires in each queue, as the workers' application has it, the shortest first.
        partly: nodes of workers that say which queues they consume, and not what they hold.
    """

    version: str | None = None
    celery: str | None = None
    queues: Mapping[str, QueueSettings] = field(default_factory=dict)
    delayed: int | None = None
    unreadable: frozenset[str] = frozenset()
    expiring: tuple[Expiring, ...] = ()
    partly: frozenset[str] = frozenset()


def delivery_limit(settings: BrokerSettings, queue: str) -> int | None:
    """How often a message of a queue may come back before the queue drops it; None: any number, or it is not known."""
    declared = settings.queues.get(queue)
    if declared is None or declared.kind != "quorum":
        return None
    limit = declared.settings.get("delivery-limit", DELIVERY_LIMIT if at_least(settings.version, 4, 0) else None)
    return limit if isinstance(limit, int) and limit > 0 else None


def at_least(version: str | None, *wanted: int) -> bool:
    """Whether a version is as new as that; False for one that is not known or can't be read."""
    parts = (version or "").split(".")
    try:
        return tuple(int(part) for part in parts[: len(wanted)]) >= wanted
    except ValueError:
        return False


def by_policy_name(arguments: Mapping[str, Any], policy: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a queue that are read, by the names that policies use; an argument comes before the policy."""
    every = {**policy, **{name.removeprefix("x-"): value for name, value in arguments.items()}}
    return {name: _within(value) for name, value in every.items() if name in _READ}


def _within(value: Any) -> Any:
    """A number no larger than what a time in milliseconds may be; "never" is written as one that is larger.

    Of a list or a table nothing is kept but that it is there.
    """
    if type(value) is int:
        return max(min(value, MOST), -MOST)
    return value[:LONGEST] if isinstance(value, str) else value if isinstance(value, bool) else None
