"""What is wrong in the pools of one fleet, kept from look to look, and which findings are new."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from utilitarian_operator.api.effective import Fleet
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
from utilitarian_operator.core.observation.model import FleetSnapshot, Unknown
from utilitarian_operator.core.reasons import Reason


@dataclass
class Health:
    """Of one fleet.

    Args:
        findings: at the last look, by pool name.
    """

    findings: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    _histories: Mapping[str, SymptomHistory] = field(default_factory=dict)
    _replaced: dict[str, Replaced] = field(default_factory=dict)
    _told: frozenset[tuple[str, str]] = frozenset()

    def examined(self, fleet: Fleet, snapshot: FleetSnapshot) -> FleetSnapshot:
        """Take one more look into account, and give it without what is in doubt by all of them."""
        self.examine(fleet, snapshot)
        return self.doubted(snapshot)

    def examine(self, fleet: Fleet, snapshot: FleetSnapshot) -> None:
        """Take one more look into account; one that did not reach the broker says nothing new.

        What went on meanwhile was not seen: a sign must last anew when the broker is back.
        """
        if snapshot.broker is None:
            self.findings, self._histories = examine(fleet, snapshot, self._histories)
        else:
            self._histories = unseen(self._histories)

    def doubted(self, snapshot: FleetSnapshot) -> FleetSnapshot:
        """The snapshot without what is not acknowledged where others consume too: those tasks may be anyone's."""
        unknown = {
            pool: Unknown(it.message, since)
            for pool, found in self.findings.items()
            for it in found
            if it.reason == FOREIGN_CONSUMERS and (since := self._histories[pool].foreign_since) is not None
        }
        pools = {
            name: replace(it, unacked=unknown[name]) if name in unknown else it for name, it in snapshot.pools.items()
        }
        return replace(snapshot, pools=pools) if unknown else snapshot

    def starved(self, pool: str) -> str:
        """Why no worker of a pool takes the work that waits; empty where work goes on."""
        return next((it.message for it in self.findings.get(pool, ()) if it.reason == STARVED), "")

    def replacements(self, fleet: Fleet, snapshot: FleetSnapshot) -> Iterator[tuple[str, str]]:
        """Pool and pod of each stuck worker to replace now, which then counts as replaced; only in `mode: Auto`."""
        for pool in fleet.pools if fleet.mode == "Auto" and snapshot.broker is None else ():
            stuck = [pod for it in self.findings.get(pool.name, ()) if it.reason == STUCK for pod in it.pods]
            if not stuck:
                continue
            seen, last = snapshot.pools[pool.name], self._replaced.get(pool.name)
            pod = replacement(pool, seen, stuck, self._histories[pool.name], last, snapshot.at)
            if pod is not None:
                self._replaced[pool.name] = Replaced(snapshot.at, frozenset(it.name for it in seen.pods))
                yield pool.name, pod

    def news(self) -> list[tuple[Reason, str]]:
        """The events of what has begun since this was last asked."""
        now = {(pool, it.reason): it for pool, found in self.findings.items() for it in found}
        new = [
            (Reason(it.reason), f"pool {pool}: {it.message}")
            for (pool, _), it in now.items()
            if (pool, it.reason) not in self._told
        ]
        self._told = frozenset(now)
        return new
