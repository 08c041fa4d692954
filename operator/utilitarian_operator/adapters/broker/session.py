"""One session per broker: depths at once, statistics and the workers' own word in the background."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from utilitarian_operator.adapters.broker.address import addresses
from utilitarian_operator.adapters.broker.bounded.calls import in_thread
from utilitarian_operator.adapters.broker.bounded.names import Names
from utilitarian_operator.adapters.broker.bounded.reach import ROUTED, Reach
from utilitarian_operator.adapters.broker.declarations import declarations
from utilitarian_operator.adapters.broker.depths import DepthReader
from utilitarian_operator.adapters.broker.joint_reading import JointReading
from utilitarian_operator.adapters.broker.pause import Pause
from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.adapters.broker.statistics import Statistics
from utilitarian_operator.adapters.broker.timing import CLOCK, Clock
from utilitarian_operator.adapters.broker.tls import SYSTEM, Tls
from utilitarian_operator.adapters.broker.workers.answers import Answers
from utilitarian_operator.adapters.broker.workers.poll_schedule import PollSchedule, Round
from utilitarian_operator.adapters.broker.workers.remote_control import RemoteControl
from utilitarian_operator.adapters.intervals import (
    INTERVALS,
    Intervals,
)
from utilitarian_operator.adapters.requests import UNTOLD, Requests, Target
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.observation.broker import BrokerSnapshot, Depths, Questions
from utilitarian_operator.core.observation.broker_settings import BrokerSettings, QueueSettings
from utilitarian_operator.core.observation.model.figures import HOLDS
from utilitarian_operator.core.observation.model.queue import Counted
from utilitarian_operator.errors import BrokerError, BrokerUnreachable, RightMissing

T = TypeVar("T")

logger = logging.getLogger(__name__)

WITHIN_S = 10.0
"""Of all that is asked of a broker in one look: to connect to the third of three addresses, and to read."""

WORKERS_WITHIN_S = 30.0
"""Of all that is asked of the workers of a broker at a time."""

CLOSED_WITHIN_S = 3.0

LEAST_GAP_S = 0.1
"""Between two readings of statistics that take longer than their interval."""


@dataclass(frozen=True)
class Credentials:
    """How to reach one broker; equal credentials share one session.

    Args:
        url: amqp:// or amqps:// with user and password.
        stats: statistics endpoints, in order.
        tls: certificates for amqps:// and https://.
        control_exchange: of the application, by which its workers are asked.
    """

    url: str
    stats: tuple[str, ...] = ()
    tls: Tls = SYSTEM
    control_exchange: str = "celery"

    def __repr__(self) -> str:
        """Without user and password."""
        return "Credentials(not shown)"


class BrokerSession:
    """All that is read of one broker; depths when asked, the rest by a task of its own that `start` begins.

    Args:
        credentials: of the broker.
        intervals: how often each thing is read.
        clock: time and chance.
        reach: which addresses may be spoken to.
        requests: where each is told of.
    """

    def __init__(
        self,
        credentials: Credentials,
        intervals: Intervals = INTERVALS,
        clock: Clock = CLOCK,
        reach: Reach = ROUTED,
        requests: Requests = UNTOLD,
    ) -> None:
        self._every, self._clock, self._reach, self._requests = intervals, clock, reach, requests
        url, stats, tls = credentials.url, credentials.stats, credentials.tls
        self._depths = DepthReader(url, tls, clock)
        self._jointly = JointReading(self._read_depths)
        self._workers = RemoteControl(url, tls, credentials.control_exchange, intervals, clock)
        self._names, self._control_exchange = Names(reach), credentials.control_exchange
        self._statistics = Statistics(stats, addresses(url)[0].vhost, tls, clock, self._names) if stats else None
        self._depth_thread = ThreadPoolExecutor(1, "depths")
        self._worker_thread = ThreadPoolExecutor(1, "remote-control")
        self._pause = Pause(self._clock)
        self._schedule = PollSchedule(intervals)
        self._around: dict[str, tuple[str, ...]] = {}
        self._beats: tuple[str, ...] = ()
        self._mute: BrokerError | None = None
        self._endpoints, self._vhost, self._tls = stats, addresses(url)[0].vhost, tls
        self._hosts = frozenset(f"{it.host}:{it.port}" for it in addresses(url))
        self._named = ",".join(sorted(self._hosts))
        self._declared: Mapping[str, QueueSettings] = {}
        self._celery: str | None = None
        self._celery_asked = float("-inf")
        self._delayed: int | None = None
        self._unreadable: frozenset[str] = frozenset()
        self._answers = Answers()
        self._counted: dict[str, Counted] | BrokerError | None = None
        self._seen_at: dict[str, float | None] = {"depths": None, "workers": None}
        if self._statistics is not None:
            self._seen_at["statistics"] = None
        self._tasks: list[asyncio.Task[None]] = []
        self._last: Sequence[Awaitable[None]] = ()
        self._closed = False

    @property
    def known(self) -> BrokerSnapshot:
        """What is known without a question: everything but depths."""
        return BrokerSnapshot(
            at=self._clock.monotonic(),
            counted=self._fresh_statistics(),
            answers=self._answers.newest,
            samples=self._answers.samples,
            worked=self._answers.worked,
            consuming=self._around,
            beats=self._beats,
            mute=self._mute,
            seen_at=dict(self._seen_at),
            settings=self._settings(),
            cluster=self._depths.cluster,
            hosts=self._hosts,
            vhost=self._vhost,
        )

    async def look(self, queues: Sequence[str]) -> BrokerSnapshot:
        """What is known of these queues, with messages and consumers of each; None for one that doesn't exist.

        A broker that failed a moment ago is left alone, and the failure repeated.
        """
        try:
            depths = await self._jointly.of(queues)
        except BrokerError as error:
            return changed(self.known.of(queues), failed=error)
        return changed(self.known.of(queues), depths=depths)

    async def _in(self, thread: ThreadPoolExecutor, call: Callable[[], T]) -> T:
        if self._closed:  # it would connect again, and that would stay
            raise BrokerUnreachable("the operator has ended this connection, and opens another at its next look")
        within_s = WITHIN_S if thread is self._depth_thread else WORKERS_WITHIN_S
        return await in_thread(thread, call, within_s, self._reach, self._clock)

    async def _surely(self, thread: ThreadPoolExecutor, close: Callable[[], None], within_s: float) -> None:
        if not self._last:  # else the threads have ended, and nothing is open
            await in_thread(thread, close, within_s, self._reach, self._clock, surely=True)

    async def _read_depths(self, each: Sequence[Sequence[str]]) -> Depths:
        self._pause.check()  # also for looks that have waited for the reading that failed
        asked_at = self._clock.monotonic()
        try:
            with self._requests.to(Target.BROKER):
                answer = await self._in(self._depth_thread, lambda: self._depths.read(*each))
        except BrokerError as error:
            self._pause.failed(error)
            raise
        self._pause.ended()
        self._seen_at["depths"] = asked_at
        return answer

    def _fresh_statistics(self) -> Mapping[str, Counted] | BrokerError | None:
        held_s = HOLDS.total_seconds()
        if isinstance(self._counted, dict) and self._clock.monotonic() - (self._seen_at["statistics"] or 0) > held_s:
            return BrokerUnreachable(f"the statistics are older than {held_s:g} s")
        return self._counted

    def _settings(self) -> BrokerSettings:
        known = (self._depths.version, self._celery, self._declared, self._delayed, self._unreadable)
        return BrokerSettings(*known, self._workers.expiring, self._workers.partly)

    async def is_same(self, other: Broker) -> bool | None:
        """Whether another session looks at the same virtual host of the same broker; None where a right is missing.

        Raises:
            BrokerError: one of them can't be asked now.
        """
        if not isinstance(other, BrokerSession):
            return False
        marked = contextlib.ExitStack()
        try:
            name = await self._in(self._depth_thread, lambda: marked.enter_context(self._mark()))
            return await other._in(other._depth_thread, lambda: other._depths.sees(name))  # noqa: SLF001 - of its kind
        except RightMissing:
            return None
        finally:
            with contextlib.suppress(BrokerError):
                await self._surely(self._depth_thread, marked.close, WITHIN_S)

    def _mark(self) -> contextlib.AbstractContextManager[str]:
        return self._depths.mark(self._control_exchange)

    def ask(self, who: Hashable, questions: Questions) -> None:
        """Ask this from now on, in the background; replaces what the same one wanted before.

        Args:
            who: asks; several may share a broker.
            questions: theirs.
        """
        wanted = self._schedule.want(who, questions)
        if not wanted:
            self._mute = None  # with no worker to ask, nothing would find out
        self._answers.keep_only(wanted)

    async def cancel_consumers(self, node: str, queues: Sequence[str]) -> None:
        """Tell one worker to take nothing more from these queues.

        Raises:
            BrokerError: the request could not be sent.
        """
        await self._in(self._worker_thread, lambda: self._workers.cancel_consumers(node, queues))
        self._answers.cancelled(node, queues)

    async def add_consumers(self, node: str, queues: Sequence[str]) -> None:
        """Tell one worker to consume these queues again, and those of its own that it was asked to leave.

        Raises:
            BrokerError: the request could not be sent.
        """
        every = self._answers.to_return(node, queues)
        await self._in(self._worker_thread, lambda: self._workers.add_consumers(node, every))
        self._answers.returns(node)

    def start(self) -> None:
        """Begin to read statistics and workers in the background."""
        self._tasks = [
            asyncio.create_task(self._ask_workers(), name="workers"),
            asyncio.create_task(self._read_delayed(), name="delayed"),
        ]
        if self._endpoints:
            self._tasks.append(asyncio.create_task(self._read_declarations(), name="declarations"))
        if self._statistics is not None:
            self._tasks.append(asyncio.create_task(self._read_statistics(self._statistics), name="statistics"))

    async def close(self) -> None:
        """Stop the background and leave nothing on the broker."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        closing = [(self._depth_thread, self._depths.close), (self._worker_thread, self._workers.close)]
        # One that fell silent is left to its thread, which closes also what it was about to open.
        await asyncio.gather(
            *(self._surely(thread, close, CLOSED_WITHIN_S) for thread, close in closing), return_exceptions=True
        )
        loop = asyncio.get_running_loop()
        threads = (self._depth_thread, self._worker_thread, *self._names.threads)
        self._last = [loop.run_in_executor(thread, _nothing) for thread in threads]
        for thread in threads:
            thread.shutdown(wait=False)

    async def ended(self) -> None:
        """Wait, after it was closed, until its threads have done what they do: a silent broker holds them for long."""
        await asyncio.gather(*self._last)

    async def _ask_workers(self) -> None:
        pause = Pause(self._clock)
        while True:
            # A worker that was not heard counts as busy, so a failure needs nothing but time.
            due = (
                None
                if pause.lasts
                else self._schedule.due(now := self._clock.monotonic(), self._answers.wanting_a_closer_look(now))
            )
            with self._goes_on("workers"):
                if due is not None and due.closely:
                    await self._ask_closely(due, pause)
                elif due is not None:
                    await (self._ask_beats() if due.beats else self._ask_once(due, pause))
                elif self._workers.idle:
                    await self._in(self._worker_thread, self._workers.close)
            await self._clock.sleep(self._every.looks_for_work_s)

    async def _ask_once(self, due: Round, pause: Pause) -> None:
        asked_at = self._clock.monotonic()
        try:
            if due.around:
                self._around = await self._in(self._worker_thread, self._workers.consuming)
            with self._requests.to(Target.REMOTE_CONTROL):
                answers = await self._in(
                    self._worker_thread,
                    lambda: self._workers.holdings(due.nodes, queues=True, learning=True, all_workers=due.learning),
                )
        except BrokerError as error:
            self._mute = error
            pause.failed(error)
            self._schedule.failed()
            return
        self._mute = None
        pause.ended()
        if answers:
            self._seen_at["workers"] = asked_at
        self._answers.take(due.nodes, answers, asked_at)
        if due.learning:
            self._unreadable = self._workers.unreadable  # all were asked
            await self._ask_for_advice(next(iter(sorted(answers)), None))

    async def _ask_closely(self, due: Round, pause: Pause) -> None:
        asked_at = self._clock.monotonic()
        try:
            words = await self._in(self._worker_thread, lambda: self._workers.words(due.nodes))
        except BrokerError as error:
            pause.failed(error)
        else:
            self._answers.count(due.nodes, words, asked_at)

    async def _ask_beats(self) -> None:
        """A failure says nothing of the workers, and who answered last is believed until the beats are asked again."""
        try:
            self._beats = await self._in(self._worker_thread, self._workers.beats)
        except BrokerError as error:
            logger.debug("beats not asked", extra={"broker": self._named, "because": str(error)})

    async def _ask_for_advice(self, node: str | None) -> None:
        """What advice alone needs; last, so that no other word of a worker is lost with it."""
        with contextlib.suppress(BrokerError):
            await self._in(self._worker_thread, self._workers.learn_settings)
            if node is not None and self._clock.monotonic() - self._celery_asked >= self._every.celery_s:
                self._celery_asked = self._clock.monotonic()
                self._celery = await self._in(self._worker_thread, lambda: self._workers.celery(node))

    async def _read_delayed(self) -> None:
        while True:
            read = None
            with self._goes_on("delayed tasks"), contextlib.suppress(BrokerError):  # the depths tell of it
                read = await self._in(self._depth_thread, self._depths.delayed)
            self._delayed = read
            absent = read is None and self._seen_at["depths"] is not None
            await self._clock.sleep(self._every.delayed_looked_for_s if absent else self._every.delayed_s)

    async def _read_declarations(self) -> None:
        while True:
            with self._goes_on("declarations"):
                self._declared = await declarations(self._endpoints, self._vhost, self._tls, self._names)
            await self._clock.sleep(self._every.declarations_s)

    async def _read_statistics(self, statistics: Statistics) -> None:
        while True:
            started = self._clock.monotonic()
            unreadable = BrokerUnreachable("the statistics could not be read: the operator's log has the cause")
            read: dict[str, Counted] | BrokerError = unreadable
            with self._goes_on("statistics"):
                try:
                    with self._requests.to(Target.STATISTICS):
                        read = await statistics.read()
                    self._seen_at["statistics"] = started
                except BrokerError as error:
                    read = error
            self._counted = read
            await self._clock.sleep(max(self._every.statistics_s - (self._clock.monotonic() - started), LEAST_GAP_S))

    @contextlib.contextmanager
    def _goes_on(self, what: str) -> Iterator[None]:
        """Whatever a broker or a worker says, it must not end the asking; what is missing is logged, and is no secret.

        A worker that was not heard counts as busy.
        """
        try:
            yield
        except Exception:
            logger.exception("not read", extra={"broker": self._named, "what": what})


def _nothing() -> None:
    """Is done when all that was asked of a thread before is done."""


def opened(
    credentials: Credentials,
    intervals: Intervals = INTERVALS,
    clock: Clock = CLOCK,
    reach: Reach = ROUTED,
    requests: Requests = UNTOLD,
) -> BrokerSession:
    """A session that has begun to read."""
    session = BrokerSession(credentials, intervals, clock, reach, requests)
    session.start()
    return session
