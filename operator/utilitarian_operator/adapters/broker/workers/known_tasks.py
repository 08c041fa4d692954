"""What workers say of their tasks, when they are new and now and then again, and of their settings, once."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

from utilitarian_operator.adapters.broker.workers.mailbox import AnswersBox
from utilitarian_operator.core.never_started import AFTER, IN_PROCESS
from utilitarian_operator.core.observation.expiring import Expiring, Registered, expiring, registered

K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Hashable)

REGISTERED = "registered"
OF_TASKS = ["rate_limit", "expires", "acks_late", "queue"]
"""What is asked of each worker about its tasks: messages that wait for a rate limit stand in none of its other answers,
and some that it acknowledges early stand among the active ones for ever."""

SETTINGS = "conf"
"""Asked of one worker of each kind that is new: its application's schedule and routes tell which tasks expire."""

AGAIN_EACH_S = 30.0
"""After which a worker is asked for its tasks again: a person may give one a rate limit while workers run (Celery's
`rate_limit`, as Flower sends it), and a container that starts anew in its pod has none of those."""

MOST_AGAIN = 20
"""Workers that are asked for them again at a time: the answers may be large, and nothing else waits for them."""

MOST_AT_ONCE = 4
"""Workers that are asked for their settings at a time: an application may have large ones."""

MOST_KEPT = 4 * 1024**2
"""Characters of names of tasks that are kept of one broker's workers; what many of them say alike is kept once."""

MOST_EXPIRING = 10_000
"""Queues of one broker of which it is kept what expires in them; what was said longest ago is forgotten first."""


@dataclass(frozen=True, slots=True)
class Tasks:
    """Names of tasks of one worker, learned once.

    Args:
        limited: those with a rate limit.
        acked_early: those that it acknowledges at their start, and doesn't begin where that fails.
        begins: until one of those is acknowledged; one that is not never began.
    """

    limited: frozenset[str] = frozenset()
    acked_early: frozenset[str] = frozenset()
    begins: timedelta = AFTER


class KnownTasks:
    """The tasks of one broker's workers.

    Args:
        begins: how long a task may take to begin.
    """

    def __init__(self, begins: timedelta) -> None:
        self._begins = begins
        self._tasks: dict[str, Tasks] = {}
        self._asked_at: dict[str, float] = {}
        self._expiring: dict[frozenset[str], tuple[Expiring, ...]] = {}
        self._unasked: dict[frozenset[str], tuple[str, tuple[Registered, ...]]] = {}

    @property
    def has_new(self) -> bool:
        """Whether some worker is to be asked for its settings."""
        return bool(self._unasked)

    @property
    def expiring(self) -> tuple[Expiring, ...]:
        """What expires in each queue, by the word of the workers that were asked last; also when they have gone."""
        return tuple(it for told in self._expiring.values() for it in told)

    def of(self, node: str) -> Tasks:
        """What a worker has said of its tasks; nothing where it was not asked yet."""
        return self._tasks.get(node, Tasks())

    def learn(
        self,
        mailbox: AnswersBox,
        stats: Mapping[str, Mapping[str, Any]],
        consumed: Mapping[str, tuple[str, ...]],
        *,
        forget: bool,
        now: float,
    ) -> None:
        """Ask the workers that are new, and some of those again that were asked longest ago.

        Args:
            mailbox: to ask them by.
            stats: what each worker that answers has said of itself, by node name.
            consumed: the queues that each consumes.
            forget: whether no other workers are there: what others have said of their tasks is forgotten.
            now: seconds of a clock that never goes back.
        """
        unasked = [node for node in stats if node not in self._tasks]
        again = self._to_be_asked_again(stats, now)
        answers = mailbox.ask(REGISTERED, [*unasked, *again], taskinfoitems=OF_TASKS, builtins=True)
        told = {node: tuple(map(registered, lines)) for node, lines in answers.items()}
        heard = {node: tasks_of(tasks, stats[node], self._begins) for node, tasks in told.items()}
        known = self._tasks | {node: self._with_former(node, it, stats[node], now) for node, it in heard.items()}
        self._asked_at |= dict.fromkeys([*unasked, *again], now)
        known = {node: tasks for node, tasks in known.items() if node in stats or not forget}
        fit = _fitting(known, lambda it: (*it.limited, *it.acked_early))
        self._tasks = {node: fit.get(node, Tasks(begins=self._begins)) for node in known}
        self._asked_at = {node: at for node, at in self._asked_at.items() if node in known}
        first = sorted(told.keys() - set(again))
        new = {frozenset(consumed[node]): (node, told[node]) for node in first if consumed.get(node)}
        waiting = self._unasked | new
        fitting = _fitting({it: tasks for it, (_, tasks) in waiting.items()}, lambda it: [task.name for task in it])
        self._unasked = {it: (waiting[it][0], tasks) for it, tasks in fitting.items()}

    def _to_be_asked_again(self, there: Iterable[str], now: float) -> list[str]:
        """Those whose word on their tasks is old, the oldest first; what they said stays where they are silent now."""
        old = [node for node in there if node in self._tasks and now - self._asked_at[node] >= AGAIN_EACH_S]
        return sorted(old, key=self._asked_at.__getitem__)[:MOST_AGAIN]

    def _with_former(self, node: str, tasks: Tasks, stats: Mapping[str, Any], now: float) -> Tasks:
        """What a worker says, with the limits that its process had: what waits for one waits on when it was taken away.

        Celery gives a task a new bucket then, and the messages in the old one go on by the old limit.
        """
        before, up_s = self._tasks.get(node), stats.get("uptime")
        is_new = up_s is not None and now - up_s - 1 > self._asked_at.get(node, now)  # its seconds are whole ones
        return tasks if before is None or is_new else replace(tasks, limited=tasks.limited | before.limited)

    def ask_settings(self, mailbox: AnswersBox) -> None:
        """Ask some of the new workers, one of each set of queues, for its settings, once, whatever comes of it.

        They replace what was said of these queues before; all but what expires is thrown away at once. They may be
        large: who calls sees to it that nothing else fails with it.
        """
        some = dict(list(self._unasked.items())[:MOST_AT_ONCE])
        self._unasked = {queues: it for queues, it in self._unasked.items() if queues not in some}
        answers = mailbox.ask(SETTINGS, sorted(node for node, _ in some.values()))
        for queues, (node, tasks) in some.items():
            if node in answers:
                kept = {it: told for it, told in self._expiring.items() if it.isdisjoint(queues)}
                self._expiring = kept | {queues: expiring(answers[node], tasks)}
        while sum(map(len, self._expiring.values())) > MOST_EXPIRING:
            del self._expiring[next(iter(self._expiring))]


def _fitting(told: Mapping[K, V], names: Callable[[V], Iterable[str]]) -> dict[K, V]:
    """As many as may be kept, the first ones first; what is equal is kept once."""
    once, fitting, left = dict[V, V](), dict[K, V](), MOST_KEPT
    for who, it in told.items():
        size = 0 if it in once else sum(map(len, names(it)))
        if size <= left:
            left -= size
            fitting[who] = once.setdefault(it, it)
    return fitting


def tasks_of(told: Iterable[Registered], stats: Mapping[str, Any], begins: timedelta) -> Tasks:
    """What is kept of a worker's word on its tasks.

    Args:
        told: of each task.
        stats: of the worker.
        begins: how long a task may take to begin.
    """
    in_process = stats.get("pool", {}).get("implementation") in IN_PROCESS
    every = tuple(told)
    return Tasks(
        limited=frozenset(task.name for task in every if task.limited),
        acked_early=frozenset(task.name for task in every if in_process and task.acked_early),
        begins=begins,
    )
