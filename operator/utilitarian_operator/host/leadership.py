"""Which of several operators may write: Lease election by the official library, and a check before each write."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from aiohttp import ClientError
from kubernetes.aio import client
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

from utilitarian_operator.api.names import LEASE
from utilitarian_operator.errors import LeadershipLost

DURATION_S = 15
RENEW_WITHIN_S = 10
RETRY_S = 2


class Leadership:
    """The Lease, from this process' side.

    Args:
        api: client of the API server.
        namespace: of the Lease.
        identity: this process' name, unlike that of any other replica.
    """

    def __init__(self, api: ApiClient, namespace: str, identity: str) -> None:
        self._lock = _PatientLock(LEASE, namespace, identity, api)
        self._election = LeaderElection(
            Config(self._lock, DURATION_S, RENEW_WITHIN_S, RETRY_S, _nothing, onstopped_leading=_nothing)
        )

    def check(self) -> None:
        """Raise unless the Lease is surely still held: no other replica can have taken it before it ran out.

        Raises:
            LeadershipLost: it isn't.
        """
        record = self._election.observed_record
        if record is None:
            raise LeadershipLost(f"the Lease {LEASE} is not held")
        # The clock may have been set back, and the other one stands still while a machine sleeps: the longer counts.
        by_the_clock = time.time() - self._election.observed_time_milliseconds / 1000
        age_s = max(by_the_clock, time.monotonic() - self._lock.renewed_at)
        if record.holder_identity != self._lock.identity:
            raise LeadershipLost(f"the Lease {LEASE} is held by {record.holder_identity or 'nobody'}")
        if age_s >= DURATION_S:
            raise LeadershipLost(f"the Lease {LEASE} was last renewed {age_s:.0f} s ago")

    @contextlib.asynccontextmanager
    async def held(self, stop: asyncio.Event) -> AsyncIterator["asyncio.Task[None] | None"]:
        """Wait for the Lease and renew it meanwhile; given back at the end, so that the next one need not wait.

        Args:
            stop: ends the waiting.

        Yields:
            A task that ends when the Lease is lost; None if it never was held because `stop` came first.
        """
        candidate = asyncio.create_task(self._election.acquire(), name="candidate")
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([candidate, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not candidate.done():
            candidate.cancel()
            yield None
            return
        candidate.result()  # what went wrong with the election itself is this process' own end
        renewal = asyncio.create_task(self._election.renew_loop(), name="lease")
        try:
            yield renewal
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
            with contextlib.suppress(LeadershipLost, ApiException, ClientError, OSError):
                self.check()
                self._election.observed_record = None  # a write that comes late must not pass the check
                await self._lock.give_back()


class _PatientLock(LeaseLock):  # type: ignore[misc]
    """The library's Lease lock, for which an API server that is away is a failed try and not the end.

    `renewed_at` is when the last write that came through was begun (monotonic seconds).
    """

    renewed_at = float("-inf")

    async def get(self, name: str, namespace: str) -> tuple[bool, LeaderElectionRecord | ApiException | None]:
        try:
            found: tuple[bool, LeaderElectionRecord | ApiException | None] = await super().get(name, namespace)
        except (ClientError, TimeoutError, OSError) as error:
            return False, ApiException(status=0, reason=str(error))
        return found

    async def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        # The library's own passes pretty=True, which its client's validation refuses (37.0.1).
        begun = time.monotonic()
        lease = client.V1Lease(metadata=client.V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        try:
            await self.api_instance.create_namespaced_lease(namespace, lease)
        except (ApiException, ClientError, TimeoutError, OSError):
            return False
        self.renewed_at = begun
        return True

    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        begun = time.monotonic()
        try:
            done = bool(await super().update(name, namespace, updated_record))
        except (ClientError, TimeoutError, OSError):
            return False
        self.renewed_at = begun if done else self.renewed_at
        return done

    async def give_back(self) -> None:
        """Leave the Lease without a holder."""
        await self.api_instance.patch_namespaced_lease(
            self.name, self.namespace, {"spec": {"holderIdentity": None}}, _content_type="application/merge-patch+json"
        )


async def _nothing() -> None:
    """The election's callbacks are not used: `held` says when it begins and ends."""
