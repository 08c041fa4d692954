"""What is asked before each write: that this replica leads, and that the namespace's fleets are this operator's."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from utilitarian_operator.adapters.broker.timing import CLOCK
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.errors import ClusterError
from utilitarian_operator.host.clocks import boot_seconds, utc_now
from utilitarian_operator.host.leadership import Leadership
from utilitarian_operator.host.namespaces import Namespaces
from utilitarian_operator.reconcile.act.events import event

logger = logging.getLogger(__name__)


class Fences:
    """Both Leases of one operator process.

    Args:
        cluster: the API server; what is written to it by this class needs no leadership.
        namespace, lease: of the Lease that its replicas share.
        instance: this process' name, to be read by people.
        seconds: of a clock that never goes back nor stands still.
        handed_over_s: another operator may have a namespace for so long until that is said.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        lease: str,
        instance: str,
        seconds: Callable[[], float] = boot_seconds,
        handed_over_s: float = 0.0,
    ) -> None:
        self.cluster, self._instance, self._operator = cluster, instance, f"{namespace}/{lease}"
        self.leadership = Leadership(cluster, namespace, lease, instance, seconds=seconds)
        self.namespaces = Namespaces(cluster, self._operator, self._report, seconds, handed_over_s)

    def may_write(self, namespace: str) -> float:
        """Within how many seconds a write to the fleets of a namespace must be over.

        Raises:
            LeadershipLost: another replica has led since this one did.
            LeaseUnsure: this can't be known now, or the namespace is another operator's.
        """
        return min(self.leadership.check(), self.namespaces.check(namespace))

    def notes(self) -> list[str]:
        """What this operator leaves alone, a sentence each."""
        return [
            f"the fleets of namespace {name} are left alone: {another} works on them"
            for name, another in self.namespaces.left_alone.items()
        ]

    async def give_back(self) -> None:
        """Let the next one work at once."""
        await self.leadership.give_back()
        await self.namespaces.give_back()

    async def _report(self, namespace: str, another: str, lease: Object) -> None:
        note = (
            f"the fleets of namespace {namespace} are worked on by the operator {another}; the operator "
            f"{self._operator} watches them, too, and leaves them alone: give one of both other watchNamespaces, or "
            "another namespaceSelector"
        )
        await self.record(
            {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **lease}, Reason.NAMESPACE_TAKEN, note
        )

    async def record(self, about: Object, reason: Reason, note: str) -> None:
        """Record an event in a namespace that is not this operator's; what comes of it is logged."""
        try:
            async with asyncio.timeout(2.0):
                made = partial(event, instance=self._instance, now=utc_now(), unique=CLOCK.unique())
                await self.cluster.create(made(about, reason, note))
        except (ClusterError, TimeoutError, KeyError) as error:
            where = {"namespace": about["metadata"]["namespace"], "reason": str(reason)}
            logger.warning("event not recorded", extra={**where, "because": str(error)})
