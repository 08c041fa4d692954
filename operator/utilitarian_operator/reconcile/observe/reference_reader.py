"""Reads the Secrets and ConfigMaps that a resource names, one by one, and again after a while."""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.spec.references import Absent, Content, Target, Unreadable
from utilitarian_operator.errors import ClusterError, Gone, Rejected

READ_EVERY_S = 30.0
LATER_S = 2.0
"""So much later one is due that was read for the broker's login: the next reading for that comes first."""

MISSING_READ_EVERY_S = 5.0
"""What is missing is waited for, so it is looked for more often than what is there."""

AT_ONCE = 1_048_576
"""Characters: what is read for one fleet in READ_EVERY_S, and of files in one look. To read an object of that length
takes the event loop up to a tenth of a second, and a fleet may name a hundred of them: so more is read more seldom."""

PER_KEY = 64
"""Characters as which a key counts beside its own: many short values take longer than one that is long."""


@dataclass(frozen=True, slots=True)
class _Reading:
    content: Content
    due: float
    refused: bool = False
    length: int = 0


class _AllRead(NamedTuple):
    """What was read of all that was asked for, and until when none of it is read again (monotonic seconds)."""

    targets: frozenset[Target]
    contents: Mapping[Target, Content]
    until: float


class ReferenceReader:
    """The contents of what one resource names, as they were last read.

    Args:
        cluster: where they are read.
        namespace: of the resource.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(self, cluster: Cluster, namespace: str, monotonic: Callable[[], float]) -> None:
        self._cluster, self._namespace, self._monotonic = cluster, namespace, monotonic
        self._readings: dict[Target, _Reading] = {}
        self.refused: frozenset[Target] = frozenset()
        """What may not be read, of what was asked for last."""
        self._every_s = READ_EVERY_S
        self._all: _AllRead | None = None

    async def read(self, targets: Iterable[Target]) -> Mapping[Target, Content]:
        """The contents of all of them; what could not be read keeps what was read last.

        Between two reads it is the same mapping, so that what is made of it need not be made anew.
        """
        wanted = frozenset(targets)
        if self._all is None or self._all.targets != wanted or self._monotonic() >= self._all.until:
            contents = await self._read_all(wanted)
            self._all = _AllRead(wanted, contents, self._next_due())
        return self._all.contents

    @property
    def due(self) -> float:
        """When one of them is read again, in monotonic seconds."""
        return -math.inf if self._all is None else self._all.until

    def _next_due(self) -> float:
        return min((it.due for it in self._readings.values()), default=math.inf)

    async def _read_all(self, targets: Iterable[Target]) -> Mapping[Target, Content]:
        readings: dict[Target, _Reading] = {}
        away, spent = False, 0
        for target in sorted(targets):
            known = self._readings.get(target)
            waits = away or (target.digested and spent >= AT_ONCE)
            if known is not None and (waits or self._monotonic() < known.due):
                readings[target] = known
                continue
            reading = None if waits else await self._read(target)
            away = away or (reading is None and not waits)
            spent += 0 if reading is None else reading.length
            readings[target] = reading or (self._later(known) if away else _Reading(Unreadable(), 0.0))
        self._every_s = READ_EVERY_S * max(1.0, sum(it.length for it in readings.values()) / AT_ONCE)
        self._readings = readings
        self.refused = frozenset(target for target, reading in readings.items() if reading.refused)
        return {target: reading.content for target, reading in readings.items()}

    def noted(self, kind: str, name: str, body: Object) -> None:
        """What was read of an object just now, for the broker's login: it is not read a second time.

        Args:
            kind: Secret or ConfigMap.
            name: of it.
            body: as it is.
        """
        target, before = Target(kind, name), self._readings.get(Target(kind, name))
        reading = self._readings[target] = self._reading(target, body, self._monotonic() + READ_EVERY_S + LATER_S)
        if before is None or before.content != reading.content:
            self._all = None
        elif self._all is not None:
            self._all = self._all._replace(until=self._next_due())

    def read_again(self) -> None:
        """The broker refused the login: read all but files again at the next look."""
        self._all = None
        self._readings = {
            target: it if target.digested else replace(it, due=0.0) for target, it in self._readings.items()
        }

    async def _read(self, target: Target) -> _Reading | None:
        """What is there now; None when the API server is away, so that the others need not be tried."""
        now = self._monotonic()
        try:
            body = await self._cluster.read(target.kind, self._namespace, target.name)
        except Gone:
            return _Reading(Absent(), now + MISSING_READ_EVERY_S)
        except Rejected:
            return replace(self._later(self._readings.get(target)), refused=True)
        except ClusterError:
            return None
        return self._reading(target, body, now + self._every_s)

    def _reading(self, target: Target, body: Object, due: float) -> _Reading:
        values = {**(body.get("data") or {}), **(body.get("binaryData") or {})}
        kept = {key: _digest(value) for key, value in values.items()} if target.digested else values
        length = sum(len(key) + len(value) + PER_KEY for key, value in values.items())
        return _Reading(kept, due, length=length)

    def _later(self, known: _Reading | None) -> _Reading:
        due = self._monotonic() + MISSING_READ_EVERY_S
        return replace(known, due=due) if known else _Reading(Unreadable(), due)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
