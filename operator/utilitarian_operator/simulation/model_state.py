"""The state of the model of a pool, and what can be seen of it at a moment."""

from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from math import inf

from utilitarian_operator.simulation.load.arrivals import Tasks
from utilitarian_operator.simulation.worker import SERVING, STARTING, Account, Event, Kind, State, Worker


class ModelState:
    """The workers of a pool and the tasks that they serve, as they are now.

    Args:
        tasks: of the whole load.
        kind: of worker.
        start_up: seconds of each worker's start-up, in turn; of one that starts alone where they share a node.
    """

    def __init__(self, tasks: Tasks, kind: Kind, start_up: Iterator[float]) -> None:
        self.tasks, self.kind = tasks, kind
        self.at = array("d", tasks.at)
        self.at.append(inf)
        self.began_at = array("d", [-1.0]) * len(tasks.at)
        self.head = self.completed = 0
        self.clock = self.spent = self.emptied = 0.0
        self.returned: deque[int] = deque()
        self.deferred: set[int] = set()
        self.workers: list[Worker] = []
        self.alive: set[int] = set()
        self.in_each = [0] * len(State)
        self.free: deque[int] = deque()
        self.account = Account()
        self.lost: list[int] = []
        self.samples: list[tuple[float, int, int]] = []
        self.started_up: list[tuple[float, int]] = []
        self.ready_at: list[float] = []
        self.start_ups: list[float] = []
        self._start_up = start_up
        self._heap: list[tuple[float, int, int]] = []
        self._calendar: list[tuple[float, Event, int]] = []
        self._counted, self._counted_at = 0, -inf

    def count(self, *states: State) -> int:
        """Workers in any of these states."""
        return sum(self.in_each[state] for state in states)

    @property
    def current(self) -> int:
        """Workers asked for: those that start and serve, not those that drain."""
        return self.in_each[STARTING] + self.in_each[SERVING]

    @property
    def arrived(self) -> int:
        """Tasks that came so far; counted once for each moment, and not at all while none waits."""
        if self.at[self.head] > self.clock:
            return self.head
        if self.clock != self._counted_at:
            begin = max(self._counted, self.head) if self.clock > self._counted_at else self.head
            self._counted, self._counted_at = bisect_right(self.at, self.clock, begin), self.clock
        return self._counted

    @property
    def ready(self) -> int:
        """Messages that wait in the broker."""
        return self.arrived - self.head + len(self.returned)

    @property
    def running(self) -> int:
        """Tasks that run."""
        return len(self._heap)

    def held(self, *, fetched_only: bool = False) -> int:
        """Tasks in workers that stay: running and fetched ahead, or only the latter."""
        held = 0
        for w in self.alive:
            worker = self.workers[w]
            if worker.state is SERVING:
                held += len(worker.held) + (0 if fetched_only else worker.running)
        return held

    @property
    def idle(self) -> int:
        """Workers asked for that hold nothing."""
        return sum([self._holds_nothing(w) for w in self._staying()]) if self.alive else 0

    @property
    def used(self) -> float:
        """Slot-seconds that tasks have taken so far."""
        clock = self.clock
        return self.spent - sum([end - clock for end, _, _ in self._heap])

    @property
    def oldest(self) -> float:
        """Seconds that the longest running task has run."""
        began = self.began_at
        return self.clock - min([began[k] for _, _, k in self._heap]) if self._heap else 0.0

    @property
    def last_end(self) -> float:
        """When the last of the running tasks will end; now if none runs."""
        return max([end for end, _, _ in self._heap]) if self._heap else self.clock

    @property
    def busy_until(self) -> float:
        """Until when something ran, as far as time has passed."""
        served = [self.workers[w].idle_from for w in self.alive if self.workers[w].state is SERVING]
        return self.clock if self._heap else max(served, default=self.clock)

    @property
    def next_event(self) -> float:
        """When the next worker is ready, the next ETA is due or the next grace ends; never if nothing is to come."""
        return self._calendar[0][0] if self._calendar else inf

    @property
    def next_arrival(self) -> float:
        """When the next task comes, after all that have."""
        return self.at[self.arrived]

    def arrived_by(self, moment: float) -> int:
        """Tasks that come up to a moment."""
        return bisect_right(self.at, moment)

    def arrival(self, number: int) -> float:
        """When the task comes before which so many came; never for one too many."""
        return self.at[min(number, len(self.at) - 1)]

    def _holds_nothing(self, w: int) -> bool:
        return not (self.workers[w].running or self.workers[w].held)

    def _staying(self) -> list[int]:
        workers = self.workers
        return [w for w in self.alive if workers[w].state <= SERVING]
