"""What is kept of one fleet between two looks: its state, as values, and the parts that do requests."""

from collections.abc import Mapping
from dataclasses import dataclass

from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.adapters.cluster.cache import Key
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.look import Seen, Spec, State
from utilitarian_operator.core.plan import Outcome
from utilitarian_operator.core.spec.acceptance import Acceptance, Judgement
from utilitarian_operator.core.spec.references import Content, Target
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


@dataclass(frozen=True, slots=True)
class Undisputed:
    """What is asked for, of a fleet whose newest spec runs and whose queues no other resource names.

    Args:
        resource: that asks for it.
        changes: of claims, until then.
        cluster: what its broker calls itself, if it was heard.
        spec: what is asked for.
        contents: of the Secrets and ConfigMaps that it names.
    """

    resource: Object
    changes: int
    cluster: str | None
    spec: Spec
    contents: Mapping[Target, Content]


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
        undisputed: what was found out at the last look; None where it must be found out again.
    """

    resource: Object
    parts: FleetParts
    acceptance: Acceptance
    state: State
    outcome: Outcome | None = None
    used: Credentials | None = None
    login_refused: LoginRefused | None = None
    named: tuple[Judgement, Judgement | None, frozenset[Target]] | None = None
    undisputed: Undisputed | None = None

    @property
    def key(self) -> Key:
        """Of the resource."""
        return Key(self.resource["metadata"]["namespace"], self.resource["metadata"]["name"])

    @property
    def uid(self) -> str:
        """Of the resource."""
        return str(self.resource["metadata"]["uid"])

    def looked_through(self, seen: Seen) -> None:
        """Have read again at the next look what may be another by now.

        A refused login may mean that the password was changed. A broker that calls itself otherwise is another one.
        """
        broker = None if seen.read is None else seen.read.broker
        if self.undisputed is not None and (broker is None or broker.cluster != self.undisputed.cluster):
            self.undisputed = None
        error = None if broker is None else broker.failed
        if isinstance(error, LoginRefused) and error is not self.login_refused:  # a session repeats its last error
            self.login_refused = error
            self.parts.credentials.refused()
            self.parts.references.read_again()
