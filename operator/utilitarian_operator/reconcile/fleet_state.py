"""What is kept of one fleet between two looks: its state, as values, and the parts that do requests."""

from dataclasses import dataclass

from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.adapters.cluster.cache import Key
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.look import Seen, State
from utilitarian_operator.core.plan import Outcome
from utilitarian_operator.core.spec.acceptance import Acceptance, Judgement
from utilitarian_operator.core.spec.references import Target
from utilitarian_operator.errors import LoginRefused
from utilitarian_operator.reconcile.act.accepted_specs import Revisions
from utilitarian_operator.reconcile.observe.credentials import BrokerCredentials
from utilitarian_operator.reconcile.observe.fleet_reader import FleetReader
from utilitarian_operator.reconcile.observe.reference_reader import ReferenceReader


@dataclass(frozen=True)
class FleetParts:
    """The objects that do requests for one fleet, made once.

    Args:
        reader: reads everything once a look.
        credentials: of its broker.
        edited_credentials: of the broker that the newest spec names, where that is another than the one that runs.
        references: the Secrets and ConfigMaps that it names.
        revisions: where its accepted specs are kept.
    """

    reader: FleetReader
    credentials: BrokerCredentials
    edited_credentials: BrokerCredentials
    references: ReferenceReader
    revisions: Revisions


@dataclass
class FleetState:
    """What is kept of one fleet between two looks; a restart loses it, and nothing that matters with it.

    Args:
        resource: as it was seen last.
        parts: do requests for it.
        acceptance: the spec that runs, and the newest one.
        state: of the last look.
        outcome: what became of the plan of the last look.
        used: the credentials of its broker.
        login_refused: the error after which they were read again.
        named: the Secrets and ConfigMaps that the newest spec and the one that runs name, with the two.
    """

    resource: Object
    parts: FleetParts
    acceptance: Acceptance
    state: State
    outcome: Outcome | None = None
    used: Credentials | None = None
    login_refused: LoginRefused | None = None
    named: tuple[Judgement, Judgement | None, frozenset[Target]] | None = None

    @property
    def key(self) -> Key:
        """Of the resource."""
        return Key(self.resource["metadata"]["namespace"], self.resource["metadata"]["name"])

    @property
    def uid(self) -> str:
        """Of the resource."""
        return str(self.resource["metadata"]["uid"])

    def read_again_if_refused(self, seen: Seen) -> None:
        """A refused login may mean that the password was changed: have the Secrets read again at the next look."""
        error = None if seen.read is None else seen.read.broker.failed
        if isinstance(error, LoginRefused) and error is not self.login_refused:  # a session repeats its last error
            self.login_refused = error
            self.parts.credentials.refused()
            self.parts.references.read_again()
