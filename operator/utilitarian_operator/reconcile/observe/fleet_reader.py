"""Reads all that one look at a fleet is decided from, and returns it as values."""

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime

from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.adapters.cluster.cache import (
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    PODS,
    STATEFUL_SETS,
    Key,
    Store,
)
from utilitarian_operator.adapters.cluster.room import MOST_DEPARTED
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.core.labels import POOL_LABEL
from utilitarian_operator.core.look import Seen, State
from utilitarian_operator.core.objects.wanted import DEPLOYMENT, DISRUPTION_BUDGET, STATEFUL_SET, Live
from utilitarian_operator.core.plan import Outcome
from utilitarian_operator.core.spec.references import Content, Target
from utilitarian_operator.reconcile.observe.beat import AllBeats, BeatReader
from utilitarian_operator.reconcile.observe.observer import Observer
from utilitarian_operator.reconcile.observe.pod_warnings import PodWarnings
from utilitarian_operator.reconcile.observe.rivals_reader import RivalsReader
from utilitarian_operator.reconcile.observe.usage_reader import UsageReader

_KINDS = {DEPLOYMENT: DEPLOYMENTS, DISRUPTION_BUDGET: DISRUPTION_BUDGETS, STATEFUL_SET: STATEFUL_SETS}


class FleetReader:
    """What is read of one fleet at each look.

    Args:
        key: of the fleet.
        store: of the cluster's objects.
        cluster: for what no watch shows.
        clock: the one clock.
        monotonic: seconds of a clock that never goes back.
        rivals: what else is in the namespaces of all fleets.
        beats: of all fleets.
    """

    def __init__(  # noqa: PLR0913 - the parts of an operator, and what is read for all of its fleets together
        self,
        key: Key,
        store: Store,
        cluster: Cluster,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        rivals: RivalsReader,
        beats: AllBeats,
    ) -> None:
        self._rivals = rivals
        self._key, self._store, self._clock = key, store, clock
        self._observer = Observer(key, store)
        self._beat = BeatReader(key, store, cluster, monotonic, beats)
        self._warnings = PodWarnings(cluster, monotonic)
        self._usage = UsageReader(key, cluster, monotonic)
        self._gone: deque[Object] = deque(maxlen=MOST_DEPARTED)
        self._generation: int | None = None

    async def look(
        self,
        resource: Object,
        fleet: Fleet,
        broker: Broker,
        state: State,
        contents: Mapping[Target, Content],
        outcome: Outcome | None,
    ) -> Seen:
        """Read everything once.

        Args:
            resource: with its status.
            fleet: what runs.
            broker: to look at it through.
            state: of the look before: which queues are known, and whether the claim for beat's volume is.
            contents: of the Secrets and ConfigMaps that it names.
            outcome: what became of the last plan.
        """
        mine = list(self._store.children(PODS, self._key).values())
        usage = self._usage.newest(wanted=any(POOL_LABEL in it["metadata"]["labels"] for it in mine))
        queues = state.sightings.queues(fleet)
        warnings = await self._warnings.look(mine, self._clock(), queues)
        beat = await self._beat.look(fleet, claimed=state.claimed)
        read = await self._observer.read(broker, queues, self._clock(), warnings, usage)
        pods = self._store.children(PODS, self._key)
        others = self._rivals.newest(self._key.namespace, wanted=self._has_rivals(resource))
        self._gone += self._store.all_pods(self._key)[len(pods) :]
        # Of the same moment as the other objects: what is undone of beat and what is said of it are then one.
        beat = self._beat.newest(fleet, beat)
        return Seen(resource, read, self._live(), pods, tuple(self._gone), beat, contents, outcome, others)

    def _has_rivals(self, resource: ReadOnlyObject) -> bool:
        """Whether another's autoscaler or budget could matter: to workers, to what was edited, or to what was said."""
        generation, before = resource["metadata"].get("generation"), self._generation
        self._generation = generation
        asks = any(it["spec"].get("replicas", 1) for it in self._store.children(DEPLOYMENTS, self._key).values())
        has_pods = bool(self._store.children(PODS, self._key))
        return asks or has_pods or generation != before or bool((resource.get("status") or {}).get("advice"))

    def recorded(self) -> None:
        """The events of pods that are gone are recorded: they are not given again."""
        self._gone.clear()

    def close(self) -> None:
        """Give up what is still being read."""
        self._warnings.close()
        self._usage.close()

    def _live(self) -> Live:
        return {kind: self._store.children(plural, self._key) for kind, plural in _KINDS.items()}
