"""Carries out the steps of drains, opens readiness gates, and records the events of both."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.adapters.cluster.cache import PODS, Key, Store
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.adapters.cluster.versions import version
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.draining.plan import DrainPlan, SingleStep
from utilitarian_operator.core.draining.steps import CancelConsumers, MarkDraining, Release, ResumeConsumers, Unmark
from utilitarian_operator.core.draining.workers import OpenGate
from utilitarian_operator.core.labels import CHEAPEST, CONSUMING, DELETION_COST, DRAINING, node_name
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.core.wording import named
from utilitarian_operator.errors import BrokerError, ClusterError
from utilitarian_operator.reconcile.act.writer import ObjectWriter

logger = logging.getLogger(__name__)


CANCEL_GAP_S = 0.1
"""Between the cancels of two workers of one pool. A message that is on its way to the first comes back to a quorum
queue and is with another worker within milliseconds (docs/drain.md): the second cancels when it has it, so none comes
back twice."""


@dataclass
class _Turns:
    """One after the other: whose turn it is, and whether one was taken."""

    one: asyncio.Lock = field(default_factory=asyncio.Lock)
    taken: bool = False


@dataclass(frozen=True)
class Drains:
    """The hands that lead workers out.

    Args:
        cluster: the API server.
        store: gets what a write came to at once.
        writer: tells.
        clock: the one clock.
        sleep: waits for so many seconds.
        may_act: called with a namespace before a worker is asked anything; raises to prevent it, as for a write.
    """

    cluster: Cluster
    store: Store
    writer: ObjectWriter
    clock: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    may_act: Callable[[str], object] = lambda _: None

    async def carry_out(
        self,
        resource: Object,
        drains: Mapping[str, DrainPlan],
        because: Mapping[str, str],
        broker: Broker,
    ) -> None:
        """Do what single pods need and record its events; what fails is seen again at the next look.

        All at once, but the workers of one pool cancel their consumers one after the other.

        Args:
            resource: the fleet's.
            drains: what each pool needs, by pool name.
            because: the sentence behind its number, by pool name.
            broker: that the workers are recorded through.
        """
        key = Key(resource["metadata"]["namespace"], resource["metadata"]["name"])
        todo = [(pool, step) for pool, drain in drains.items() for step in (*drain.gates, *drain.steps)]
        turns: dict[str, _Turns] = defaultdict(_Turns)
        done = await asyncio.gather(
            *(
                self._in_turn(turns[pool], key, step, broker)
                if isinstance(step, CancelConsumers)
                else self._done(key, step, broker)
                for pool, step in todo
            )
        )
        for kind, reason, what in ((MarkDraining, Reason.DRAINING, "drain"), (Unmark, Reason.TAKEN_BACK, "work again")):
            for pool in drains:
                found = zip(todo, done, strict=True)
                pods = [it.pod for (of, it), well in found if of == pool and well and isinstance(it, kind)]
                if pods:
                    await self.writer.record_event(
                        resource, reason, f"pool {pool}: {named(pods)} {what}: {because[pool]}"
                    )

    async def _in_turn(self, turns: _Turns, key: Key, step: SingleStep, broker: Broker) -> bool:
        async with turns.one:
            if turns.taken:
                await self.sleep(CANCEL_GAP_S)
            turns.taken = True
            return await self._done(key, step, broker)

    async def _done(self, key: Key, step: SingleStep, broker: Broker) -> bool:
        pod = self.store.children(PODS, key).get(step.pod)
        if pod is None:
            return False
        try:
            self.may_act(key.namespace)
            await self._carry_out(pod, step, broker)
        except (ClusterError, BrokerError) as error:
            about = {"fleet": str(key), "pod": f"{key.namespace}/{step.pod}", "step": type(step).__name__}
            logger.info("step of a drain put off", extra={**about, "because": str(error)})
            return False
        return True

    async def _carry_out(self, pod: Object, step: SingleStep, broker: Broker) -> None:
        node = node_name(pod["metadata"]["name"])
        match step:
            case OpenGate():
                await self._set_gate(pod, "True", "Consumes", "the worker consumes its queues, or leaves later")
            case MarkDraining():
                await self._annotate(pod, {DRAINING: timestamp(self.clock())})
            case CancelConsumers(_, queues):
                await broker.cancel_consumers(node, queues)
            case ResumeConsumers(_, queues):
                await broker.add_consumers(node, queues)
            case Release():
                # The cost first: who counts one ready pod less has seen both.
                await self._annotate(pod, {DELETION_COST: CHEAPEST})
                await self._set_gate(pod, "False", "Drained", "the worker holds nothing and takes nothing more")
            case Unmark(_, queues):
                # Said once more: a cancel of an operator that has ended since may have come after the last word.
                await broker.add_consumers(node, queues)
                await self._set_gate(pod, "True", "Consumes", "the worker was taken back and consumes its queues")
                await self._annotate(pod, {DRAINING: None, DELETION_COST: None})

    async def _annotate(self, pod: Object, annotations: Mapping[str, str | None]) -> None:
        await self._patch(pod, {"metadata": {"annotations": dict(annotations)}})

    async def _set_gate(self, pod: Object, status: str, reason: str, message: str) -> None:
        if {"conditionType": CONSUMING} not in (pod["spec"].get("readinessGates") or []):
            return  # of a template from before the gate: its readiness is the kubelet's alone
        condition = {
            "type": CONSUMING,
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": timestamp(self.clock()),
        }
        await self._patch(pod, {"status": {"conditions": [condition]}}, "status")

    async def _patch(self, pod: Object, change: Object, subresource: str = "") -> None:
        answer = await self.cluster.patch({"kind": "Pod", **pod}, change, subresource)
        self.store.answered(PODS, answer, seen=version(pod))
