"""One Lease: taken, renewed and given back by one request each, and until when it is surely held."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.errors import ClusterError, Conflict, Gone
from utilitarian_operator.host.clocks import boot_seconds, utc_now

logger = logging.getLogger(__name__)

LONGEST_S = 120
"""Seconds that another holder's Lease is waited out at most, whatever it says of itself."""

LONGEST_NAME = 200
"""Characters that are shown of another holder: the API server has no bound for it but that of an object."""

MOST_TRANSITIONS = 2**31 - 1
"""The API server takes no larger number: who wrote that one could else keep a Lease from all for ever."""

MOST_WRITTEN = 10
"""Writes that a Lease is known by as this process': more are not tried before it has run out."""

_DELETED = "deleted"
"""In the place of a version."""


async def never() -> bool:
    """Nothing is known of a holder."""
    return False


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a Lease lasts.

    Args:
        duration_s: others take it when it was not renewed for so long; whole seconds, as the API server keeps it.
        margin_s: its holder stops to write so much earlier: clocks don't run equally fast, and a write takes a while.
        request_within_s: a request for it is given up after that.
    """

    duration_s: int
    margin_s: float
    request_within_s: float


class Lease:
    """One Lease, from the side of one who wants it.

    The holder counts from before its request was sent; others count from after they saw it, each by the own clock. So
    whatever a request takes, the holder stops before another one begins.

    Args:
        cluster: the API server.
        namespace, name: of the Lease.
        holder: who wants it, unlike all others.
        terms: how long it lasts.
        seconds: of a clock that never goes back nor stands still.
        was_held: whether there was a holder, as far as is known from elsewhere: if it is not there, it was deleted.
    """

    def __init__(  # noqa: PLR0913 - which Lease, whose, and what tells of it
        self,
        cluster: Cluster,
        namespace: str,
        name: str,
        holder: str,
        terms: Terms,
        seconds: Callable[[], float] = boot_seconds,
        was_held: Callable[[], Awaitable[bool]] = never,
    ) -> None:
        self._cluster, self._terms, self._seconds, self._was_held = cluster, terms, seconds, was_held
        self._namespace, self._name, self._holder = namespace, name, holder
        self._one = asyncio.Lock()  # a request that is on its way is waited for: its answer has the Lease's version
        self._live: Object | None = None
        self._until = float("-inf")
        self._seen: tuple[str, float] = ("", 0.0)
        self._theirs_s = terms.duration_s
        self._transitions: object = None
        self._written: deque[object] = deque(maxlen=MOST_WRITTEN)
        self.taken = 0
        """How often it became this one's, which is not counted anew when it is renewed."""
        self.another: str | None = None
        """Who else has it, as was seen last."""
        self.failure: str | None = None
        """What came of the last request, if it failed."""

    @property
    def left_s(self) -> float:
        """For how many seconds it is surely held still; zero or less: it is not."""
        return self._until - self._seconds()

    @property
    def free_in_s(self) -> float:
        """In how many seconds it may be taken, if its holder doesn't renew it; infinite where none is known."""
        version, since = self._seen
        if not version or self._live is None:
            return float("inf")
        return since + self._theirs_s - self._seconds()

    @property
    def live(self) -> Object:
        """The Lease as it was seen last; with nothing in it where it was not."""
        return self._live or {}

    async def attempt(self) -> None:
        """Take or renew it, if it may be; a failure changes nothing of what is held, and the next one reads anew."""
        try:
            async with self._one, asyncio.timeout(self._terms.request_within_s):
                try:
                    await self._attempt(self._seconds())
                except (Conflict, Gone):  # it was written meanwhile, or deleted: given back, say, by one who ends
                    self._live = None
                    await self._attempt(self._seconds())
            self.failure = None
        except (ClusterError, TimeoutError) as error:
            self._live = None
            self.failure = str(error) or f"no answer within {self._terms.request_within_s:g} s"
            logger.debug("lease not renewed", extra={"lease": f"{self._namespace}/{self._name}", "because": str(error)})

    async def give_back(self) -> None:
        """Leave it without a holder, unless another one has written it meanwhile; it is not held from now on."""
        try:
            async with self._one, asyncio.timeout(self._terms.request_within_s):
                held, self._until = self.left_s > 0, float("-inf")
                live, self._live = self._live, None
                if held and live is None:
                    live = await self._found()
                if held and live is not None:
                    await self._cluster.patch(live, _at(live, {"holderIdentity": None}))
        except (ClusterError, TimeoutError) as error:
            where = f"{self._namespace}/{self._name}"
            logger.info("lease not given back", extra={"lease": where, "because": str(error)})

    async def _found(self) -> Object | None:
        """The Lease, where it is as this process wrote it: the last renewal failed, or its answer was lost.

        Another replica may have written the same holder, but not at the same moment.
        """
        live = await self._cluster.read("Lease", self._namespace, self._name)
        spec = _spec_of(live)
        ours = spec.get("holderIdentity") == self._holder and spec.get("renewTime") in self._written
        return live if ours else None

    async def _attempt(self, begun: float) -> None:
        live = self._live if self.left_s > 0 else None
        if live is None:
            try:
                live = await self._cluster.read("Lease", self._namespace, self._name)
            except Gone:
                # Who deletes it doesn't stop its holder, which may have renewed it just before.
                if not await self._may_be_held() or self._silent(_DELETED):
                    self._holds(await self._cluster.create(self._manifest()), begun)
                return
        holder = _spec_of(live).get("holderIdentity") or ""
        if holder in {"", self._holder}:
            self._holds(await self._cluster.patch(live, _at(live, self._spec(live))), begun, holder)
            return
        self._live, self._until, self.another = live, float("-inf"), _shown(holder)
        self._theirs_s = _duration_s(live)
        if self._silent(live["metadata"]["resourceVersion"]):
            self._holds(await self._cluster.patch(live, _at(live, self._spec(live))), begun)

    async def _may_be_held(self) -> bool:
        """Whether another one may hold a Lease that is not there: it was seen to, or this one has seen none lately."""
        return self.another is not None or (self.left_s <= 0 and await self._was_held())

    def _silent(self, version: str) -> bool:
        """Whether another holder, of which this version was seen, has been silent for as long as it holds the Lease."""
        seen, since = self._seen
        if version != seen:
            self._seen = version, self._seconds()  # after the answer: it may have been renewed just before
            return False
        return self._seconds() - since >= self._theirs_s

    def _holds(self, live: Object, begun: float, holder: str = "") -> None:
        # The answer of the request that took it may have been lost, and another one may have led before that: the
        # number in the Lease tells both.
        transitions = _spec_of(live).get("leaseTransitions")
        self.taken += holder != self._holder or not self.taken or transitions != self._transitions
        self._transitions = transitions
        self._live, self.another, self._seen = live, None, ("", 0.0)
        self._until = begun + self._terms.duration_s - self._terms.margin_s

    def _manifest(self) -> Object:
        metadata = {"name": self._name, "namespace": self._namespace}
        spec = self._spec({"spec": {}})
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}

    def _spec(self, live: ReadOnlyObject) -> Object:
        # What people read in the Lease; nothing is decided by it.
        now = utc_now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._written.append(now)
        before = _spec_of(live)
        spec = {"holderIdentity": self._holder, "leaseDurationSeconds": self._terms.duration_s, "renewTime": now}
        if before.get("holderIdentity") == self._holder:
            return spec
        count = int(before.get("leaseTransitions") or 0) + 1
        return spec | {"acquireTime": now, "leaseTransitions": count if count <= MOST_TRANSITIONS else 1}


def _at(live: ReadOnlyObject, spec: ReadOnlyObject) -> Object:
    """A change that is refused if the Lease has changed since."""
    return {"metadata": {"resourceVersion": live["metadata"]["resourceVersion"]}, "spec": spec}


def _duration_s(live: ReadOnlyObject) -> int:
    said = _spec_of(live).get("leaseDurationSeconds")
    return min(said, LONGEST_S) if isinstance(said, int) and said > 0 else LONGEST_S


def _spec_of(live: ReadOnlyObject) -> ReadOnlyObject:
    """What the Lease says; one may have been made with nothing in it."""
    spec: ReadOnlyObject = live.get("spec") or {}
    return spec


def _shown(holder: str) -> str:
    """A holder's name in one line that is not too long."""
    line = "".join(it if it.isprintable() else "\N{REPLACEMENT CHARACTER}" for it in holder[:LONGEST_NAME])
    return line if len(holder) <= LONGEST_NAME else f"{line}…"
