"""Plays a real run of the demonstration again in the simulator's model of a fleet; it runs nothing real."""

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, repeat
from math import inf
from statistics import mean

from demo.broker import Sent
from demo.report import ScaleUp
from utilitarian.reckoning import Ledger
from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.core.observation.model.figures import Unknown
from utilitarian_operator.core.sizing.decision_record import Look
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.simulation.engine import Engine
from utilitarian_operator.simulation.lane import Lane
from utilitarian_operator.simulation.load.arrivals import Tasks
from utilitarian_operator.simulation.load.workload import DEPARTURE
from utilitarian_operator.simulation.pool_model import Workers
from utilitarian_operator.simulation.replay import memories_after, worker_seconds
from utilitarian_operator.simulation.worker import Kind

DEPARTING_LOOKS = 4
"""Looks after the one that chose a worker: told, seen empty, released, scaled down by it."""

_LEARNED = ("arrived", "completed", "running", "slot_seconds", "longest_s", "started_up", "started_together")


@dataclass(frozen=True)
class Run:
    """What really happened: what was sent, each start and end of a task, and the requests for more workers."""

    sent: Sequence[Sent]
    ledger: Ledger
    scale_ups: Sequence[ScaleUp]

    @property
    def begins(self) -> float:
        """When the first task was sent, seconds since the epoch."""
        return min(sent.first_at for sent in self.sent)


def observed(run: Run, looks: Sequence[Look], pools: Collection[str]) -> dict[str, float]:
    """Worker-seconds by pool from the first task on, as the operator saw them."""
    since = [look for look in looks if look.context.now.timestamp() >= run.begins]
    return {pool: seconds for pool, seconds in worker_seconds(since).items() if pool in pools}


def modelled(fleet: Fleet, run: Run, looks: Sequence[Look], pools: Collection[str]) -> dict[str, float]:
    """The same by the model: the real tasks, looks and start-ups, and what the model's engine makes of them.

    Args:
        fleet: the effective spec.
        run: what really happened.
        looks: of the operator; those before the first task tell what it had learned by then.
        pools: that tasks were sent to.
    """
    chosen = replace(fleet, pools=tuple(pool for pool in fleet.pools if pool.name in pools))
    learned = memories_after(fleet, (look for look in looks if _at(look, run) < 0))
    moments = [_at(look, run) for look in looks if _at(look, run) >= 0]
    workers = {pool.name: _workers(pool, run, moments) for pool in chosen.pools}
    engine = _Replay(chosen, workers, datetime.fromtimestamp(run.begins, UTC), moments[-1], moments)
    engine.seen = {at: look.seen for at, look in zip(moments, looks[-len(moments) :], strict=True)}
    for name, lane in engine.lanes.items():
        lane.memory = learned[name]
    engine.advance(moments[-1])
    for model in workers.values():
        model.advance(moments[-1])
        model.close()
    return {name: model.account.worker_seconds for name, model in workers.items()}


class _Replay(Engine):
    """The model's engine, that learns what the real one learned, and misses the workers' word when that did.

    How many workers there are and what waits in them and in the queue is the model's own.
    """

    seen: Mapping[float, Mapping[str, Facts]]

    def _facts(self, lane: Lane, since: int) -> Facts:
        modelled, real = super()._facts(lane, since), self.seen[lane.workers.clock][lane.pool.name]
        facts = replace(modelled, **{name: getattr(real, name) for name in _LEARNED})
        if not isinstance(real.work, Unknown):
            return facts
        known = real.at_least - real.ready if isinstance(real.ready, int) and real.at_least is not None else 0
        certain = lane.workers.ready + min(max(known, 0), lane.workers.held())
        return replace(facts, work=real.work, at_least=certain, idle=min(facts.idle, real.idle))


class _Workers(Workers):
    """Workers that go at the pace of the real looks: chosen, told, seen empty and released at one each."""

    looks: Sequence[float]

    def gone_at(self, emptied: float) -> float:
        after = [at for at in self.looks if at > emptied]
        return max(
            emptied + DEPARTURE.total_seconds(), after[DEPARTING_LOOKS - 1] if len(after) >= DEPARTING_LOOKS else inf
        )


def _at(look: Look, run: Run) -> float:
    """Seconds from the first task to a look."""
    return look.context.now.timestamp() - run.begins


def _workers(pool: Pool, run: Run, looks: Sequence[float]) -> Workers:
    sent = [lot for lot in run.sent if lot.queue in pool.queues]
    lasted = _seconds(run.ledger)
    tasks = sorted(
        (at - run.begins, lasted[task]) for lot in sent for task, at in zip(lot.ids, lot.sent_at, strict=True)
    )
    at, seconds = array("d", (when for when, _ in tasks)), array("d", (length for _, length in tasks))
    slots = pool.worker.concurrency
    kind = Kind(slots, slots * pool.worker.prefetch_multiplier, acks_late=False, departure=DEPARTURE.total_seconds())
    model = _Workers(Tasks(at, seconds, bytearray(len(tasks)), pool.queues, {}), kind, _start_ups(pool, run, looks))
    model.looks = looks
    return model


def _seconds(ledger: Ledger) -> Mapping[str, float]:
    starts = {record.task_id: record.at for record in ledger.records if record.event == "start"}
    ends = {record.task_id: record.at for record in ledger.records if record.event == "end"}
    return {task: ends[task] - starts[task] for task in ends}


def _start_ups(pool: Pool, run: Run, looks: Sequence[float]) -> Iterator[float]:
    """From the look that asked for it to its first task, for each worker in turn; the mean for those that had none."""
    requests = [up for up in run.scale_ups if up.pool == pool.name and up.at >= run.begins]
    asked = [
        max(at for at in looks if at <= up.at - run.begins) for up in requests for _ in range(up.after - up.before)
    ]
    ids = {task for lot in run.sent if lot.queue in pool.queues for task in lot.ids}
    first: dict[str, float] = {}
    for record in run.ledger.records:
        if record.event == "start" and record.task_id in ids:
            first.setdefault(record.hostname, record.at - run.begins)
    measured = [began - at for at, began in zip(asked, sorted(first.values()), strict=False)]
    return chain(measured, repeat(mean(measured)))
