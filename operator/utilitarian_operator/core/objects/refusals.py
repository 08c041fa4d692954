"""What the API server refused of one fleet, so that it isn't asked the same each second."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from utilitarian_operator.core.blocker import NAME_TAKEN, Blocker
from utilitarian_operator.core.labels import TEMPLATE_HASH
from utilitarian_operator.core.moments import apart
from utilitarian_operator.core.objects.wanted import Wanted

SHORTEST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An object that could not be made as it should be.

    Args:
        wanted: the object.
        blocker: why not.
    """

    wanted: Wanted
    blocker: Blocker


@dataclass(frozen=True, slots=True)
class _Pending:
    digest: str
    blocker: Blocker
    since: datetime
    tried: datetime


class Refusals:
    """The refusals of one fleet that still hold."""

    def __init__(self) -> None:
        self._pending: dict[tuple[str, str], _Pending] = {}

    @property
    def blockers(self) -> list[Blocker]:
        """Why objects are not as they should be."""
        return [it.blocker for it in self._pending.values()]

    def keep_only(self, pending: Iterable[Wanted]) -> None:
        """Forget what is not asked for any more, or is asked for in another shape."""
        digests = {_key(it): _digest(it) for it in pending}
        self._pending = {key: it for key, it in self._pending.items() if digests.get(key) == it.digest}

    def due(self, wanted: Wanted, now: datetime) -> bool:
        """Whether it may be tried: at once if it is new, else after a pause that grows with the refusal's age."""
        it = self._pending.get(_key(wanted))
        return it is None or apart(now, it.tried) >= min(max(it.tried - it.since, SHORTEST_PAUSE), LONGEST_PAUSE)

    def note(self, tried: Iterable[Wanted], refused: Iterable[Refusal], now: datetime) -> None:
        """Remember what came of a try.

        Args:
            tried: all objects of it.
            refused: those that failed.
            now: the one clock.
        """
        failed = {_key(it.wanted): it for it in refused}
        for wanted in tried:
            refusal = failed.get(_key(wanted))
            if refusal is None:
                self._pending.pop(_key(wanted), None)
                continue
            new = _Pending(_digest(wanted), refusal.blocker, now, now)
            known = self._pending.get(_key(wanted))
            self._pending[_key(wanted)] = new if known is None else replace(new, since=known.since)


def taken(wanted: Wanted) -> Refusal:
    """The name belongs to another owner's object."""
    message = (
        f"{wanted.path}: the {wanted.kind} {wanted.name} belongs to somebody else and is left alone; "
        "delete it, or rename the pool or the resource"
    )
    return Refusal(wanted, Blocker(NAME_TAKEN, message))


def _key(wanted: Wanted) -> tuple[str, str]:
    return wanted.kind, wanted.name


def _digest(wanted: Wanted) -> str:
    annotations: dict[str, str] = wanted.manifest["metadata"].get("annotations", {})
    return annotations.get(TEMPLATE_HASH, "")
