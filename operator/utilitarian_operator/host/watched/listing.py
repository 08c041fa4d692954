"""Lists what is watched: at the start, now and then because watches miss that something vanished, and what is new."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

from utilitarian_operator.adapters.broker.timing import CLOCK
from utilitarian_operator.adapters.cluster.cache import CHILD_SELECTOR, FLEETS, Key, Store
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.adapters.cluster.sieve import Sieve
from utilitarian_operator.adapters.cluster.versions import version
from utilitarian_operator.api.objects import Object
from utilitarian_operator.errors import ClusterError, HistoryWentBack, Rejected
from utilitarian_operator.host.health import History, ProcessHealth, WatchProgress
from utilitarian_operator.host.kopf_host import WATCHED
from utilitarian_operator.host.settings import Settings
from utilitarian_operator.host.watched.chosen import NAMESPACES, Choice, Chosen
from utilitarian_operator.host.workqueue import WorkQueue

logger = logging.getLogger(__name__)

RETRY_S = 2.0
FOUND_WITHIN_S = 1.0
"""Between two looks for namespaces that were chosen; it costs a request only where there is one."""

LISTED_AGAIN_S = 30.0
"""Two full lists are no closer to each other, however often watches begin anew."""

LISTED_IN_DOUBT_S = 5.0
"""The same, while the API server may have an earlier state than was seen: what is decided from that is wrong."""


@dataclass
class Listing:
    """Lists all that is watched: a watch may miss that something vanished.

    Args:
        cluster: the API server.
        store: given all that is listed.
        settings: of the process.
        watches: told what is listed.
        chosen: the namespaces that are chosen by their labels; None where they are not.
        blind: those of the watched namespaces that may not be listed: nothing is decided there.
        history: of what was seen and listed.
        anew: set where a watch began anew, so that all is listed soon.
    """

    cluster: Cluster
    store: Store
    settings: Settings
    watches: WatchProgress
    chosen: Chosen | None = None
    blind: set[str] = field(default_factory=set)
    history: History = field(default_factory=History)
    anew: asyncio.Event = field(default_factory=asyncio.Event)
    _in_doubt: asyncio.Event = field(default_factory=asyncio.Event)
    _looks: Counter[str] = field(default_factory=Counter)
    """How many looks go on in each namespace."""

    _looked_in: set[Choice] = field(default_factory=set)
    """The namespaces that were chosen since the last list, and whose fleets are known."""

    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    """A list of everything began before a namespace was chosen, and would take what is listed of it for vanished."""

    def __post_init__(self) -> None:
        """What the store can't believe is looked at here."""
        self.store.doubted = self.doubt

    async def first(self, health_of_process: ProcessHealth, stop: asyncio.Event) -> None:
        """Know everything before anything is decided; tries until the API server answers."""
        while not stop.is_set():
            try:
                await self._list(lambda: health_of_process.goes_on("first list"))
            except ClusterError as error:
                logger.warning("waiting for the API server and the CRD", extra={"because": str(error)})
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_S):
                        await stop.wait()
            else:
                health_of_process.ended("first list")
                return

    async def again(self, queue: WorkQueue[Key]) -> None:
        """List everything now and then, soon after a watch began anew, and at once in doubt; raises HistoryWentBack."""
        while True:
            await self._until_due()
            try:
                for key in await self._list(told=self.watches.listed):
                    queue.add(key)
            except HistoryWentBack:
                raise
            except ClusterError as error:
                logger.warning("not resynced", extra={"because": str(error)})
            if self.history.doubtful:
                self.doubt()  # to be sure

    def doubt(self) -> None:
        """The API server may have an earlier state than was seen, so that a list is due."""
        self._in_doubt.set()
        self.anew.set()

    async def _until_due(self) -> None:
        each_s = self.settings.resync.total_seconds()
        soon_s, at_once_s = min(LISTED_AGAIN_S, each_s), min(LISTED_IN_DOUBT_S, LISTED_AGAIN_S, each_s)
        await CLOCK.sleep(at_once_s)
        if not await _is_set(self._in_doubt, soon_s - at_once_s):
            await _is_set(self.anew, each_s - soon_s)
        self._in_doubt.clear()
        self.anew.clear()

    def seen(
        self, look: Callable[[Key], Awaitable[bool]], leave: Callable[[Key], Awaitable[object]]
    ) -> Callable[[Key], Awaitable[bool]]:
        """The same look, but at no fleet of which a part alone may be known, or what is so no longer.

        One whose namespace gave way, or is chosen no more, is left, so that nothing more is kept of it.
        """

        async def if_seen(key: Key) -> bool:
            namespace = key.namespace
            if self._is_leaving(namespace):
                return True  # the next tick asks again
            if namespace in self.store.room.aside or namespace not in self.store.chosen:
                await leave(key)
                return True
            if namespace in self.blind or self.history.doubtful:
                return True
            with self._looking(namespace):
                return await look(key)

        return if_seen

    def _is_leaving(self, namespace: str) -> bool:
        """Whether a namespace is chosen no more, and looks go on there; else what is kept of such a one is dropped."""
        if self.chosen is None or namespace not in self.chosen.leaving:
            return False
        if not self._looks[namespace]:
            self.chosen.release(namespace)
            self.store.drop(namespace)
        return namespace in self.chosen.leaving

    @contextlib.contextmanager
    def _looking(self, namespace: str) -> Iterator[None]:
        self._looks[namespace] += 1
        try:
            yield
        finally:
            self._looks[namespace] -= 1
            if not self._looks[namespace]:
                del self._looks[namespace]

    async def find_fleets(self, queue: WorkQueue[Key]) -> None:
        """Look for the fleets of namespaces that were chosen since the last list, for ever.

        Before that nothing was kept of them, and who looks at a fleet must know its name.
        """
        while True:
            await CLOCK.sleep(FOUND_WITHIN_S)
            for key in await self.found():
                queue.add(key)

    async def found(self) -> list[Key]:
        """The fleets of namespaces that were chosen since this was asked last, and since the last list."""
        fleets: list[Key] = []
        unlisted = set() if self.chosen is None else self.chosen.unlisted_since
        self._looked_in &= unlisted
        for namespace, turn in sorted(unlisted - self._looked_in):
            try:
                items, _ = await self.cluster.kept_items(FLEETS, namespace, "", lambda it: it)
            except ClusterError as error:
                logger.warning("not listed", extra={"namespace": namespace, "because": str(error)})
                continue
            self._looked_in.add((namespace, turn))
            fleets += [key for body in items if (key := self.store.see(FLEETS, body)) is not None]
        return fleets

    async def newly_chosen(self, namespace: str) -> None:
        """List a namespace that was chosen since the last list: what was there before is not known.

        It is called when no other operator writes there any more, so what that one did last is listed, too.
        """
        if self.chosen is None or namespace not in self.chosen.unlisted:
            return
        async with self._one:
            if namespace not in self.chosen.unlisted:
                return
            for plural in WATCHED:
                selector = "" if plural == FLEETS else CHILD_SELECTOR
                found, at = await self.cluster.kept_items(plural, namespace, selector, lambda it: it)
                self.store.replace_in(namespace, plural, found, at)
            self.chosen.unlisted.discard(namespace)

    async def _list(
        self, goes_on: Callable[[], None] = lambda: None, told: Callable[[str, int], None] = lambda *_: None
    ) -> set[Key]:
        async with self._one:
            unlisted = await self._list_chosen()
            seen = {plural: self.store.newest(plural) for plural in WATCHED}
            sieve = Sieve(self.store, goes_on)
            listed = await self._lists(sieve, goes_on)
            self.history.compare(seen, {plural: min(each[plural] for each in listed.values()) for plural in WATCHED})
            self._note_blind(listed.keys())
            self.store.lay_only_aside(sieve.room.aside)
            since = self.chosen.unlisted_since - unlisted if self.chosen else ()
            apart = {*self.blind, *(namespace for namespace, _ in since)}
            touched: set[Key] = set()
            for plural in WATCHED:
                found = [*sieve.found(plural), *self.store.objects_in(plural, apart)]
                at = min(each[plural] for each in listed.values())
                touched |= self.store.replace(plural, found, at, sieve.room.weight_of)
                told(plural, max(map(version, found), default=0))
            if self.chosen is not None:
                self.chosen.listed(unlisted)
            return touched

    async def _list_chosen(self) -> set[Choice]:
        """List the namespaces that are chosen; returns those of which not all is known, which is listed after that."""
        if self.chosen is None:
            return set()
        found, at = await self.cluster.kept_items(NAMESPACES, None, self.chosen.selector, _name_alone)
        self.chosen.replace({it["name"] for it in found}, at)
        for namespace in self.chosen.leaving:
            self._is_leaving(namespace)
        return self.chosen.unlisted_since

    def _note_blind(self, listed: Iterable[str | None]) -> None:
        blind = set(self.settings.namespaces) - set(listed)
        for namespace in sorted(blind - self.blind):
            logger.warning("left alone: it may not be listed", extra={"namespace": namespace})
        self.blind.clear()
        self.blind.update(blind)

    async def _lists(self, sieve: Sieve, goes_on: Callable[[], None]) -> dict[str | None, dict[str, int]]:
        """The version of each kind's list, by namespace, of which no kind is refused."""
        found: dict[str | None, dict[str, int]] = {}
        refused: Rejected | None = None
        for namespace in self.settings.namespaces or (None,):
            versions = {}
            try:
                for plural in WATCHED:
                    goes_on()
                    selector = "" if plural == FLEETS else CHILD_SELECTOR
                    _, versions[plural] = await self.cluster.kept_items(plural, namespace, selector, sieve.of(plural))
            except Rejected as error:  # it was deleted, say, and with it the operator's rights there
                refused = error
                sieve.drop(namespace or "")
            else:
                found[namespace] = versions
        if refused is not None and not found:
            raise refused
        return found


async def _is_set(event: asyncio.Event, within_s: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await event.wait()
    return event.is_set()


def _name_alone(namespace: Object) -> Object:
    return {"name": namespace["metadata"]["name"]}
