"""Which replica of one operator may write: the one that surely holds the Lease, which is checked before each write."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from utilitarian_operator.adapters.broker.timing import CLOCK
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.errors import LeadershipLost, LeaseUnsure
from utilitarian_operator.host.clocks import boot_seconds
from utilitarian_operator.host.lease import Lease, Terms
from utilitarian_operator.host.salt import is_kept

TERMS = Terms(duration_s=6, margin_s=1.0, request_within_s=2.0)
"""Short, because a lapse costs little: nothing is written until the Lease is renewed, and only if another replica took
it meanwhile does this process end."""

RENEWED_EACH_S = 1.0
LOOKED_AT_EACH_S = 0.25
SHORTEST_S = 0.05


class Leadership:
    """The Lease, from this process' side.

    Args:
        cluster: the API server; what is written to it must need no leadership.
        namespace, name: of the Lease; each installed operator has its own.
        instance: this process' name, to be read by people.
        seconds: of a clock that never goes back nor stands still.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        name: str,
        instance: str,
        *,
        seconds: Callable[[], float] = boot_seconds,
        sleep: Callable[[float], Awaitable[None]] = CLOCK.sleep,
    ) -> None:
        # Two processes may have been given one name by mistake, and one that was started again is another one.
        self.identity = f"{instance}_{str(CLOCK.unique())[:8]}"
        what = (cluster, namespace, name, self.identity, TERMS, seconds)
        self._lease = Lease(*what, was_held=partial(is_kept, cluster, namespace))
        self._name, self._sleep = name, sleep

    def check(self) -> float:
        """For how many seconds this process may surely write: a write must be over by then.

        Raises:
            LeadershipLost: it never led, or another replica has led since.
            LeaseUnsure: the Lease was not renewed in time; nothing may be written until it is.
        """
        left_s = self._lease.left_s
        if self._lease.taken == 0:
            raise LeadershipLost(f"the Lease {self._name} is not held")
        if self.lost:
            raise LeadershipLost(f"another replica has had the Lease {self._name}: {self._lease.another or 'unknown'}")
        if left_s <= 0:
            why = self._lease.failure or "it was given back"
            raise LeaseUnsure(f"the Lease {self._name} was not renewed in time: {why}; nothing is written until it is")
        return left_s

    @property
    def lost(self) -> bool:
        """Whether another replica has led since this one did."""
        return self._lease.taken > 1 or (self._lease.taken == 1 and self._lease.another is not None)

    @property
    def unsure(self) -> bool:
        """Whether nothing may be written now."""
        return self._lease.left_s <= 0

    @contextlib.asynccontextmanager
    async def held(
        self, stop: asyncio.Event, goes_on: Callable[[], None] = lambda: None
    ) -> AsyncIterator["asyncio.Task[None] | None"]:
        """Wait for the Lease and renew it meanwhile; given back at the end, so that the next one need not wait.

        Args:
            stop: ends the waiting.
            goes_on: called at each attempt.

        Yields:
            A task that ends when another replica has the Lease; None if it never was held because `stop` came first.
        """
        candidate = asyncio.create_task(self._wait(goes_on), name="candidate")
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([candidate, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not candidate.done():
            candidate.cancel()
            await asyncio.gather(candidate, return_exceptions=True)
            await self._lease.give_back()  # its last request may have taken it
            yield None
            return
        candidate.result()  # what went wrong with the election itself is this process' own end
        self._renewal = asyncio.create_task(self._renew(goes_on), name="lease")
        try:
            yield self._renewal
        finally:
            await self.give_back()

    async def give_back(self) -> None:
        """Let the next replica lead at once; this one may not write any more."""
        await self._lease.give_back()
        self._renewal.cancel()
        await asyncio.gather(self._renewal, return_exceptions=True)

    async def _wait(self, goes_on: Callable[[], None]) -> None:
        while True:
            goes_on()
            await self._lease.attempt()
            if self._lease.left_s > 0:
                return
            await self._sleep(max(min(LOOKED_AT_EACH_S, self._lease.free_in_s), SHORTEST_S))

    async def _renew(self, goes_on: Callable[[], None]) -> None:
        while not self.lost:
            goes_on()
            await self._sleep(RENEWED_EACH_S)
            await self._lease.attempt()
