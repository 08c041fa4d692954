"""What every `Broker` does, as cases that are tried on the fake in memory and on RabbitMQ with Celery's workers."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import pytest

from tests.support.waiting import wait_until_async
from utilitarian import routing
from utilitarian_operator.adapters.broker.seam import Broker
from utilitarian_operator.core.observation.broker import BrokerSnapshot, Depth, Questions
from utilitarian_operator.core.observation.model.pod import WorkerLoad
from utilitarian_operator.core.observation.model.queue import Counted
from utilitarian_operator.errors import BrokerError

SOON = timedelta(seconds=30)
QUEUE, NODE, OTHER = routing.DEFAULT_QUEUE, "celery@one", "celery@two"


class Stage(Protocol):
    """A broker's place that a case plays at."""

    def session(self, *, statistics: bool = False) -> AbstractAsyncContextManager[Broker]:
        """A session on it."""

    def elsewhere(self) -> AbstractAsyncContextManager[Broker]:
        """A session on another virtual host."""

    def away(self) -> AbstractAsyncContextManager[Broker]:
        """A session on a broker that doesn't answer."""

    def workers(self, *nodes: str) -> AbstractAsyncContextManager[None]:
        """Workers of one slot that consume QUEUE, for the time of the block."""

    def declare(self, queue: str) -> None:
        """Make a queue."""

    def publish(self, queue: str) -> None:
        """Put one message into a queue that nothing consumes."""

    def work(self, count: int) -> None:
        """Put tasks into QUEUE that don't end."""


async def until(broker: Broker, seen: Callable[[BrokerSnapshot], bool]) -> BrokerSnapshot:
    """What is known when it is so."""
    await wait_until_async(lambda: seen(broker.known), within=SOON, describe=lambda: broker.known)
    return broker.known


def answer(snapshot: BrokerSnapshot, node: str = NODE) -> WorkerLoad | None:
    """What a worker said, if it is recent."""
    return snapshot.answer(node, snapshot.at - SOON.total_seconds())


def now(*nodes: str) -> Questions:
    """The question what these workers hold."""
    return Questions(now=frozenset(nodes))


def has(broker: Broker, depth: Depth) -> Callable[[], bool | Awaitable[bool]]:
    """Whether QUEUE is so deep."""

    async def found() -> bool:
        return (await broker.look([QUEUE])).depths == {QUEUE: depth}

    return found


class BrokerContract:
    """Each case, on the fixture `stage` of the module that inherits it."""

    async def test_depths_are_of_this_moment(self, stage: Stage) -> None:
        stage.declare("kept")
        async with stage.session() as broker:
            before = broker.known
            assert before.cluster is None
            for count in (1, 2, 3):
                stage.publish("kept")
                seen = await broker.look(["kept", "missing"])
                assert seen.depths == {"kept": Depth(count, 0), "missing": None}
                assert (seen.failed, seen.counted) == (None, None)
            after = broker.known
            assert (after.cluster, after.depths) == (seen.cluster, {})
            assert after.cluster

    async def test_a_snapshot_does_not_change_afterwards(self, stage: Stage) -> None:
        async with stage.workers(NODE), stage.session() as broker:
            broker.ask("fleet", now(NODE))
            seen = await until(broker, lambda it: answer(it) is not None)
            before = replace(seen, answers=dict(seen.answers), samples=dict(seen.samples), worked=dict(seen.worked))
            broker.ask("fleet", Questions())
            assert answer(broker.known) is None
            assert seen == before

    async def test_statistics_are_there_where_they_are_read(self, stage: Stage) -> None:
        stage.declare("kept")
        async with stage.session(statistics=True) as broker:
            nothing = {"kept": Counted(0, 0, 0, 0)}
            seen = await until(broker, lambda it: it.counted == nothing)
            assert seen.seen_at["statistics"] is not None
            assert {it.name for it in seen.sources()} == {"depths", "workers", "statistics"}

    async def test_a_look_tells_of_its_own_queues_alone(self, stage: Stage) -> None:
        for queue in ("kept", "another"):
            stage.declare(queue)
        async with stage.session(statistics=True) as broker:
            await until(broker, lambda it: isinstance(it.counted, dict) and {"kept", "another"} <= it.counted.keys())
            seen = await broker.look(["kept", "missing"])
            assert (seen.counted, seen.depths) == (
                {"kept": Counted(0, 0, 0, 0)},
                {"kept": Depth(0, 0), "missing": None},
            )

    async def test_only_those_who_are_asked_answer(self, stage: Stage) -> None:
        async with stage.workers(NODE, OTHER), stage.session() as broker:
            assert answer(broker.known) is None
            broker.ask("fleet", now(NODE, "celery@nowhere"))
            seen = await until(broker, lambda it: answer(it) is not None)
            assert answer(seen) == seen.sample(NODE, 0.0)
            assert [answer(seen, node) for node in (OTHER, "celery@nowhere")] == [None, None]
            broker.ask("another", now(OTHER))
            await until(broker, lambda it: answer(it) is not None and answer(it, OTHER) is not None)
            broker.ask("fleet", Questions())
            assert [answer(broker.known, node) is None for node in (NODE, OTHER)] == [True, False]
            assert broker.known.mute is None

    async def test_a_worker_says_what_it_holds(self, stage: Stage) -> None:
        async with stage.workers(NODE), stage.session() as broker:
            broker.ask("fleet", now(NODE))
            stage.work(2)
            seen = await until(broker, lambda it: (held := answer(it)) is not None and held.active + held.reserved == 2)
            held = answer(seen)
            assert held is not None
            assert (held.active, held.reserved, held.unacked, held.nothing) == (1, 1, 1, False)
            assert (await broker.look([QUEUE])).depths == {QUEUE: Depth(0, 1)}

    async def test_a_worker_leaves_its_queues_and_comes_back(self, stage: Stage) -> None:
        async with stage.workers(NODE), stage.session() as broker:
            broker.ask("fleet", now(NODE))

            async def consumes(*queues: str) -> None:
                await until(broker, lambda it: (held := answer(it)) is not None and held.consuming == queues)

            await consumes(QUEUE)
            await broker.cancel_consumers(NODE, [QUEUE])
            await consumes()
            stage.work(1)
            await wait_until_async(has(broker, Depth(1, 0)), within=SOON)
            await broker.add_consumers(NODE, [QUEUE])
            await consumes(QUEUE)
            await wait_until_async(has(broker, Depth(0, 1)), within=SOON)

    async def test_all_workers_say_what_they_consume_where_that_is_asked(self, stage: Stage) -> None:
        async with stage.workers(NODE, OTHER), stage.session() as broker:
            assert broker.known.consuming == {}
            broker.ask("fleet", Questions(around=True))
            await until(broker, lambda it: it.consuming == {NODE: (QUEUE,), OTHER: (QUEUE,)})

    async def test_a_worker_that_is_not_there_is_told_in_vain(self, stage: Stage) -> None:
        async with stage.session() as broker:
            await broker.cancel_consumers("celery@nowhere", [QUEUE])
            await broker.add_consumers("celery@nowhere", [QUEUE])
            assert answer(broker.known, "celery@nowhere") is None

    async def test_a_failure_is_part_of_what_is_seen(self, stage: Stage) -> None:
        async with stage.away() as broker:
            broker.ask("fleet", now(NODE))
            seen = await broker.look([QUEUE])
            assert isinstance(seen.failed, BrokerError)
            assert (seen.depths, seen.cluster, seen.seen_at["depths"]) == ({}, None, None)
            await until(broker, lambda it: isinstance(it.mute, BrokerError))
            for tell in (broker.cancel_consumers, broker.add_consumers):
                with pytest.raises(BrokerError):
                    await tell(NODE, [QUEUE])

    async def test_two_sessions_on_one_virtual_host_are_the_same(self, stage: Stage) -> None:
        async with stage.session() as one, stage.session() as two, stage.elsewhere() as other:
            assert [await one.is_same(it) for it in (one, two, other)] == [True, True, False]
            async with stage.away() as away:
                with pytest.raises(BrokerError):
                    await one.is_same(away)
