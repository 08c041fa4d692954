"""What Celery workers say of themselves over remote control, kept as counts and names, never arguments.

A question is a fanout message to every worker of the broker, whatever its destination: who calls bounds the rate.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kombu import Connection

from utilitarian_operator.adapters.broker.bounded.failures import broker_errors
from utilitarian_operator.adapters.broker.connection import connect, release
from utilitarian_operator.adapters.broker.timing import (
    CLOCK,
    Clock,
)
from utilitarian_operator.adapters.broker.tls import SYSTEM, Tls
from utilitarian_operator.adapters.broker.workers.known_tasks import KnownTasks, Tasks
from utilitarian_operator.adapters.broker.workers.mailbox import AnswersBox
from utilitarian_operator.adapters.intervals import (
    INTERVALS,
    Intervals,
)
from utilitarian_operator.core.never_started import surely_run
from utilitarian_operator.core.observation.counted.worked import Word
from utilitarian_operator.core.observation.expiring import Expiring
from utilitarian_operator.core.observation.model.pod import WorkerLoad
from utilitarian_operator.core.observation.own_queues import own, passing, single
from utilitarian_operator.errors import BrokerBlocked, BrokerError, BrokerUnreachable

GLANCES, GLANCE_EACH_S = 3, 0.08
"""Looks at what runs in one closer look: the shortest tasks are seen in one of them as often as not."""

GLANCE_S = 0.01
"""To look whether the broker has said something."""

ACTIVE = "active"
AS_TEXT: Mapping[str, Any] = {"safe": True}
"""Of a task that runs, its arguments as its sender has shortened them: an answer with others may be large, and a worker
gives none where they are no JSON (a pickled task). Of tasks that wait Celery tells them in any case."""

QUESTIONS = ("scheduled", "reserved", ACTIVE)
"""In the order in which a task moves: asked the other way round, one that moves on meanwhile would be seen nowhere."""

QUEUES = "active_queues"
"""Asked before the others: a worker that has cancelled its consumers then gets nothing new between two answers."""

REPORT = "report"
LEARNING = "stats"
"""One more question, whose answer is larger: how many tasks the worker has begun."""

ALONE = "celery.concurrency.solo:TaskPool"
"""The pool, as a worker's statistics name it, that runs tasks in the thread that answers."""

BEATS = "celerybeat@*"
"""Names of Celery's beats (5.7 and later, with beat_enable_remote_control), which answer a ping and nothing else."""

FARTHEST = timedelta(days=365)
"""A task's own time that is further away says no more to a pool, and all that is reckoned from it has its place in the
calendar: an application may write the year 9999 for never."""

REMEDY = "remote control needs configure, write and read on {0}.pidbox, reply.{0}.pidbox, *.reply.{0}.pidbox".format
"""What to do where the broker refuses it; of the application's control_exchange."""

BLOCKED = "the broker takes no messages (a memory or disk alarm): no worker can be asked"


class RemoteControl:
    """One connection to the workers' mailbox; not thread-safe, to be used from one thread.

    Args:
        url: of the broker with user and password.
        tls: certificates for amqps://.
        exchange: the application's `control_exchange`, Celery's own unless given.
        every: how long a connection may be idle, and how long a task may take to begin.
        clock: time.
    """

    def __init__(
        self,
        url: str,
        tls: Tls = SYSTEM,
        exchange: str = "celery",
        every: Intervals = INTERVALS,
        clock: Clock = CLOCK,
    ) -> None:
        self._url, self._tls, self._exchange = url, tls, exchange
        self._every, self._clock = every, clock
        self.unreadable: frozenset[str] = frozenset()
        """Content types of answers to the last `holdings` that are not read: whatever is no JSON is never decoded."""
        self.partly: frozenset[str] = frozenset()
        """Workers that said which queues they consume when they were asked last, and not what they hold."""
        self._connection: Connection | None = None
        self._mailbox: AnswersBox | None = None
        self._blocked = False
        self._used_at = 0.0
        self._known = KnownTasks(timedelta(seconds=every.begins_s))

    @property
    def idle(self) -> bool:
        """Whether there is a connection that was not used for a while and should be closed."""
        return self._connection is not None and self._clock.monotonic() - self._used_at > self._every.idle_s

    @property
    def expiring(self) -> tuple[Expiring, ...]:
        """What expires in each queue, by the word of the workers that were asked last; also when they have gone."""
        return self._known.expiring

    def holdings(
        self, nodes: Sequence[str], *, queues: bool = False, learning: bool = False, all_workers: bool = False
    ) -> dict[str, WorkerLoad]:
        """What each worker holds; one that did not answer every question in time is not in the answer.

        Args:
            nodes: Celery node names, `celery@POD`.
            queues: ask also which queues each consumes.
            learning: ask also how many tasks each has begun.
            all_workers: whether no fleet asks for other workers: what is known of those workers' tasks is forgotten.

        Raises:
            BrokerUnreachable: no connection, or it broke.
            LoginRefused: user, password or virtual host are wrong.
            RightMissing: the user may not use Celery's pidbox exchanges and queues.
        """
        self.unreadable = frozenset()
        if not nodes:
            return {}
        asked = frozenset(nodes)
        with self._talking() as mailbox:
            mailbox.unreadable.clear()
            answers: dict[str, dict[str, Any]] = {}
            took: dict[str, float] = {}
            for question in (*([QUEUES] if queues else []), *QUESTIONS, *([LEARNING] if learning else [])):
                # One that is silent once is not waited for again.
                nodes = [node for node in nodes if all(node in each for each in answers.values())]
                how = AS_TEXT if question == ACTIVE else {}
                answers[question] = mailbox.ask(question, nodes, None if answers else took, **how)
            nodes = [node for node in nodes if all(node in each for each in answers.values())]
            if learning:
                stats = {node: answers[LEARNING][node] for node in nodes}
                consumed, now = _consumed(answers.get(QUEUES, {})), self._clock.monotonic()
                self._known.learn(mailbox, stats, consumed, forget=all_workers, now=now)
            self.unreadable = frozenset(mailbox.unreadable)
        others = frozenset() if all_workers else self.partly - asked
        self.partly = others | (answers.get(QUEUES, {}).keys() - set(nodes))
        held = {node: _held(answers, node, self._clock.wall(), self._known.of(node)) for node in nodes}
        return {node: replace(it, took_s=took.get(node, 0.0)) for node, it in held.items()}

    def learn_settings(self) -> None:
        """Ask new workers which of their tasks expire; apart from what they hold, which no large answer may hide.

        Raises:
            BrokerError: no worker could be asked, as in `holdings`, or one said too much.
        """
        if self._known.has_new:
            with self._talking() as mailbox:
                self._known.ask_settings(mailbox)

    def words(self, nodes: Sequence[str]) -> dict[str, Word]:
        """What each worker runs and how much it has begun, and nothing more; who does not answer is left out.

        Raises:
            BrokerError: no worker could be asked, as in `holdings`.
        """
        with self._talking() as mailbox:
            asked, took, running = self._clock.monotonic(), dict[str, float](), list[dict[str, int]]()
            for _ in range(GLANCES):
                if running:
                    self._clock.block(GLANCE_EACH_S)
                answers = {ACTIVE: mailbox.ask(ACTIVE, nodes, None if running else took, **AS_TEXT)}
                nodes, now = list(answers[ACTIVE]), self._clock.wall()
                running.append({it: len(_running(answers, it, now, self._known.of(it))) for it in nodes})
            stats = mailbox.ask(LEARNING, nodes)
        return {
            node: Word(
                asked=asked,
                begun=sum(stats[node].get("total", {}).values()),
                active=running[-1][node],
                took_s=took.get(node, 0.0),
                alone=_alone(stats[node]),
                up_s=stats[node].get("uptime"),
                mean=sum(it[node] for it in running) / len(running),
            )
            for node in stats
        }

    def consuming(self) -> dict[str, tuple[str, ...]]:
        """The queues that each worker consumes, of every worker that answers, of whatever fleet.

        Raises:
            BrokerError: no worker could be asked, as in `holdings`.
        """
        with self._talking() as mailbox:
            answers = mailbox.ask(QUEUES, None)
        return _consumed(answers)

    def beats(self) -> tuple[str, ...]:
        """The node names of the beats that answer, of whatever fleet, sorted; the same name twice counts once.

        Raises:
            BrokerError: no worker could be asked, as in `holdings`.
        """
        with self._talking() as mailbox:
            return tuple(sorted(mailbox.ping(BEATS)))

    def celery(self, node: str) -> str | None:
        """The version of Celery that a worker runs; None if it did not say. The rest of its report is thrown away.

        Raises:
            BrokerError: no worker could be asked, as in `holdings`.
        """
        try:
            with broker_errors(REMEDY(self._exchange)):
                answer = self._open().ask(REPORT, [node]).get(node)
        except BrokerError as error:
            self._close(farewell=not isinstance(error, BrokerUnreachable))
            raise
        found = re.search(r"\bcelery:(\d[\w.]*)", str((answer or {}).get("ok")))
        return found[1] if found else None

    def cancel_consumers(self, node: str, queues: Sequence[str]) -> None:
        """Tell one worker to take nothing more from these queues; it goes on with what it holds, and says no word.

        Raises:
            BrokerError: the request could not be sent.
        """
        self._tell("cancel_consumer", node, queues)

    def add_consumers(self, node: str, queues: Sequence[str]) -> None:
        """Tell one worker to consume these queues again; not for gevent workers, which may crash.

        Raises:
            BrokerError: the request could not be sent.
        """
        self._tell("add_consumer", node, queues)

    def _tell(self, command: str, node: str, queues: Sequence[str]) -> None:
        with self._talking() as mailbox:
            for queue in queues:
                mailbox.cast([node], command, {"queue": queue})

    @contextlib.contextmanager
    def _talking(self) -> Iterator[AnswersBox]:
        """The mailbox, on a connection that is closed when it fails, and kept while the broker takes no messages."""
        try:
            with broker_errors(REMEDY(self._exchange)):
                self._wait_for_flow()
                yield self._open()
        except BrokerBlocked:
            raise
        except BrokerError as error:
            if self._blocked:
                # A new connection would be blocked too, and this one stay there until the broker reads again.
                raise BrokerBlocked(BLOCKED) from error
            self._close(farewell=not isinstance(error, BrokerUnreachable))
            raise
        if self._blocked:
            raise BrokerBlocked(BLOCKED)

    def _wait_for_flow(self) -> None:
        """Look whether a broker that took no messages does again; what was asked meanwhile is forgotten."""
        if self._connection is None or not self._blocked:
            return
        try:
            while self._is_blocked():
                self._connection.drain_events(timeout=GLANCE_S)
        except TimeoutError:
            raise BrokerBlocked(BLOCKED) from None
        except Exception:
            self._blocked = False  # it broke
            raise
        self._close(farewell=True)

    def _is_blocked(self) -> bool:
        """By the broker's last word, which comes with any frame that is read."""
        return self._blocked

    def _block(self, *_: str) -> None:
        self._blocked = True

    def _unblock(self) -> None:
        self._blocked = False

    def close(self) -> None:
        """Close the connection, and with it the reply queue; the next question opens a new one."""
        self._close(farewell=True)

    def _close(self, *, farewell: bool) -> None:
        connection, self._connection, self._mailbox, self._blocked = self._connection, None, None, False
        if connection is not None:
            with contextlib.suppress(Exception):  # the broker may be gone; there is nothing left to do for it
                release(connection, farewell=farewell)

    def _open(self) -> AnswersBox:
        self._used_at = self._clock.monotonic()
        if self._mailbox is None:
            self._connection = connect(
                self._url,
                self._tls,
                "utilitarian-operator remote control",
                on_blocked=self._block,
                on_unblocked=self._unblock,
            )
            mailbox = AnswersBox(
                self._exchange, seconds=self._clock.monotonic, type="fanout", accept=["json"], serializer="json"
            )
            self._mailbox = mailbox(self._connection)
        return self._mailbox


def _held(answers: Mapping[str, Mapping[str, Any]], node: str, now: float, tasks: Tasks) -> WorkerLoad:
    active = _running(answers, node, now, tasks)
    stats = answers[LEARNING][node] if LEARNING in answers else {}
    totals = stats.get("total", {}) if stats else None
    starts = [request["time_start"] for request in active if request.get("time_start")]
    return WorkerLoad(
        active=len(active),
        acked_early=sum(bool(request.get("acknowledged")) for request in active),
        reserved=len(answers["reserved"][node]),
        scheduled=len(answers["scheduled"][node]),
        oldest_s=max(0.0, now - min(starts)) if starts else 0.0,
        begun=None if totals is None else sum(totals.values()),
        consuming=_names(answers[QUEUES][node]) if QUEUES in answers else None,
        own=own(node, answers[QUEUES][node] if QUEUES in answers else ()),
        passing=passing(answers[QUEUES][node] if QUEUES in answers else ()),
        single=single(answers[QUEUES][node] if QUEUES in answers else ()),
        first_due=min((it for task in answers["scheduled"][node] if (it := eta(task.get("eta"), now))), default=None),
        limited=not tasks.limited.isdisjoint(totals or ()),
        never_begun=len(answers["active"][node]) - len(active),
        alone=_alone(stats),
        up_s=stats.get("uptime"),
    )


def _running(
    answers: Mapping[str, Mapping[str, Any]], node: str, now: float, tasks: Tasks
) -> Sequence[Mapping[str, Any]]:
    return surely_run(answers[ACTIVE][node], tasks.acked_early, now, tasks.begins)


def _alone(stats: Mapping[str, Any]) -> bool:
    return bool(stats.get("pool", {}).get("implementation") == ALONE)


def eta(value: object, now: float) -> datetime | None:
    """The ETA of a task, as kombu's JSON brings it or as text; without a zone it is UTC, as Celery keeps it.

    Args:
        value: as a worker said it.
        now: seconds since 1970. One that is further away than can be reckoned with is `FARTHEST` from it.
    """
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    if not isinstance(moment, datetime):
        return None
    moment, around = moment if moment.tzinfo else moment.replace(tzinfo=UTC), datetime.fromtimestamp(now, UTC)
    return min(max(moment, around - FARTHEST), around + FARTHEST)


def _consumed(answers: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[str, tuple[str, ...]]:
    return {node: _names(queues) for node, queues in answers.items()}


def _names(queues: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(sorted(queue["name"] for queue in queues))
