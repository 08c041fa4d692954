"""What a look is decided from: what is asked for, what was seen, and what is kept from look to look, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.core.beat.actions import BeatMemory, recalled_beat
from utilitarian_operator.core.blocker import Blocker
from utilitarian_operator.core.changed import Makings
from utilitarian_operator.core.diagnosis.finding_history import Health
from utilitarian_operator.core.diagnosis.pod_loss_history import PodLosses
from utilitarian_operator.core.draining.plan import Progress
from utilitarian_operator.core.forecast.news import Watched
from utilitarian_operator.core.objects.drift import Applied
from utilitarian_operator.core.objects.manifests import Mounted
from utilitarian_operator.core.objects.refusals import Refusals
from utilitarian_operator.core.objects.rivals import Rivals
from utilitarian_operator.core.objects.scaled_by import ReplicaWriters
from utilitarian_operator.core.objects.wanted import Live, Wanted
from utilitarian_operator.core.observation.beat import BeatReadings
from utilitarian_operator.core.observation.broker import BrokerName
from utilitarian_operator.core.observation.counted.deltas import LastMessages
from utilitarian_operator.core.observation.counted.dropped import Dropped
from utilitarian_operator.core.observation.fleet import Readings, Sightings
from utilitarian_operator.core.observation.let_in import recorded
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.plan import Outcome
from utilitarian_operator.core.sizing.memory import Memory
from utilitarian_operator.core.sizing.pools import FleetContext
from utilitarian_operator.core.spec.acceptance import Judgement
from utilitarian_operator.core.spec.references import Content, Target
from utilitarian_operator.core.status.change import Written
from utilitarian_operator.core.status.recall import Recalled


@dataclass(frozen=True, slots=True)
class Spec:
    """What is asked for.

    Args:
        running: the spec that runs; None while none was let run.
        newest: the newest one.
        blockers: what keeps the newest from running, or the fleet from being seen, beside what is wrong in the spec.
        given_up: of the spec that runs, pools that leave their queues to another resource, each with why.
        doubted: whether it isn't known yet whose the queues of the newest spec are.
    """

    running: Judgement | None
    newest: Judgement
    blockers: Sequence[Blocker] = ()
    given_up: Mapping[str, str] = field(default_factory=dict)
    doubted: bool = False

    def paused_until(self, now: datetime) -> datetime | None:
        """When a person's pause by annotation ends; None where none is in force."""
        fleet = None if self.running is None else self.running.fleet
        return None if fleet is None else self.newest.by_hand.pause(fleet.mode, now)

    def in_force(self, fleet: Fleet, now: datetime) -> Fleet:
        """The fleet that runs, in the mode that is in force."""
        return fleet if self.paused_until(now) is None else replace(fleet, mode="Paused")


@dataclass(frozen=True)
class Seen:
    """What was seen at one look; without slots, so that one can be made of another (`changed`).

    Args:
        resource: with its status.
        read: of the fleet; None where nothing runs.
        live: its objects, by kind and name.
        pods: the bodies of its pods, by name.
        gone: the bodies of pods that went since the look before, as they were at their end.
        beat: what was read of beat.
        contents: of the Secrets and ConfigMaps that it names.
        outcome: what became of the plan of the last look; None at the first.
        rivals: what else in its namespace scales objects or keeps pods from being evicted.
        salt: of the checksums of contents; None where the operator has none, empty where it could not be read.
        unread: the Secrets and ConfigMaps that it names and the operator may not read.
    """

    resource: ReadOnlyObject
    read: Readings | None = None
    live: Live = field(default_factory=dict)
    pods: Mapping[str, ReadOnlyObject] = field(default_factory=dict)
    gone: Sequence[ReadOnlyObject] = ()
    beat: BeatReadings = field(default_factory=BeatReadings)
    contents: Mapping[Target, Content] = field(default_factory=dict)
    outcome: Outcome | None = None
    rivals: Rivals = field(default_factory=Rivals)
    salt: str | None = None
    unread: frozenset[Target] = frozenset()

    @property
    def scaled(self) -> frozenset[str]:
        """Names of the pools whose number the last plan has set."""
        return frozenset() if self.outcome is None else frozenset(it.pool for it in self.outcome.scaled)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What has its event already.

    Args:
        blockers: those of the last look.
        warnings: the generation whose warnings were recorded.
        broker: whether it was recorded that the broker can't be reached.
        dropped: what was known of dropped tasks when they were recorded last, by queue.
    """

    blockers: tuple[Blocker, ...] = ()
    warnings: int = 0
    broker: bool = False
    dropped: Mapping[str, Dropped] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Made:
    """The objects of a spec, kept so that they are not made anew at each look.

    Args:
        running: the spec.
        checksums: of what the pods' environments are made of.
        mounted: of what they have mounted, where each object carries it.
        wanted: the objects.
        rolled: when pods were rolled last for what their Secrets and ConfigMaps hold, by pool name, beat's under None.
        held: the pools whose next roll for that waits, each with its moment.
    """

    running: Judgement
    checksums: Mapping[str | None, str | None]
    mounted: Mapping[str | None, Mounted]
    wanted: tuple[Wanted, ...]
    rolled: Mapping[str | None, tuple[datetime, ...]] = field(default_factory=dict)
    held: Mapping[str | None, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rest:
    """A look at which nothing was to do, and after which time alone changes nothing for a while.

    Args:
        spec: what was asked for.
        seen: at that look.
        until: when it is decided anew, whatever is seen; as the moments below by when a look began to read.
        last: the last look at which all was as at that one.
        since: when the fleet came to rest; since then nothing that was seen was another than at the look before.
    """

    spec: Spec
    seen: Seen
    until: datetime
    last: datetime
    since: datetime


@dataclass(frozen=True)
class State:
    """What is kept of one fleet from look to look; without slots, since each look changes much of it (`changed`).

    What must outlive the process is in the resource's status as well: `memories`, of beat what was recorded, and of
    `sightings` when the last messages came.
    All else may be lost: after a restart it is seen again, or found out again.

    Args:
        started: when this operator began to look at the fleet.
        losses: which losses of pods were seen, and recorded.
        sightings: what is believed of what was seen, and what the next look counts from; when a message last came to
            the queues of a schedule is in the status as well.
        memories: what is remembered of each pool's load, by pool name; in the status as well.
        beat: what is kept of beat; what was recorded is in the status as well.
        health: findings, their history, and which workers were replaced.
        runs: the runs at the last look.
        drains: how far drains are.
        idle: since when idle workers are idle, by the name of the pod.
        refusals: what the API server refused.
        good_looks: looks at which nothing was missing, since the last at which something was.
        waiting_since: since when each sleeping pool has had work waiting, by pool name.
        applied: what was held of each object after its last apply, by kind and name.
        writers: who else set the numbers of workers.
        broker: which one answered last; None while none did.
        let_in: by which addresses it answered an operator before this one; empty where none was let in.
        made: the objects of the spec that runs.
        claimed: whether beat's claim was made, or found.
        written: the status as it was written last.
        recorded: what has its event.
        note: what of the status could not be read at the start; empty once it has its event.
        rest: the look after which the fleet was at rest; None where it was not.
        kept: what the look has made of what may be the same at the next one; without it the next one is as good.
    """

    started: datetime
    losses: PodLosses
    sightings: Sightings
    memories: Mapping[str, Memory] = field(default_factory=dict)
    beat: BeatMemory = field(default_factory=BeatMemory)
    health: Health = field(default_factory=Health)
    runs: Watched = field(default_factory=Watched)
    drains: Progress = field(default_factory=Progress)
    idle: Mapping[str, datetime] = field(default_factory=dict)
    refusals: Refusals = field(default_factory=Refusals)
    good_looks: int = 0
    waiting_since: Mapping[str, datetime] = field(default_factory=dict)
    applied: Mapping[tuple[str, str], Applied] = field(default_factory=dict)
    writers: ReplicaWriters = field(default_factory=ReplicaWriters)
    broker: BrokerName | None = None
    let_in: str = ""
    made: Made | None = None
    claimed: bool = False
    written: Written | None = None
    recorded: Recorded = field(default_factory=Recorded)
    note: str = ""
    rest: Rest | None = None
    kept: Makings = field(default_factory=dict, compare=False, repr=False)


def begun(status: ReadOnlyObject, recalled: Recalled, now: datetime) -> State:
    """The state of an operator that looks at a fleet for the first time.

    Args:
        status: of the resource, as it was found.
        recalled: what was read back from it.
        now: the one clock.
    """
    beat = recalled_beat(status)
    sightings = Sightings(now, last_messages=LastMessages(recalled.last_messages))
    memories, writers = dict(recalled.memories), ReplicaWriters(recalled=recalled.contested)
    state = State(now, PodLosses(now), sightings, memories=memories, beat=beat, writers=writers, note=recalled.note)
    return replace(state, let_in=recorded(status))


def context_of(spec: Spec, state: State, snapshot: FleetSnapshot) -> FleetContext:
    """What the sizes of a look depend on beside the pools.

    Args:
        spec: what is asked for.
        state: of the look.
        snapshot: what was seen at it.
    """
    return FleetContext(
        now=snapshot.at,
        running_for=snapshot.at - state.started,
        good_looks=state.good_looks,
        overrides=spec.newest.overrides,
        runs_by_hand=spec.newest.by_hand.runs,
        paused_until=spec.paused_until(snapshot.at),
        given_up=spec.given_up,
        contested=state.writers.contested_pools,
        moved=_has_moved(state, snapshot.let_in),
        removed=sum(it.current + it.holding for it in snapshot.leftover.values()),
    )


def _has_moved(state: State, let_in: str) -> bool:
    """Whether the URL names another broker than at the look before, or other addresses than before a restart.

    Of a broker before a restart only what stands for its addresses is known. Where it has another one by now, and is
    still the same, a pool that sleeps is awake once for nothing; else tasks might wait on another one for days.
    """
    before, named = state.broker, state.sightings.broker
    if before is None or named is None:
        return bool(state.let_in and let_in) and let_in != state.let_in
    return named.is_another_than(before)


def unrecorded(state: State, before: State) -> State:
    """The state of a look whose events were not recorded, so that the next one tells them.

    Args:
        state: of that look.
        before: of the look before it.
    """
    return replace(
        state,
        recorded=before.recorded,
        note=before.note,
        losses=before.losses,
        health=replace(state.health, recorded=before.health.recorded),
        beat=replace(state.beat, recorded=before.beat.recorded),
    )
