"""A model of one pool's workers and its queue, exact between events.

Times are seconds since the start of the load. A task is an index into the pool's tasks; the queue is a range of
indices, so that five million tasks need no objects. A message goes to a worker with a free slot if there is one. With
early acknowledgement a worker that ends a task also fetches ahead, up to its prefetch window: those tasks wait behind
its own running ones, as in Celery.
"""

from collections import deque
from heapq import heapify, heappop, heappush, heapreplace
from math import inf

from utilitarian_operator.simulation.model_state import ModelState
from utilitarian_operator.simulation.worker import (
    DRAINING,
    GONE,
    LEAVING,
    SERVING,
    STARTING,
    Event,
    State,
    Worker,
)


class Workers(ModelState):
    """The workers of a pool and the tasks that they serve."""

    def see_start(self, count: int) -> None:
        """So many workers of the fleet start at once: those of this pool among them may be slower for it."""
        if not self.in_each[STARTING]:
            return
        for worker in (self.workers[w] for w in self.alive if self.workers[w].state is STARTING):
            worker.at_once = max(worker.at_once, count)

    def start(self, count: int, now: float) -> None:
        """Ask for more workers."""
        times = self.count(STARTING) + count if self.kind.crowded else 1
        for _ in range(count):
            self.alive.add(len(self.workers))
            heappush(self._calendar, (now + next(self._start_up) * times, Event.READY, len(self.workers)))
            self.workers.append(Worker(now))
        self.in_each[STARTING] += count
        self.account.starts, self.account.peak = self.account.starts + count, max(self.account.peak, len(self.alive))

    def resize(self, wanted: int, now: float) -> None:
        """Have so many workers: drain those that lose least, or take draining ones back and start more."""
        current = self.current
        if wanted == current:
            return
        self.account.changes += 1
        if wanted > current:
            draining = [w for w in self.alive if self.workers[w].state is DRAINING]
            back = sorted(draining, key=self._burden, reverse=True)[: wanted - current]
            for w in back:
                self._take_back(w)
            self.start(wanted - current - len(back), now)
        for w in sorted(self._staying(), key=self._burden)[: max(current - wanted, 0)]:
            self.drain(w, now)
        self._forget_deferred()

    def stop_newest(self, count: int, now: float, grace: float) -> None:
        """Stop workers as a ReplicaSet does: those not ready first, then the newest; killed after the grace."""
        if count <= 0:
            return
        self.account.changes += 1
        newest = sorted(self._staying(), key=lambda w: (self.workers[w].state, -self.workers[w].began, -w))
        for w in newest[:count]:
            self._give_back(w)
            self.drain(w, now)
            if self.workers[w].state is DRAINING:
                heappush(self._calendar, (now + grace, Event.END, w))
        self._forget_deferred()

    def drain(self, w: int, now: float) -> None:
        """Have a worker take no new task, and leave when it holds none."""
        if (worker := self.workers[w]).state is SERVING:
            self.free = deque(other for other in self.free if other != w)
        if self._holds_nothing(w):
            self._see_off(w, now)
        else:
            self._turn(worker, DRAINING)

    def kill(self, w: int, now: float) -> None:
        """End a worker at once: what it runs is interrupted, what it fetched ahead goes back to the queue."""
        mine = [entry for entry in self._heap if entry[1] == w]
        self._give_back(w)
        if mine:
            self._heap = [entry for entry in self._heap if entry[1] != w]
            heapify(self._heap)
            self.workers[w].running, self.workers[w].idle_from = 0, now
        for end, _, k in mine:
            self.account.interrupted += 1
            self.spent -= end - now
            (self.returned if self.kind.acks_late else self.lost).append(k)
        self.free = deque(other for other in self.free if other != w)
        self._leave(w, now)
        self._forget_deferred()

    def advance(self, until: float) -> None:
        """Let time pass: tasks come, start and end, workers become ready, drain and go."""
        while True:
            target = min(until, self.next_event)
            if self._play(target) < target:
                continue  # a task with an ETA was put on the calendar before the target
            if self.next_event > target:
                break
            self.clock, event, which = heappop(self._calendar)
            self._happen(event, which)
        self.clock = max(self.clock, until)

    def coast(self, limit: float, at_most: int, patience: float) -> int:
        """Let time pass while one worker serves and no look is needed; returns the most tasks that ran together.

        Stops at `limit`, before a task that would make more than `at_most`, or when nothing is left for longer than
        `patience` seconds. The worker must be alone, without anything fetched ahead, and `at_most` within its slots.
        """
        (w,) = self.alive
        worker, heap, at, seconds, began = self.workers[w], self._heap, self.at, self.tasks.seconds, self.began_at
        limit, most = min(limit, self.next_event), len(heap)
        head, clock, completed, spent = self.head, self.clock, self.completed, self.spent
        empty_from, idle = (clock if heap else worker.idle_from), 0.0
        while True:
            now = at[head]
            bound = min(limit, now)
            while heap and heap[0][0] <= bound:
                clock = empty_from = heappop(heap)[0]
                completed += 1
            if (not heap and now - empty_from > patience) or now > limit or len(heap) >= at_most:
                break
            if not heap:
                idle += now - empty_from
                self.emptied = now
            clock = began[head] = now
            spent += seconds[head]
            heappush(heap, (now + seconds[head], w, head))
            head += 1
            most = max(most, len(heap))
        self.account.idle += idle
        worker.running, worker.idle_from = len(heap), empty_from
        self.free = deque([w] * (self.kind.concurrency - len(heap)))
        self.head, self.clock, self.completed, self.spent = head, clock, completed, spent
        if heap or now - empty_from <= patience:
            self.clock = max(clock, min(now, limit))
        return most

    def _turn(self, worker: Worker, state: State) -> None:
        self.in_each[worker.state] -= 1
        self.in_each[state] += 1
        worker.state = state

    def close(self) -> None:
        """Count what the workers cost that are still there."""
        for w in list(self.alive):
            self._leave(w, self.clock)

    def _burden(self, w: int) -> tuple[int, int, int]:
        return (worker := self.workers[w]).state, worker.running + len(worker.held), -w

    def _take_back(self, w: int) -> None:
        self._turn(worker := self.workers[w], SERVING)
        self.free.extend([w] * (self.kind.concurrency - worker.running))

    def _give_back(self, w: int) -> None:
        self.returned.extend(self.workers[w].held)
        self.workers[w].held.clear()

    def _forget_deferred(self) -> None:
        """Without any worker, tasks that wait for their time wait in the queue."""
        if self.deferred and not self.count(SERVING):
            self.returned.extend(sorted(self.deferred))
            self.deferred.clear()

    def _see_off(self, w: int, now: float) -> None:
        """A worker that is to go holds nothing: it goes when that has been seen."""
        if not self.kind.departure:
            self._leave(w, now)
        else:
            worker = self.workers[w]
            worker.idle_from = now if worker.state is STARTING else worker.idle_from
            self._turn(worker, LEAVING)
            heappush(self._calendar, (now + self.kind.departure, Event.END, w))

    def _leave(self, w: int, now: float) -> None:
        if (worker := self.workers[w]).state is not STARTING and not worker.running:
            self.account.idle += now - worker.idle_from
        self._turn(worker, GONE)
        self.alive.discard(w)
        self.account.worker_seconds += now - worker.began
        self.samples.append((now, self.ready + self.held(), len(self.alive)))

    def _happen(self, event: Event, which: int) -> None:
        if event is Event.DUE:
            if which in self.deferred:
                self.deferred.discard(which)
                self.at[which] = self.clock
                self.returned.append(which)
        elif event is Event.READY:
            if (worker := self.workers[which]).state is STARTING:
                self._turn(worker, SERVING)
                worker.idle_from = self.clock
                self.started_up.append((self.clock - worker.began, worker.at_once))
                self.ready_at.append(self.clock)
                self.start_ups.append(self.clock - worker.began)
                self.free.extend([which] * self.kind.concurrency)
        elif self.workers[which].state in {DRAINING, LEAVING}:
            self.kill(which, self.clock)

    def _defer(self, k: int, now: float) -> bool:
        """Whether a task waits for its time in the worker that fetched it."""
        due = self.tasks.eta.get(k)
        if due is None or due <= now:
            return False
        self.deferred.add(k)
        heappush(self._calendar, (due, Event.DUE, k))
        return True

    def _play(self, until: float) -> float:
        """Play arrivals and ends up to a moment before which no event is due; returns how far it came."""
        while True:
            until = self._begin(until)
            if not self._end(until):
                return until

    def _begin(self, until: float) -> float:
        """Begin waiting tasks in free slots, up to the next end; returns `until`, or when the first ETA is due."""
        at, seconds, eta, heap, free = self.at, self.tasks.seconds, self.tasks.eta, self._heap, self.free
        if not (eta or self.returned):
            self._begin_arrived(until)
            return until
        end = heap[0][0] if heap else inf
        while free:
            now = self.clock if self.returned else at[self.head]
            if now > end or now > until:
                break
            self.clock = now = max(self.clock, now)
            k = self.returned.popleft() if self.returned else self._next()
            if eta and k in eta and self._defer(k, now):
                until = min(until, eta[k])
                continue
            w = free.popleft()
            worker = self.workers[w]
            if not worker.running:
                self.account.idle += now - worker.idle_from
            if not heap:
                self.emptied = now
            worker.running += 1
            self.began_at[k] = now
            self.spent += seconds[k]
            heappush(heap, (now + seconds[k], w, k))
            end = heap[0][0]
        return until

    def _begin_arrived(self, until: float) -> None:
        """The same where no task has an ETA and none was returned, which is so nearly always: in their order."""
        at, seconds, began, heap = self.at, self.tasks.seconds, self.began_at, self._heap
        workers, free, account, head, clock, spent = (
            self.workers,
            self.free,
            self.account,
            self.head,
            self.clock,
            self.spent,
        )
        end = heap[0][0] if heap else inf
        while free and at[head] <= end and at[head] <= until:
            clock = now = max(clock, at[head])
            w = free.popleft()
            worker = workers[w]
            if not worker.running:
                account.idle += now - worker.idle_from
            if not heap:
                self.emptied = now
            worker.running += 1
            began[head] = now
            spent += seconds[head]
            heappush(heap, (now + seconds[head], w, head))
            head += 1
            end = heap[0][0]
        self.head, self.clock, self.spent = head, clock, spent

    def _next(self) -> int:
        self.head += 1
        return self.head - 1

    def _end(self, until: float) -> bool:
        """Play ends, and the begin of the next task in each slot; whether a task can begin before the next end."""
        at, seconds, began, heap, returned = self.at, self.tasks.seconds, self.began_at, self._heap, self.returned
        ahead, plain, workers = 0 if self.tasks.eta else self.kind.fetched_ahead, not self.tasks.eta, self.workers
        head, completed, spent, serving, more = self.head, self.completed, self.spent, SERVING, False
        while heap and heap[0][0] <= until:
            now, w, k = heap[0]
            completed += 1
            worker = workers[w]
            held = worker.held
            if held:
                k = held.popleft()
            elif at[head] <= now and worker.state is serving and plain and not returned:
                k = head
                head += 1
            else:
                heappop(heap)
                self._freed(w, now)
                more = bool(returned) or at[head] <= (min(heap[0][0], until) if heap else until)
                if more:
                    break
                continue
            began[k] = now
            spent += seconds[k]
            heapreplace(heap, (now + seconds[k], w, k))
            if ahead and worker.state is serving:
                while len(held) < ahead and at[head] <= now:
                    held.append(head)
                    head += 1
        self.head, self.completed, self.spent = head, completed, spent
        return more

    def _freed(self, w: int, now: float) -> None:
        """A slot is free: its worker may be idle now, or gone."""
        self.clock, worker = now, self.workers[w]
        worker.running -= 1
        if worker.state is SERVING:
            self.free.append(w)
        if worker.running:
            return
        worker.idle_from = now
        if worker.state is DRAINING and not worker.held:
            self._see_off(w, now)
