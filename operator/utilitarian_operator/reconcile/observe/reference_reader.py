"""Reads the Secrets and ConfigMaps that a resource names, one by one, and again after a while."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.core.spec.references import Absent, Content, Target, Unreadable
from utilitarian_operator.errors import ClusterError, Gone, Rejected

READ_EVERY_S = 30.0
MISSING_READ_EVERY_S = 5.0
"""What is missing is waited for, so it is looked for more often than what is there."""


@dataclass(frozen=True, slots=True)
class _Reading:
    content: Content
    due: float
    refused: bool = False


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

    async def read(self, targets: Iterable[Target]) -> Mapping[Target, Content]:
        """The contents of all of them; what could not be read keeps what was read last."""
        readings: dict[Target, _Reading] = {}
        away = False
        for target in sorted(targets):
            known = self._readings.get(target)
            if known is not None and (away or self._monotonic() < known.due):
                readings[target] = known
                continue
            reading = None if away else await self._read(target)
            away = away or reading is None
            readings[target] = reading or self._later(known)
        self._readings = readings
        self.refused = frozenset(target for target, reading in readings.items() if reading.refused)
        return {target: reading.content for target, reading in readings.items()}

    def read_again(self) -> None:
        """The broker refused the login: read everything again at the next look."""
        self._readings = {target: replace(it, due=0.0) for target, it in self._readings.items()}

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
        values = {**(body.get("data") or {}), **(body.get("binaryData") or {})}
        kept = {key: _digest(value) for key, value in values.items()} if target.digested else values
        return _Reading(kept, now + READ_EVERY_S)

    def _later(self, known: _Reading | None) -> _Reading:
        due = self._monotonic() + MISSING_READ_EVERY_S
        return replace(known, due=due) if known else _Reading(Unreadable(), due)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
