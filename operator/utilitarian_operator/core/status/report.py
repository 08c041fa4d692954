"""All that the status is made from, as one value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.problem import Problem
from utilitarian_operator.core.blocker import Blocker
from utilitarian_operator.core.diagnosis.findings import Finding
from utilitarian_operator.core.forecast.completion import Forecasts
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.sizing.decision import Decision
from utilitarian_operator.core.sizing.memory import Memory


@dataclass(frozen=True, slots=True)
class StatusInput:
    """What there is to say of a resource beside what was seen and decided.

    Args:
        generation: of its newest spec.
        blockers: what keeps the fleet from being as that spec asks.
        warnings: what is accepted, but probably not as meant.
        starts: the next scheduled run by pool name, UTC.
        findings: what is wrong with each pool, by its name, the most serious first.
        runs: what is expected of the open runs, by pool name.
        advice: what had better be changed in the cluster, each a sentence.
        unmade: why a pool's Deployment is not there and can't be made; None where each is there or being made.
    """

    generation: int
    blockers: Sequence[Blocker] = ()
    warnings: Sequence[Problem] = ()
    starts: Mapping[str, datetime] = field(default_factory=dict)
    findings: Mapping[str, Sequence[Finding]] = field(default_factory=dict)
    runs: Forecasts = field(default_factory=dict)
    advice: Sequence[str] = ()
    unmade: Blocker | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """One look at a fleet that runs, with all that its status tells of it.

    Args:
        fleet: what runs: the last accepted spec.
        snapshot: of this look.
        decisions: by pool name.
        memories: by pool name.
        previous: the status as it is.
        newest: what there is to say of the resource's newest spec.
    """

    fleet: Fleet
    snapshot: FleetSnapshot
    decisions: Mapping[str, Decision]
    memories: Mapping[str, Memory]
    previous: Mapping[str, Any]
    newest: StatusInput
