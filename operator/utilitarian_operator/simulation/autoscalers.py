"""Models of other autoscalers: KEDA with its HPA, the HPA alone, a fixed number; each sees one pool.

KEDA 2.21 as documented and measured (docs/simulate.md): it polls each 30 s and takes a workload from zero to one and,
after 300 s without activity, to zero, whatever the HPA says; between one and max the HPA syncs each 15 s on the
external metric, with 10 % tolerance, at most doubling or adding four a sync, and coming down to the largest of the last
300 s.
The ReplicaSet chooses the pods to stop: those not ready, then the newest; what still runs after the grace is killed.
"""

from collections import deque
from dataclasses import dataclass, field
from math import ceil, inf
from random import Random
from typing import Literal, Protocol

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.simulation.pool_model import Workers

Counting = Literal["amqp", "http"]

POLL, COOLDOWN = 30.0, 300.0
SYNC, TOLERANCE, CALM = 15.0, 0.1, 300.0
MOST_PODS, MOST_TIMES = 4, 2
GRACE_S = 30.0
"""terminationGracePeriodSeconds unless it is set."""

TUNED_POLL, TUNED_COOLDOWN = 5.0, 120.0
"""What an expert sets who wants pools awake soon and asleep soon."""

REACTION_S = 4.0
"""Seconds from KEDA's poll to the pod, and what the management API's statistics are late: both measured."""

BLOCKED = 0.5
"""Share of the syncs after a step up that still count that step into their period: measured climbs were as slow."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How KEDA and the HPA are set; the fields' defaults are their own.

    Args:
        counting: amqp sees ready messages, http also those that are not acknowledged, some seconds late.
        keda: whether KEDA is there; the HPA alone can't go below one.
        poll: pollingInterval, seconds.
        cooldown: cooldownPeriod, seconds.
        own_grace: whether workers get the pool's drainTimeout to end their tasks, as ours do; else `GRACE_S`.
        unlimited: no limit on the HPA's steps up.
    """

    counting: Counting = "http"
    keda: bool = True
    poll: float = POLL
    cooldown: float = COOLDOWN
    own_grace: bool = False
    unlimited: bool = False


SCALERS = {
    "keda": Settings(),
    "keda-tuned": Settings(poll=TUNED_POLL, cooldown=TUNED_COOLDOWN, own_grace=True),
    "keda-amqp": Settings(counting="amqp"),
    "hpa": Settings(keda=False),
}
"""The policies that are an autoscaler, by name."""


class Controller(Protocol):
    """Something that sizes one pool."""

    def advance(self, until: float) -> None:
        """Let the pool live, and look at it, up to a moment."""


@dataclass(slots=True)
class Fixed:
    """A number of workers that never changes."""

    workers: Workers
    count: int

    def __post_init__(self) -> None:
        self.workers.start(self.count, 0.0)

    def advance(self, until: float) -> None:
        """Nothing is looked at."""
        self.workers.advance(until)


@dataclass(slots=True)
class Hpa:
    """The HPA's part: how many there should be, given how many there are and a metric.

    Args:
        target: of the metric, for each worker.
        least: minReplicas.
        most: maxReplicas.
        random: for syncs that count a step twice.
        unlimited: no limit on steps up.
        calm: seconds of its stabilization on the way down.
    """

    target: float
    least: int
    most: int
    random: Random
    unlimited: bool = False
    calm: float = CALM
    stepped: bool = False
    wanted: deque[tuple[float, int]] = field(default_factory=deque)

    def sync(self, now: float, current: int, metric: float) -> int:
        """The number after a sync."""
        ratio = metric / (self.target * current)
        desired = current if abs(ratio - 1) <= TOLERANCE else ceil(metric / self.target)
        desired = min(max(desired, self.least), self.most)
        while self.wanted and self.wanted[0][0] <= now - self.calm:
            self.wanted.popleft()
        self.wanted.append((now, desired))
        if desired > current:
            return self._up(current, desired)
        self.stepped = False
        return max(number for _, number in self.wanted) if desired < current else current

    def _up(self, current: int, desired: int) -> int:
        if self.unlimited:
            return desired
        if self.stepped and self.random.random() < BLOCKED:
            self.stepped = False
            return current
        self.stepped = True
        return min(desired, max(current + MOST_PODS, current * MOST_TIMES))


@dataclass(slots=True)
class Autoscaler:
    """KEDA and its HPA on one pool.

    Args:
        pool: the effective spec; of its scaling only min, max, drainWithin and taskDuration count.
        workers: the model.
        random: phases of polls and syncs.
        settings: how they are set.
        target: of the metric for each worker; `default_target` unless given.
    """

    pool: Pool
    workers: Workers
    random: Random
    settings: Settings = SCALERS["keda"]
    target: float | None = None
    _hpa: Hpa = field(init=False)
    _poll_at: float = field(init=False)
    _sync_at: float = field(init=False)
    _wake_at: float = field(init=False, default=inf)
    _active_at: float = field(init=False, default=-inf)
    samples: list[tuple[float, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        scaling = self.pool.scaling
        per_worker = self.target or default_target(self.pool)
        self._hpa = Hpa(per_worker, max(scaling.min, 1), max(scaling.max, 1), self.random, self.settings.unlimited)
        self._poll_at = self.random.uniform(0, self.settings.poll) if self.settings.keda else inf
        self._sync_at = self.random.uniform(0, SYNC)
        least = scaling.min if self.settings.keda else max(scaling.min, 1)
        self.workers.start(least, 0.0)

    def advance(self, until: float) -> None:
        """Poll and sync at their times."""
        while True:
            self._skip_sleep()
            now = min(self._poll_at, self._sync_at, self._wake_at)
            if now >= until:
                self.workers.advance(until)
                return
            self.workers.advance(now)
            if now == self._wake_at:
                self._wake(now)
            elif now == self._poll_at:
                self._poll_at += self.settings.poll
                self._polled(now)
            else:
                self._sync_at += SYNC
                self._synced(now)

    @property
    def _grace(self) -> float:
        """Seconds from the stop of a worker to its kill."""
        return self.pool.drain_timeout.total_seconds() if self.settings.own_grace else GRACE_S

    def metric(self) -> int:
        """Messages as the scaler sees them."""
        workers = self.workers
        if self.settings.counting == "amqp":
            return workers.ready
        unacked = workers.running * workers.kind.acks_late + workers.held(fetched_only=True) + len(workers.deferred)
        known = workers.clock - REACTION_S
        if workers.at[workers.head] > known and not workers.returned:
            return unacked
        return max(workers.arrived_by(known) - workers.head + len(workers.returned), 0) + unacked

    def _skip_sleep(self) -> None:
        """Nothing happens to a pool at zero before the first poll after a task came."""
        if self.workers.alive or self.workers.ready or self._wake_at < inf:
            return
        now = self.workers.next_arrival
        if now == inf:
            self._poll_at = self._sync_at = inf
            return
        poll = self.settings.poll
        self._poll_at += max(ceil((now - self._poll_at) / poll), 0) * poll
        self._sync_at += max(ceil((now - self._sync_at) / SYNC), 0) * SYNC

    def _polled(self, now: float) -> None:
        current = self.workers.current
        if self.metric() > 0:
            self._active_at = now
            if not current and self._wake_at == inf:
                self._wake_at = now + (REACTION_S if self.settings.poll == POLL else 0.0)
        elif current and not self.pool.scaling.min and now - self._active_at >= self.settings.cooldown:
            self.workers.stop_newest(current, now, self._grace)  # above a minimum the HPA alone counts
        self._sample(now)

    def _wake(self, now: float) -> None:
        self._wake_at = inf
        self._hpa.wanted.clear()
        self._hpa.stepped = False
        self.workers.account.changes += 1
        self.workers.start(max(self.pool.scaling.min, 1), now)

    def _synced(self, now: float) -> None:
        current = self.workers.current
        if not current:
            return
        wanted = self._hpa.sync(now, current, self.metric())
        if wanted > current:
            self.workers.account.changes += 1
            self.workers.start(wanted - current, now)
        elif wanted < current:
            self.workers.stop_newest(current - wanted, now, self._grace)
        self._sample(now)

    def _sample(self, now: float) -> None:
        work, alive = self.workers.ready + self.workers.held(), len(self.workers.alive)
        if self.samples and self.samples[-1][1:] == (work, alive):
            return  # a sample holds until the next one
        self.samples.append((now, work, alive))


def default_target(pool: Pool) -> float:
    """Messages for each worker that a careful user would set: what one worker can start within drainWithin."""
    scaling = pool.scaling
    slots = pool.worker.concurrency
    return max(slots * scaling.drain_within / scaling.task_duration, float(slots))
