"""Which tasks an application lets expire, by what its workers say of its settings and tasks; no message is read.

What a sender gives to `apply_async` itself, and what a scheduler with a database holds, stands in neither.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

MOST_ENTRIES = 1_000
"""Of a `beat_schedule` that are looked at; as many tasks."""

MOST_ROUTES = 10_000
"""Of `task_routes`: of an application with more the routes are not known."""

MOST_PATTERNS = 200
"""Of them, with a star: each is compared with each task that expires."""

LONGEST = timedelta(days=365)
"""An `expires` beyond it says no more than none."""

LONGEST_NAME = 255
"""Characters of a name that are kept. A task or a queue with a longer one is left out, and such a pattern is not read:
each is compared with each task."""

DEFAULT_QUEUE = "celery"
"""Celery's own `task_default_queue`."""

HIDDEN = "********"
"""What Celery writes for a value whose name looks like that of a secret."""

_SCHEDULE = ("beat_schedule",)
_ROUTES = ("task_routes", "celery_routes")
_DEFAULT = ("task_default_queue", "celery_default_queue")
"""How the names of the settings end: an application may give them a prefix of its own (Django's `CELERY_`)."""

_INFO = re.compile(r" \[(?=(?:rate_limit|expires|acks_late|queue)=)")
"""Where what is told of a task begins, behind its name. What a worker says may be long: nothing here looks back."""

_EXPIRES = re.compile(r"(?:^| )expires=(\d+(?:\.\d+)?)(?: |$)")


_LIMITED = re.compile(r" rate_limit=(?!(?:False|0*(?:\.0*)?)(?:/| |$))")
"""A limit of nothing is none: it is how a person takes one away while workers run (`rate` of celery/utils/time.py)."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What a worker says of one task that it knows.

    Args:
        name: of the task.
        limited: whether it has a rate limit.
        acked_early: whether it is acknowledged at its start.
        expires_s: seconds after which it expires unless its sender says otherwise; None where it doesn't.
        queue: to which it goes by its own word; None where it has none.
    """

    name: str
    limited: bool = False
    acked_early: bool = False
    expires_s: float | None = None
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class Expiring:
    """The shortest time after which something that comes to a queue expires.

    Args:
        queue: to which it goes.
        what: it is, as a clause begins: `task NAME`, or `task NAME (ENTRY of beat_schedule)`.
        after: it was sent.
    """

    queue: str
    what: str
    after: timedelta


def registered(line: str) -> Registered:
    """A task as `inspect registered` writes it: `NAME [rate_limit=10/m expires=30 acks_late=False queue=q]`."""
    found = _INFO.search(line, 1) if line.endswith("]") else None
    if found is None:
        return Registered(line)
    told, has_queue, queue = f" {line[found.end() : -1]}".partition(" queue=")
    expires = _EXPIRES.search(told)
    return Registered(
        line[: found.start()],
        limited=_LIMITED.search(told) is not None,
        acked_early="acks_late=False" in told,
        expires_s=float(expires[1]) if expires else None,
        queue=queue if has_queue else None,
    )


def expiring(settings: Mapping[str, Any], tasks: Iterable[Registered]) -> tuple[Expiring, ...]:
    """What expires in each queue, the shortest, sorted by queue; nothing of a task whose queue is not known.

    Args:
        settings: of the application as `inspect conf` tells them: no pattern of `task_routes` that is compiled, and
            functions as text.
        tasks: that it knows.
    """
    by_name = {it.name: it for it in tasks}
    routers, default = _routers(settings), _setting(settings, _DEFAULT) or DEFAULT_QUEUE
    shortest: dict[str, Expiring] = {}
    for name, what, options in (*_scheduled(settings), *_of_themselves(by_name.values())):
        task = by_name.get(name, Registered(name))
        after, queue = _after(options.get("expires", task.expires_s)), options.get("queue", task.queue)
        if after is None or len(name) > LONGEST_NAME:
            continue
        queue = _routed(routers, name, default) if queue is None else queue
        if not isinstance(queue, str) or not 0 < len(queue) <= LONGEST_NAME:
            continue
        here = shortest.get(queue)
        if here is None or after < here.after:
            shortest[queue] = Expiring(queue, what[:LONGEST_NAME], after)
    return tuple(it for _, it in sorted(shortest.items()))


_Sent = Iterator[tuple[str, str, Mapping[str, Any]]]
"""Name of the task, how it is called, and the options with which it is sent."""


def _scheduled(settings: Mapping[str, Any]) -> _Sent:
    schedule = _setting(settings, _SCHEDULE)
    for entry, it in list(schedule.items())[:MOST_ENTRIES] if isinstance(schedule, dict) else ():
        if isinstance(it, dict) and isinstance(name := it.get("task"), str):
            options = it.get("options")
            yield name, f"task {name} ({entry} of beat_schedule)", options if isinstance(options, dict) else {}


def _of_themselves(tasks: Iterable[Registered]) -> _Sent:
    own = [it for it in tasks if it.expires_s is not None]
    yield from ((it.name, f"task {it.name}", {}) for it in own[:MOST_ENTRIES])


def _setting(settings: Mapping[str, Any], ends: tuple[str, ...]) -> Any:
    """The setting whose name ends so, whatever its prefix and case; None where none does."""
    return next((value for name, value in settings.items() if name.lower().endswith(ends)), None)


_Pair = tuple[str, Any]
"""A name, or a pattern of names, with its route."""


@dataclass(frozen=True, slots=True)
class _Router:
    """Where tasks go, by their names and by patterns of them."""

    exact: Mapping[str, Any]
    patterns: Sequence[_Pair]

    def route(self, name: str) -> Any:
        """Exact names come before patterns, as Celery has it; None where there is no route."""
        by_pattern = (route for it, route in self.patterns if fnmatchcase(name, it))
        return self.exact[name] if name in self.exact else next(by_pattern, None)


def _routers(settings: Mapping[str, Any]) -> Sequence[_Router] | None:
    """One after the other; None where one is a function, or says too much: what was left out may be the one."""
    found = _setting(settings, _ROUTES)
    written = [] if found is None else found if isinstance(found, list) else [found]
    read: list[_Router] = []
    names, patterns = MOST_ROUTES, MOST_PATTERNS
    for it in written[: MOST_ROUTES + 1]:
        pairs = list(islice(_pairs(it), names + 1))
        known = [pair for pair in pairs if pair is not None]
        with_star = [pair for pair in known if "*" in pair[0]]
        names, patterns = names - max(len(pairs), 1), patterns - len(with_star)
        if len(known) < len(pairs) or names < 0 or patterns < 0:
            return None
        read.append(_Router({name: route for name, route in known if "*" not in name}, with_star))
    return read


def _pairs(router: Any) -> Iterator[_Pair | None]:
    """A mapping, or a list of pairs; None stands for what can't be read."""
    if not isinstance(router, dict | list):
        yield None
        return
    for pair in router.items() if isinstance(router, dict) else router:
        match pair:
            case [str() as name, route] if len(name) <= LONGEST_NAME or "*" not in name:
                yield name, route
            case _:
                yield None


def _routed(routers: Sequence[_Router] | None, name: str, default: object) -> object:
    """The queue of a task by the routes; None where it is not known."""
    if routers is None:
        return None
    route = next((found for it in routers if (found := it.route(name)) is not None), None)
    if route is None:
        return default
    queue = route.get("queue") if isinstance(route, dict) else route
    return None if queue == HIDDEN else queue


def _after(expires: object) -> timedelta | None:
    """An absolute moment, or what is no time at all, is none."""
    if not isinstance(expires, int | float) or isinstance(expires, bool):
        return None
    return timedelta(seconds=expires) if 0 < expires <= LONGEST.total_seconds() else None
