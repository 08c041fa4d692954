"""Plays a scenario on an installation with its operator, and tells what became of every task and every worker.

The operator runs as a process of its own, so that it can be killed; nothing here knows how it drains.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf

from tests.support.celery_workers import send
from tests.support.drain_scenario import MAX, SCALING, Phase, ScenarioPool
from tests.support.installation import Installation
from tests.support.operator import Operator
from tests.support.pace import paced
from tests.support.pod_lives import PodLives
from tests.support.processes import Process
from tests.support.waiting import wait_until
from utilitarian_operator.api.units import parse_duration
from utilitarian_operator.core.sizing.decision import Rule

PHASE_WITHIN = timedelta(minutes=3)
EVERY = timedelta(milliseconds=500)
OVERRIDDEN_FOR = timedelta(seconds=8)

ASKED_TO_WAIT = max(parse_duration(str(SCALING[name])) for name in ("idleAfter", "stabilization"))
STEPS = timedelta(seconds=10)
"""From there to zero workers, on a machine at rest: each is marked, told, seen empty and released."""

WRONG_VICTIMS = "utilitarian_drain_wrong_victims_total"


@dataclass(frozen=True)
class DrainResult:
    """What a run came to.

    Args:
        sent, finished: tasks.
        lost: tasks that never ended.
        killed: tasks that were started once more than they ended.
        twice: tasks that were started more than once, without `redelivered`.
        redelivered: tasks started more than once that the broker held while the run restarted it.
        changes: sizes or templates that were changed, and what was killed or restarted.
        led, rolled: workers that left after they were marked, and by a rollout.
        unled: workers that left in any other way.
        busy: workers that were led out, not by a rollout, and did something afterwards.
        wrong_victims: as the operator counted them.
        waited: restarts of the operator at which a pool's tasks waited until they are due.
        overdue: tasks of such pools that began later than was promised, and than a slow machine explains.
        largest: most workers of each pool.
        asleep_after: seconds from the last task's end to zero workers asked for, the slowest pool's; from the end of
            an override, of a rollout or of a worker's start where that was later.
        ways: sizes of each pool from then on, each with the seconds.
        seconds: from the first task sent to the last pool asleep.
        slowness: of the machine meanwhile, which has the operator, the API server, the broker and the workers.
    """

    sent: int
    finished: int
    lost: frozenset[str]
    killed: frozenset[str]
    twice: frozenset[str]
    redelivered: frozenset[str]
    changes: int
    led: int
    rolled: int
    unled: tuple[str, ...]
    busy: tuple[str, ...]
    wrong_victims: int
    waited: int
    overdue: Mapping[str, float]
    largest: Mapping[str, int]
    asleep_after: float
    ways: Mapping[str, Sequence[tuple[float, int]]]
    seconds: float
    slowness: float

    @property
    def faults(self) -> dict[str, object]:
        """What should not have happened, by name; empty is the proof."""
        found = {
            "unfinished": self.sent - self.finished,
            "lost": self.lost,
            "killed": self.killed,
            "twice": self.twice,
            "unled": self.unled,
            "busy": self.busy,
            "wrong victims": self.wrong_victims,
            "overdue": self.overdue,
            "asleep too late": self.ways if self.asleep_after > self.asleep_within else None,
        }
        return {name: value for name, value in found.items() if value}

    @property
    def asleep_within(self) -> float:
        """Seconds for the way to zero: what was asked for, and what a slow machine may add to the steps."""
        return ASKED_TO_WAIT.total_seconds() + STEPS.total_seconds() * self.slowness

    def __str__(self) -> str:
        return (
            f"{self.sent} sent, {self.finished} finished, {len(self.lost)} lost, {len(self.killed)} killed, "
            f"{len(self.twice)} run twice (and {len(self.redelivered)} that the broker gave out again); "
            f"{self.changes} changes, {self.led} workers led out, {self.rolled} replaced by rollouts, "
            f"{len(self.unled)} gone otherwise, {self.wrong_victims} wrong victims; "
            f"{self.waited} restarts while tasks waited, {len(self.overdue)} begun too late; "
            f"at zero {self.asleep_after:.1f} s after the last task; {self.seconds:.0f} s in all, on a machine "
            f"{self.slowness:.1f} times slower than at rest"
        )


@dataclass
class DrainRun:
    """One scenario being played.

    Args:
        installation: without a resource yet.
        process, operator: that watch its namespace.
        pools: the pools.
        lives: the record of its pods, already running.
    """

    installation: Installation
    process: Process
    operator: Operator
    pools: Sequence[ScenarioPool]
    lives: PodLives
    _sent: dict[str, ScenarioPool] = field(default_factory=dict)
    _sent_at: dict[str, float] = field(default_factory=dict)
    _waited: int = 0
    _most: dict[str, int] = field(default_factory=dict)
    _revision: dict[str, int] = field(default_factory=dict)
    _overridden: dict[str, float] = field(default_factory=dict)
    _held_at_restart: set[str] = field(default_factory=set)
    _wrong_victims: float = 0.0

    def play(self, phases: Sequence[Phase]) -> DrainResult:
        """All phases, and then the way to zero.

        Raises:
            NotInTimeError: work or fleet stand still; the message tells the state and the workers' logs.
        """
        begun = time.time()
        with paced() as pace:
            self.installation.declare()
            self.installation.create(pools=self._pools())
            for phase in phases:
                self._play(phase)
            self._wait(lambda: self._ended() == self._sent.keys())
            self._wait(lambda: all(self.lives.asleep_since(pool.name) for pool in self.pools))
            self._wait(lambda: not any(map(self.installation.fleet.pods, (pool.name for pool in self.pools))))
        return self._result(len(phases), time.time() - begun, pace.worst)

    def _play(self, phase: Phase) -> None:
        waits = phase.kind == "kill the operator while it waits"
        if waits:
            self._wait(lambda: self.lives.asleep_since(phase.pool.name))
        for lot in phase.lots:
            sent = send(self.installation.broker_url, lot.pool.queue, lot.seconds)
            self._sent |= dict.fromkeys(sent, lot.pool)
            self._sent_at |= dict.fromkeys(sent, time.time())
        if waits:
            self._wait(lambda: self._is_waiting(phase.pool) or self._works(phase.pool))
            self._waited += self._is_waiting(phase.pool)
        elif any(lot.pool == phase.pool for lot in phase.lots):
            self._wait(lambda: self._works(phase.pool))
        self._change(phase)
        wanted = phase.until * len(self._sent)
        self._wait(lambda: len(self._ended()) >= wanted)

    def _change(self, phase: Phase) -> None:
        pool, fleet = phase.pool, self.installation.fleet
        match phase.kind:
            case "lower max" | "raise max" | "burst":
                self._most[pool.name] = phase.workers or MAX
                fleet.edit(pools=self._pools())
            case "roll out":
                self._revision[pool.name] = self._revision.get(pool.name, 0) + 1
                fleet.edit(pools=self._pools())
            case "override":
                until = datetime.now(UTC) + OVERRIDDEN_FOR
                self._overridden[pool.name] = until.timestamp()
                name = f"utilitarian.io/override.{pool.name}"
                fleet.annotate({name: f"{phase.workers} until {until:%Y-%m-%dT%H:%M:%SZ}"})
            case "kill the operator" | "kill the operator while it waits":
                self._count_wrong_victims()
                self.process.kill()
                self.process.start()
            case "restart the broker":
                self._held_at_restart |= self._sent.keys() - self._ended()
                self.installation.rabbitmq.restart()
            case "lull":
                pass

    def _pools(self) -> list[dict[str, object]]:
        return [
            pool.spec(most=self._most.get(pool.name, MAX), revision=self._revision.get(pool.name, 0))
            for pool in self.pools
        ]

    def _ended(self) -> frozenset[str]:
        return self.installation.ledger.read().ids("end")

    def _is_waiting(self, pool: ScenarioPool) -> bool:
        return bool(self.installation.fleet.pool(pool.name).get("reason") == Rule.WAIT)

    def _overdue(self, slowness: float) -> dict[str, float]:
        """Seconds that tasks waited which were to begin earlier."""
        records = self.installation.ledger.read().records
        begun = {it.task_id: it.at for it in reversed(records) if it.event == "start"}
        promised = {
            pool.name: parse_duration(pool.scaling["drainWithin"]).total_seconds() + STEPS.total_seconds() * slowness
            for pool in self.pools
            if pool.waits
        }
        waits = {task: begun[task] - self._sent_at[task] for task in self._sent if task in begun}
        return {task: it for task, it in waits.items() if it > promised.get(self._sent[task].name, inf)}

    def _works(self, pool: ScenarioPool) -> bool:
        """Whether the pool is at work with more than one worker, or has nothing left to do."""
        of_pool = self.installation.ledger.read().of_queue(pool.queue)
        running, mine = of_pool.running(), {task for task, its in self._sent.items() if its == pool}
        busy = {record.hostname for record in of_pool.records if record.task_id in running}
        return len(busy) > 1 or mine <= of_pool.ids("end") | running

    def _wait(self, condition: object) -> None:
        wait_until(
            condition,  # type: ignore[arg-type]
            within=PHASE_WITHIN,
            every=EVERY,
            describe=lambda: f"{self.installation.fleet.describe()}\n{self.process.tail()}\n{self._stuck()}",
        )

    def _stuck(self) -> str:
        """What is still to do, and by which worker: the logs of all workers would say too much."""
        ledger = self.installation.ledger.read()
        waiting: dict[str, int] = {}
        for task in self._sent.keys() - ledger.ids("start"):
            waiting[self._sent[task].name] = waiting.get(self._sent[task].name, 0) + 1
        running = {(record.hostname, record.task_id) for record in ledger.records if record.task_id in ledger.running()}
        return f"not started: {waiting}\nrunning: {sorted(running)}"

    def _count_wrong_victims(self) -> None:
        counted = {name: value for name, value in self.operator.metrics().items() if name.startswith(WRONG_VICTIMS)}
        self._wrong_victims += sum(counted.values())

    def _result(self, changes: int, seconds: float, slowness: float) -> DrainResult:
        self._count_wrong_victims()
        ledger = self.installation.ledger.read()
        summary, lives = ledger.summary(self._sent), self.lives.lives()
        gone = [life for life in lives if life.asked_to_end is not None]
        led = [life for life in gone if life.led]
        ways = {pool.name: self._way_to_zero(pool) for pool in self.pools}
        return DrainResult(
            sent=len(summary.sent),
            finished=len(summary.finished),
            lost=summary.lost,
            killed=ledger.running(),
            twice=summary.run_twice - self._held_at_restart,
            redelivered=summary.run_twice & self._held_at_restart,
            changes=changes,
            led=len(led),
            rolled=sum(life.replaced and not life.led for life in gone),
            unled=tuple(life.name for life in gone if not (life.led or life.replaced)),
            busy=tuple(life.name for life in led if not life.replaced and life.worked_after(ledger.records)),
            wrong_victims=int(self._wrong_victims),
            waited=self._waited,
            overdue=self._overdue(slowness),
            largest={pool.name: self.lives.largest(pool.name) for pool in self.pools},
            asleep_after=max((at for way in ways.values() for at, _ in way[-1:]), default=0.0),
            ways=ways,
            seconds=seconds,
            slowness=slowness,
        )

    def _way_to_zero(self, pool: ScenarioPool) -> list[tuple[float, int]]:
        records = self.installation.ledger.read().of_queue(pool.queue).records
        later = (self._overridden.get(pool.name, 0.0), self.lives.unsettled_until(pool.name))
        last = max([record.at for record in records] + list(later))
        return [(round(at - last, 1), size) for at, size in self.lives.sizes(pool.name) if at > last]
