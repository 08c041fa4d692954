"""What is wrong in the pools of one fleet, kept from look to look, and which findings are new."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.changed import Kept, changed
from utilitarian_operator.core.diagnosis.findings import (
    FOREIGN_CONSUMERS,
    STARVED,
    STUCK,
    Finding,
    SymptomHistory,
    examine,
    unseen,
)
from utilitarian_operator.core.diagnosis.replacement import Replaced, replacement
from utilitarian_operator.core.moments import watched
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Replace:
    """Delete a stuck worker's pod, so that another comes in its place.

    Args:
        pool: of the worker.
        pod: its name.
        replaced: what is remembered of it once it was asked for.
    """

    pool: str
    pod: str
    replaced: Replaced


@dataclass(frozen=True)
class Health:
    """Of one fleet.

    Args:
        findings: at the last look, by pool name.
        symptoms: what is remembered of them, by pool name.
        replaced: the last worker of each pool that was replaced.
        recorded: the findings that have their events, by pool and reason.
        at: when the last look was; None before the first.
    """

    findings: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    symptoms: Mapping[str, SymptomHistory] = field(default_factory=dict)
    replaced: Mapping[str, Replaced] = field(default_factory=dict)
    recorded: frozenset[tuple[str, str]] = frozenset()
    at: datetime | None = None

    def examined(self, fleet: Fleet, snapshot: FleetSnapshot, kept: Kept | None = None) -> "Health":
        """With one more look taken into account; one that did not reach the broker says nothing new.

        What went on meanwhile was not seen: a symptom must last anew when the broker is back, and after a time without
        a look, or when the clock was set.
        """
        if snapshot.broker is not None:
            return changed(self, symptoms=unseen(self.symptoms), at=snapshot.at)
        before = self.symptoms if watched(self.at, snapshot.at) else unseen(self.symptoms)
        findings, symptoms = examine(fleet, snapshot, before, kept)
        return changed(self, findings=findings, symptoms=symptoms, at=snapshot.at)

    def doubted(self, snapshot: FleetSnapshot) -> FleetSnapshot:
        """The snapshot without what is not acknowledged where others consume too: those tasks may be anyone's.

        Args:
            snapshot: the one that was examined last.
        """
        unknown = {
            pool: Unknown(it.message, since)
            for pool, found in self.findings.items()
            for it in found
            if it.reason == FOREIGN_CONSUMERS and (since := self.symptoms[pool].foreign_since) is not None
        }
        pools = {
            name: changed(it, unacked=unknown[name]) if name in unknown else it for name, it in snapshot.pools.items()
        }
        return changed(snapshot, pools=pools) if unknown else snapshot

    def starved(self, pool: str) -> str:
        """Why no worker of a pool takes the work that waits; empty where work goes on."""
        return next((it.message for it in self.findings.get(pool, ()) if it.reason == STARVED), "")

    def replacements(self, fleet: Fleet, snapshot: FleetSnapshot) -> Iterator[Replace]:
        """The stuck workers to replace now."""
        for pool in fleet.pools if snapshot.broker is None else ():
            stuck = [pod for it in self.findings.get(pool.name, ()) if it.reason == STUCK for pod in it.pods]
            if not stuck:
                continue
            seen, last = snapshot.pools[pool.name], self.replaced.get(pool.name)
            pod = replacement(pool, seen, stuck, self.symptoms[pool.name], last, snapshot.at)
            if pod is not None:
                yield Replace(pool.name, pod, Replaced(snapshot.at, frozenset(it.name for it in seen.pods)))

    def with_replaced(self, steps: Iterable[Replace]) -> "Health":
        """With workers that were replaced."""
        return changed(self, replaced={**self.replaced, **{it.pool: it.replaced for it in steps}})

    def news(self) -> list[tuple[Reason, str]]:
        """The events of what has begun since they were recorded last."""
        now = {(pool, it.reason): it for pool, found in self.findings.items() for it in found}
        return [
            (Reason(it.reason), f"pool {pool}: {it.message}")
            for (pool, _), it in now.items()
            if (pool, it.reason) not in self.recorded
        ]

    def with_all_recorded(self) -> "Health":
        """Once the news have their events."""
        return changed(
            self, recorded=frozenset((pool, it.reason) for pool, each in self.findings.items() for it in each)
        )
