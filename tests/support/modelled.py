"""Plays a real run of the demonstration again in the simulator's model of a fleet; it runs nothing real."""

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import cycle
from statistics import mean

from demo.broker import Sent
from demo.report import ScaleUp
from utilitarian.reckoning import Ledger
from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.core.record import Look
from utilitarian_operator.simulation.arrivals import Tasks
from utilitarian_operator.simulation.engine import Engine
from utilitarian_operator.simulation.fleet import Workers
from utilitarian_operator.simulation.replay import memories_after, worker_seconds
from utilitarian_operator.simulation.worker import Kind


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
    since = [look for look in looks if look.circumstances.now.timestamp() >= run.begins]
    return {pool: seconds for pool, seconds in worker_seconds(since).items() if pool in pools}


def modelled(fleet: Fleet, run: Run, looks: Sequence[Look], pools: Collection[str]) -> dict[str, float]:
    """The same by the model: the real tasks and the measured start-up of each pool, and what its engine makes of them.

    Args:
        fleet: the effective spec.
        run: what really happened.
        looks: of the operator; those before the first task tell what it had learned by then.
        pools: that tasks were sent to.
    """
    chosen = replace(fleet, pools=tuple(pool for pool in fleet.pools if pool.name in pools))
    before = [look for look in looks if look.circumstances.now.timestamp() < run.begins]
    learned = memories_after(fleet, before)
    until = looks[-1].circumstances.now.timestamp() - run.begins
    workers = {pool.name: _workers(pool, run) for pool in chosen.pools}
    engine = Engine(chosen, workers, datetime.fromtimestamp(run.begins, UTC), until, every_tick=True)
    for name, lane in engine.lanes.items():
        lane.memory = learned[name]
    engine.advance(until)
    for model in workers.values():
        model.advance(until)
        model.close()
    return {name: model.account.worker_seconds for name, model in workers.items()}


def _workers(pool: Pool, run: Run) -> Workers:
    sent = [lot for lot in run.sent if lot.queue in pool.queues]
    lasted = _seconds(run.ledger)
    tasks = [(lot.first_at - run.begins, lasted[task]) for lot in sent for task in lot.ids]
    at, seconds = array("d", (when for when, _ in tasks)), array("d", (length for _, length in tasks))
    slots = pool.worker.concurrency
    patience = max(pool.scaling.idle_after, pool.scaling.stabilization).total_seconds()
    kind = Kind(slots, slots * pool.worker.prefetch_multiplier, acks_late=False, patience=patience)
    return Workers(Tasks(at, seconds, bytearray(len(tasks)), pool.queues, {}), kind, _start_ups(pool, run, sent))


def _seconds(ledger: Ledger) -> Mapping[str, float]:
    starts = {record.task_id: record.at for record in ledger.records if record.event == "start"}
    ends = {record.task_id: record.at for record in ledger.records if record.event == "end"}
    return {task: ends[task] - starts[task] for task in ends}


def _start_ups(pool: Pool, run: Run, sent: Sequence[Sent]) -> Iterator[float]:
    """From the first request to each worker's first task; the mean for all."""
    asked = min(up.at for up in run.scale_ups if up.pool == pool.name and up.at >= run.begins)
    ids = {task for lot in sent for task in lot.ids}
    first: dict[str, float] = {}
    for record in run.ledger.records:
        if record.event == "start" and record.task_id in ids:
            first.setdefault(record.hostname, record.at)
    return cycle([mean(first.values()) - asked])
