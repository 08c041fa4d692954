"""Carries out a plan, one request an action, and says what became of it."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.adapters.cluster.cache import FLEETS, PODS, Key, Store
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.moments import apart
from utilitarian_operator.core.objects.refusals import Refusal, scaling
from utilitarian_operator.core.objects.shared_parts import sharing
from utilitarian_operator.core.objects.wanted import Wanted
from utilitarian_operator.core.plan import Figures, Outcome, Plan, Scale
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.core.sizing import decision_record
from utilitarian_operator.core.status.change import Written
from utilitarian_operator.core.status.recall import well_formed
from utilitarian_operator.errors import Conflict, Gone, OperatorError, Rejected
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.reconcile.act.accepted_specs import Revisions
from utilitarian_operator.reconcile.act.decision_log import DecisionLog
from utilitarian_operator.reconcile.act.drains import Drains
from utilitarian_operator.reconcile.act.eviction_guard import guard
from utilitarian_operator.reconcile.act.writer import ObjectWriter

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlanExecutor:
    """Hands of the operator, for whole plans.

    Args:
        cluster: the API server.
        store: gets what a write came to at once.
        drains: carries out the steps of drains.
        writer: sends scale requests, makes objects and records events.
        metrics: the one writer.
        clock: the one clock.
        decision_log: says decisions that are others than before.
    """

    cluster: Cluster
    store: Store
    drains: Drains
    writer: ObjectWriter
    metrics: Metrics
    clock: Callable[[], datetime]
    decision_log: DecisionLog = field(default_factory=DecisionLog)

    async def carry_out(self, resource: Object, plan: Plan, broker: Broker | None, revisions: Revisions) -> Outcome:
        """Carry out a plan in its order; what fails ends it, and the outcome says so.

        Args:
            resource: the fleet's.
            plan: what is to happen.
            broker: by which workers are reached; None where none runs.
            revisions: where accepted specs are kept.
        """
        one = _OnePlan(self, resource, plan, Outcome(self.clock()))
        try:
            await one.carry_out(broker, revisions)
        except OperatorError as error:
            return changed(one.outcome, failed=error)
        return one.outcome


@dataclass
class _OnePlan:
    """One plan that is being carried out, and what became of it so far."""

    by: PlanExecutor
    resource: Object
    plan: Plan
    outcome: Outcome

    @property
    def key(self) -> Key:
        return Key(self.resource["metadata"]["namespace"], self.resource["metadata"]["name"])

    async def carry_out(self, broker: Broker | None, revisions: Revisions) -> None:
        by, plan = self.by, self.plan
        if plan.same is not None:  # there is nothing to do
            by.metrics.same(self.key, plan.same)
            await by.writer.catch_up(self.key)
            self.outcome = changed(self.outcome, recorded=True)
            return
        if broker is not None and plan.questions is not None:
            broker.ask(self.key, plan.questions)
        if plan.conditions:
            by.metrics.conditions(self.key, plan.conditions)
        if plan.figures is not None:
            self._show(plan.figures)
        await self._scale()
        await self._repair_beat()
        await self._make_objects()
        await guard(by.cluster, by.store, self.key, plan.guards)
        if broker is not None:
            await by.drains.carry_out(self.resource, plan.drains, plan.because, broker)
        if plan.figures is not None:
            self._count(plan.figures)
        for event in plan.events:
            await by.writer.record_event(self.resource, event.reason, event.note)
        await by.writer.catch_up(self.key)
        self.outcome = changed(self.outcome, recorded=True)
        if plan.replacements:
            await by.writer.replace(self.resource, plan.replacements)
            self.outcome = changed(self.outcome, replaced=plan.replacements)
        if plan.keep is not None:
            keep = plan.keep
            await revisions.keep(keep.generation, keep.spec, makes_objects=keep.makes_objects)
        await self._write_status()

    def _show(self, figures: Figures) -> None:
        if logger.isEnabledFor(logging.DEBUG):
            # What `simulation.replay` reads: a record of what was seen and decided, to be played again.
            look = decision_record.to_text(figures.context, figures.facts, figures.decisions)
            logger.debug("decided", extra={"fleet": str(self.key), "look": look})
        self.by.decision_log.decided(self.key, figures.decisions)
        metrics, fleet = self.by.metrics, figures.fleet
        learned = figures.runs.memories
        metrics.looked(self.key, figures.snapshot, figures.decisions, figures.findings, fleet.mode, learned)
        metrics.runs.watched(self.key, fleet, figures.runs)
        metrics.flow.looked(self.key, figures)

    async def _scale(self) -> None:
        if not self.plan.scales:
            return
        scales = {it.pool: it for it in self.plan.scales}
        steps = {pool: (it.step, it.because) for pool, it in scales.items()}
        went, refused = await self.by.writer.scale(self.resource, steps)
        accepted = [scales[pool] for pool in went]
        self._tried([*(scaling(it.step) for it in accepted), *(it.wanted for it in refused)], refused)
        self.outcome = changed(self.outcome, scaled=tuple(accepted))
        for it in accepted:
            self._count_scaled(it)

    def _count_scaled(self, it: Scale) -> None:
        metrics, now, figures = self.by.metrics, self.by.clock(), self.plan.figures
        if it.waiting_since is not None:
            metrics.woke(self.key, it.pool, apart(now, it.waiting_since))
        seen = None if figures is None else figures.snapshot.pools.get(it.pool)
        if it.pending is not None and seen is not None:
            metrics.flow.drained(self.key, it.pool, [pod for pod in seen.pods if pod.name in it.pending.going], now)

    async def _repair_beat(self) -> None:
        repairs, record_event = self.plan.beat, self.by.writer.record_event
        if repairs.scaled_back:
            await record_event(self.resource, Reason.BEAT_SCALED_BACK, repairs.scaled_back)
        if repairs.replace is None:
            return
        pod = dict(repairs.replace.pod)
        try:
            await self.by.cluster.delete({"kind": "Pod", **pod})
        except (Conflict, Gone):
            return
        except Rejected as error:
            await self.by.writer.not_replaced(self.resource, f"pod {pod['metadata']['name']}", error)
            return
        self.by.store.see(PODS, pod, deleted=True)
        await record_event(self.resource, Reason.BEAT_REPLACED, repairs.replace.note)

    async def _make_objects(self) -> None:
        writer, plan = self.by.writer, self.plan
        if plan.objects:
            answers = await writer.carry_out(self.resource, plan.objects)
            self._tried(answers.tried, answers.refused)
            self.outcome = changed(self.outcome, applied=answers.applied, missed=answers.missed)
        self._tried(*await writer.remove(self.resource, plan.deletions))

    def _tried(self, tried: Iterable[Wanted], refused: Iterable[Refusal]) -> None:
        before = self.outcome
        self.outcome = changed(before, tried=(*before.tried, *tried), refused=(*before.refused, *refused))

    def _count(self, figures: Figures) -> None:
        metrics = self.by.metrics
        for pool in figures.slow.values():
            metrics.drained_slowly(self.key, pool)
        for pool, pods in figures.wrong_victims.items():
            metrics.wrong_victims(self.key, pool, len(pods))
        for pool, number in figures.dropped.items():
            metrics.dropped(self.key, pool, number)
        for pool, cause in figures.losses:
            metrics.lost(self.key, pool, cause)

    async def _write_status(self) -> None:
        """Write the status, unless what was refused is not in it: the look that follows at once writes that."""
        status = self.plan.status
        if status is None or self.outcome.overtakes(self.plan) or self.by.store.has_left(self.resource):
            return
        try:
            stored = await self.by.cluster.patch(self.resource, {"status": status.patch}, "status")
        except Gone:
            self.by.store.see(FLEETS, self.resource, deleted=True)  # which no watch has told
            raise
        self.by.store.see(FLEETS, stored)
        there = well_formed(stored.get("status"))
        written = Written(sharing(status.wanted, there), there, self.by.clock())
        self.outcome = changed(self.outcome, written=written)
