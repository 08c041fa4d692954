"""Whose fleets these are: in each namespace of fleets one operator holds a Lease, and the others leave it alone."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.names import FLEETS_LEASE
from utilitarian_operator.api.objects import Object
from utilitarian_operator.errors import LeaseUnsure
from utilitarian_operator.host.clocks import boot_seconds
from utilitarian_operator.host.lease import Lease, Terms

logger = logging.getLogger(__name__)

TERMS = Terms(duration_s=60, margin_s=5.0, request_within_s=2.0)
"""Longer than what a leader's end costs: the next replica of the same operator goes on with it."""

RENEWED_EACH_S = 20.0
LOOKED_AT_EACH_S = 1.0
GIVEN_BACK_WITHIN_S = 1.0
AT_ONCE = 10
"""Requests at a time: a thousand namespaces are renewed in their time, and the API server has other clients."""


@dataclass
class _Namespace:
    """One namespace: its Lease, when it was looked at, and to whom it was seen to belong."""

    lease: Lease
    looked_at: float = float("-inf")
    taken_since: float | None = None
    said: str | None = None
    one: asyncio.Lock = field(default_factory=asyncio.Lock)


class Namespaces:
    """The namespaces of fleets that this operator works on.

    Args:
        cluster: the API server; what is written to it must need no leadership.
        operator: this one's name, the same for all its replicas: NAMESPACE/LEASE.
        report: called once for each namespace that is another operator's, with the namespace, that one's name and its
            Lease.
        seconds: of a clock that never goes back nor stands still.
        handed_over_s: a namespace may be another operator's for so long until that is said.
    """

    def __init__(
        self,
        cluster: Cluster,
        operator: str,
        report: Callable[[str, str, Object], Awaitable[None]],
        seconds: Callable[[], float] = boot_seconds,
        handed_over_s: float = 0.0,
    ) -> None:
        self._cluster, self._operator, self._report, self._seconds = cluster, operator, report, seconds
        self._handed_over_s = handed_over_s
        self._known: dict[str, _Namespace] = {}
        self.worked_on: Callable[[str], bool] = lambda _: False
        """Whether an operator has worked on the fleets of a namespace, by what is seen of them: where its Lease is not
        there, it was deleted then, and its holder may work still."""

    @property
    def left_alone(self) -> Mapping[str, str]:
        """The namespaces that are another operator's, and whose."""
        return {name: it.lease.another for name, it in sorted(self._known.items()) if it.lease.another is not None}

    async def ours(self, namespace: str) -> bool:
        """Whether the fleets of a namespace are this operator's; takes it if it is no other's.

        An attempt that is on its way is waited for: a leader's first look would else come a tick later.
        """
        known = self._one(namespace)
        if known.lease.left_s > 0:
            return True
        async with known.one:
            if known.lease.left_s <= 0 and self._seconds() - known.looked_at >= LOOKED_AT_EACH_S:
                await self._attempt(namespace, known)
        return known.lease.left_s > 0

    def check(self, namespace: str) -> float:
        """For how many seconds the fleets of a namespace are surely this operator's.

        Raises:
            LeaseUnsure: they are not.
        """
        lease = self._one(namespace).lease
        if lease.left_s > 0:
            return lease.left_s
        why = f"it is held by {lease.another}" if lease.another else lease.failure or "it was not taken"
        raise LeaseUnsure(f"the Lease {FLEETS_LEASE} of namespace {namespace} is not ours: {why}; nothing is written")

    async def renew(self, wanted: Callable[[], Collection[str]], sleep: Callable[[float], Awaitable[None]]) -> None:
        """Renew those that are wanted, for ever, and give back the others.

        Args:
            wanted: the namespaces that are watched by name, and those that have fleets.
            sleep: waits for so many seconds.
        """
        while True:
            names = set(wanted())
            gone = [self._known.pop(name).lease for name in sorted(self._known.keys() - names)]
            slots = asyncio.Semaphore(AT_ONCE)

            async def one(name: str, slots: asyncio.Semaphore = slots) -> None:
                known = self._one(name)
                async with slots, known.one:
                    try:
                        await self._attempt(name, known)
                    except Exception:  # whatever is wrong with one, the others are renewed
                        logger.exception("the Lease of a namespace not renewed", extra={"namespace": name})

            await asyncio.gather(*(one(name) for name in sorted(names)), *(lease.give_back() for lease in gone))
            await sleep(RENEWED_EACH_S)

    async def leave(self, namespace: str) -> None:
        """Let another operator work on the fleets of a namespace at once; none of its looks may go on."""
        known = self._known.pop(namespace, None)
        if known is not None:
            await known.lease.give_back()

    async def give_back(self) -> None:
        """Leave all to the operator that comes next; a request that takes longer is left to the Lease's end."""
        leases = [it.lease for it in self._known.values()]
        self._known = {}
        if leases:
            returns = [asyncio.create_task(lease.give_back()) for lease in leases]
            await asyncio.wait(returns, timeout=GIVEN_BACK_WITHIN_S)

    def _one(self, namespace: str) -> _Namespace:
        if namespace not in self._known:
            what = (self._cluster, namespace, FLEETS_LEASE, self._operator, TERMS, self._seconds)
            self._known[namespace] = _Namespace(Lease(*what, was_held=partial(self._was_held, namespace)))
        return self._known[namespace]

    async def _was_held(self, namespace: str) -> bool:
        return self.worked_on(namespace)

    async def _attempt(self, name: str, known: _Namespace) -> None:
        if self._known.get(name) is not known:
            return  # it was left while this waited for its turn
        known.looked_at = self._seconds()
        await known.lease.attempt()
        another = known.lease.another
        if another is None:
            known.taken_since = None
        elif known.taken_since is None:
            known.taken_since = known.looked_at
        if another == known.said or not self._is_said_now(known):
            return
        known.said = another
        if another is None:
            logger.info("the fleets of a namespace are this operator's", extra={"namespace": name})
            return
        about = {"namespace": name, "operator": another}
        logger.warning("the fleets of a namespace are another operator's and left alone", extra=about)
        await self._report(name, another, known.lease.live)

    def _is_said_now(self, known: _Namespace) -> bool:
        since = known.taken_since
        return since is None or known.looked_at - since >= self._handed_over_s
