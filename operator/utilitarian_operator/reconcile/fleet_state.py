"""What is kept of one fleet between two looks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.adapters.cluster.cache import Key
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.blocker import Blocker
from utilitarian_operator.core.diagnosis.finding_history import Health
from utilitarian_operator.core.draining.eviction_guard import EvictionGuards
from utilitarian_operator.core.draining.plan import Progress
from utilitarian_operator.core.forecast.news import Watched
from utilitarian_operator.core.objects import wanted as objects
from utilitarian_operator.core.objects.drift import Applied
from utilitarian_operator.core.objects.refusals import Refusals
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.spec.acceptance import Acceptance, Judgement
from utilitarian_operator.core.status.change import Written
from utilitarian_operator.errors import LoginRefused
from utilitarian_operator.reconcile.act.accepted_specs import Revisions
from utilitarian_operator.reconcile.act.pod_losses import PodLosses
from utilitarian_operator.reconcile.beat_keeper import BeatKeeper
from utilitarian_operator.reconcile.observe.credentials import BrokerCredentials
from utilitarian_operator.reconcile.observe.observer import Observer
from utilitarian_operator.reconcile.observe.pod_warnings import PodWarnings
from utilitarian_operator.reconcile.observe.reference_reader import ReferenceReader


@dataclass
class FleetState:
    """What is kept of one fleet between two looks; a restart loses it, and nothing that matters with it.

    `edited_credentials` are of the newest spec, where it names another broker than the one that runs.
    """

    resource: Object
    observer: Observer
    beat: BeatKeeper
    credentials: BrokerCredentials
    edited_credentials: BrokerCredentials
    references: ReferenceReader
    acceptance: Acceptance
    revisions: Revisions
    started: datetime
    losses: PodLosses
    warnings: PodWarnings
    memories: dict[str, Memory]
    health: Health = field(default_factory=Health)
    runs: Watched = field(default_factory=Watched)
    drains: Progress = field(default_factory=Progress)
    eviction_guards: EvictionGuards = field(default_factory=EvictionGuards)
    refusals: Refusals = field(default_factory=Refusals)
    good_looks: int = 0
    waiting_since: dict[str, datetime] = field(default_factory=dict)
    used: Credentials | None = None
    applied: dict[tuple[str, str], Applied] = field(default_factory=dict)
    made: tuple[Judgement, Mapping[str | None, str | None], tuple[objects.Wanted, ...]] | None = None
    claimed: bool = False
    status_written: Written | None = None
    told_obstacles: tuple[Blocker, ...] = ()
    told_warnings: int = 0
    told_broker: bool = False
    login_refused: LoginRefused | None = None

    @property
    def key(self) -> Key:
        """Of the resource."""
        return Key(self.resource["metadata"]["namespace"], self.resource["metadata"]["name"])

    @property
    def uid(self) -> str:
        """Of the resource."""
        return str(self.resource["metadata"]["uid"])

    def read_again_if_refused(self) -> None:
        """A refused login may mean that the password was changed: have the Secrets read again at the next look."""
        error = self.observer.failed
        if isinstance(error, LoginRefused) and error is not self.login_refused:  # a session repeats its last error
            self.login_refused = error
            self.credentials.refused()
            self.references.refused()
