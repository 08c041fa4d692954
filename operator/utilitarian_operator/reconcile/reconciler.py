"""Read, decide, act for one resource: level-based, read anew each time."""

import logging
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import partial

from utilitarian_operator.adapters.broker.bounded.brokers import Brokers
from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.adapters.cluster.cache import Key, Store
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.adapters.spans import UNTRACED, Attributes, Spans
from utilitarian_operator.api.names import beat_object
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.patience import PATIENCE, Patience
from utilitarian_operator.api.validation.pod_security import BASELINE, Allowances
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.engine import settled, step
from utilitarian_operator.core.look import Seen, Spec, State, unrecorded
from utilitarian_operator.core.plan import Outcome, Plan
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.errors import Conflict, Gone, OperatorError
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile.act.drains import Drains
from utilitarian_operator.reconcile.act.plan_executor import PlanExecutor
from utilitarian_operator.reconcile.fleet_state import FleetState
from utilitarian_operator.reconcile.fleets import Fleets

logger = logging.getLogger(__name__)


class Reconciler:
    """One operator's work on all its fleets.

    Args:
        cluster: the API server.
        store: what the watches said.
        brokers: the sessions in use.
        drains: carries out the steps of drains, with the writer that carries out all the rest.
        metrics: the one writer.
        clock: the one clock, UTC.
        monotonic: seconds of a clock that never goes back.
        patience: how long symptoms must last.
        allowances: what pods may ask for beyond the Pod Security baseline.
        salt: of the checksums of Secrets; None where there is none, empty where it can't be read yet.
        spans: of traces.
    """

    def __init__(  # noqa: PLR0913 - the parts of an operator, and how patient it is
        self,
        cluster: Cluster,
        store: Store,
        brokers: Brokers,
        drains: Drains,
        metrics: Metrics,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        patience: Patience = PATIENCE,
        allowances: Allowances = BASELINE,
        salt: str | None = None,
        spans: Spans = UNTRACED,
    ) -> None:
        self._salt, self._store, self._spans = salt, store, spans
        self._fleets = Fleets(cluster, store, brokers, clock, monotonic, self._forgotten, patience, allowances)
        self._executor = PlanExecutor(cluster, store, drains, drains.writer, metrics, clock)
        self._writer, self._metrics, self._clock, self._monotonic = drains.writer, metrics, clock, monotonic
        self._acting: set[Key] = set()

    async def reconcile(self, key: Key) -> bool:
        """Bring one fleet to what it should be; False asks to be called again after a pause."""
        resource = self._fleets.present(key)
        if resource is None:
            await self._fleets.forget(key)
            self._metrics.forget(key)  # also what no look had come to know
            self._writer.scaling.forget(key)
            return True
        started = self._monotonic()
        try:
            with self._metrics.look(key):
                again = await self._look(key, resource)
                fresh = self._fleets.present(key) if again else None
                if fresh is not None:  # what was refused comes into status at once
                    await self._look(key, fresh)
        except (Conflict, Gone) as error:
            logger.info("changed meanwhile", extra={"fleet": str(key), "because": str(error)})
        except OperatorError as error:
            self._metrics.process.failed(error)
            logger.warning("not reconciled", extra={"fleet": str(key), "because": str(error)})
            return False
        except Exception as error:
            self._metrics.process.failed(error)
            raise
        self._metrics.ticked(key, timedelta(seconds=self._monotonic() - started))
        return True

    def acts(self, key: Key) -> bool:
        """Whether a look at a fleet has come so far that it may have sent what changes something."""
        return key in self._acting

    @property
    def has_salt(self) -> bool:
        """Whether it knows the salt of checksums, or needs none."""
        return self._salt != ""

    def salted(self, salt: str) -> None:
        """The salt could be read at last."""
        self._salt = salt

    @property
    def kept(self) -> Collection[Key]:
        """The fleets of which anything is kept; one of them may be gone."""
        return {*self._fleets.kept, *(Key(*it) for it in self._metrics.fleets)}

    def has_gone(self, key: Key) -> bool:
        """Whether there is no such resource any more."""
        return self._fleets.present(key) is None

    async def leave(self, key: Key) -> None:
        """Keep nothing more of a fleet that is another operator's, or gone."""
        await self._fleets.leave(key)
        self._writer.scaling.forget(key)
        if key in self._metrics.fleets:
            self._metrics.forget(key)
            self._executor.decision_log.forget(key)

    async def _look(self, key: Key, resource: Object) -> bool:
        """One look; returns whether another must follow at once."""
        with self._spans("look", {"k8s.namespace.name": key.namespace, "utilitarian.fleet": key.name}) as span:
            with self._spans("observe"):
                known = await self._fleets.known(key, resource)
                await self._writer.scaling.find_out(key)
                spec, seen, broker = await self._read(known, resource)
            if self._store.has_left(resource):  # what is of the same moment as the objects that go with it
                return False
            before = known.state
            with self._spans("decide"):
                plan, known.state = step(spec, seen, before, self._clock())
            span.tell(partial(_told, plan))
            self._acting.add(key)
            try:
                with self._spans("act"):
                    outcome = await self._executor.carry_out(resource, plan, broker, known.parts.revisions)
            finally:
                self._acting.discard(key)
            known.outcome = outcome
            return _kept(known, before, seen, plan, outcome)

    async def _read(self, known: FleetState, resource: Object) -> tuple[Spec, Seen, Broker | None]:
        spec, contents = await self._fleets.spec(known)
        if spec.running is None or spec.running.fleet is None:
            return spec, Seen(resource, outcome=known.outcome), None
        fleet = spec.running.fleet
        broker, spec = await self._fleets.broker(known, fleet, spec)
        seen = await known.parts.reader.look(resource, fleet, broker, known.state, contents, known.outcome)
        known.looked_through(seen)
        return spec, changed(seen, salt=self._salt, unread=known.parts.references.refused), broker

    async def _forgotten(self, known: FleetState) -> None:
        self._metrics.forget(known.key)
        self._executor.decision_log.forget(known.key)
        if settled(known.state, known.outcome).claimed:
            kept = f"PersistentVolumeClaim {beat_object(known.key.name)} is kept: it says when each task was last run"
            await self._writer.record_event(known.resource, Reason.CLAIM_KEPT, f"{kept}; delete it by hand")


def _told(plan: Plan) -> Attributes:
    """What a trace tells of a look: how many pools there are, and how many of them were to change."""
    numbers = {"scaled": len(plan.scales), "objects": len(plan.objects), "drained": len(plan.drains)}
    if plan.figures is not None:
        decisions = plan.figures.decisions.values()
        numbers |= {"pools": len(decisions), "awake": sum(it.replicas > 0 for it in decisions)}
    return {f"utilitarian.{name}": value for name, value in numbers.items()} | {
        "utilitarian.same": plan.same is not None
    }


def _kept(known: FleetState, before: State, seen: Seen, plan: Plan, outcome: Outcome) -> bool:
    """Keep what became of a plan; returns whether another look must follow at once."""
    if outcome.recorded:
        known.parts.reader.recorded()
    else:
        known.state = unrecorded(known.state, settled(before, seen.outcome))
    if outcome.failed is not None:
        raise outcome.failed
    return outcome.overtakes(plan)
