"""The work queue: what is coalesced, what runs together, and how long a failure waits."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from tests.support.waiting import wait_until_async
from utilitarian_operator.host import kopf_host
from utilitarian_operator.host.workqueue import BACKOFF, WorkQueue

DEADLINE_S = 5.0
FAILS = None


class Work:
    """Work that tells when it begins and waits to be let go.

    Args:
        holds: whether each run waits for `let_go`.
        failures: of the first runs, None (just not well) or what they raise; then all go well.
    """

    def __init__(self, *failures: Exception | None, holds: bool = False) -> None:
        self.begun: asyncio.Queue[str] = asyncio.Queue()
        self.let_go = asyncio.Semaphore(0)
        self.together = self.most_together = 0
        self.cancelled: list[str] = []
        self._holds, self._failures = holds, list(failures)

    async def __call__(self, key: str) -> bool:
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        self.begun.put_nowait(key)
        try:
            if self._holds:
                await self.let_go.acquire()
        except asyncio.CancelledError:
            self.cancelled.append(key)
            raise
        finally:
            self.together -= 1
        if not self._failures:
            return True
        failure = self._failures.pop(0)
        if failure is not None:
            raise failure
        return False

    async def next(self) -> str:
        """The key of the next run, once it has begun."""
        return await asyncio.wait_for(self.begun.get(), 60)


@contextlib.asynccontextmanager
async def running(work: Callable[[str], Awaitable[bool]], *, at_a_time: int = 10) -> AsyncIterator[WorkQueue[str]]:
    queue = WorkQueue(work, at_a_time=at_a_time)
    runner = asyncio.create_task(queue.run())
    try:
        yield queue
        assert not runner.done(), runner.exception()
    finally:
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)


async def idle(queue: WorkQueue[str]) -> None:
    """Let the loop go on until nothing runs and nothing waits for its turn."""
    await wait_until_async(
        lambda: not (queue._running or queue._waiting),
        within=timedelta(seconds=DEADLINE_S),
        every=timedelta(),
        describe=lambda: (queue._running, queue._waiting),
    )


async def test_a_key_added_often_before_its_turn_is_worked_on_once() -> None:
    work = Work()
    async with running(work) as queue:
        for _ in range(3):
            queue.add("a")
        assert await work.next() == "a"
        await idle(queue)
    assert work.begun.empty()


async def test_keys_are_begun_in_the_order_they_came() -> None:
    work = Work()
    async with running(work, at_a_time=1) as queue:
        for key in "bca":
            queue.add(key)
        assert [await work.next() for _ in range(3)] == ["b", "c", "a"]


async def test_a_key_added_during_its_run_is_worked_on_once_more_and_not_at_the_same_time() -> None:
    work = Work(holds=True)
    async with running(work) as queue:
        queue.add("a")
        await work.next()
        queue.add("a")
        queue.add("a")
        queue.add("b")
        assert await work.next() == "b"  # another key needn't wait for it
        assert work.begun.empty()
        for _ in range(3):
            work.let_go.release()
        assert await work.next() == "a"
        await idle(queue)
    assert work.begun.empty()
    assert work.most_together == 2


async def test_no_more_keys_run_together_than_asked_for() -> None:
    work = Work(holds=True)
    async with running(work, at_a_time=2) as queue:
        for number in range(5):
            queue.add(str(number))
        for _ in range(5):
            await work.next()
            work.let_go.release()
    assert work.most_together == 2


async def test_a_failed_key_comes_back_by_itself() -> None:
    work = Work(FAILS)
    async with running(work) as queue:
        queue.add("a")
        assert [await work.next(), await work.next()] == ["a", "a"]
        await idle(queue)
        assert not queue._failures


async def test_a_key_added_while_it_waits_after_a_failure_waits_on() -> None:
    work = Work(FAILS)
    async with running(work) as queue:
        queue.add("a")
        await work.next()
        await idle(queue)
        queue.add("a")
        assert "a" in queue._paused
        assert not queue._waiting


async def test_what_failed_and_was_changed_does_not_wait() -> None:
    work = Work(*[FAILS] * 8)
    async with running(work) as queue:
        for _ in range(8):  # the eighth pause is at least 5 s
            queue.add("key", at_once=True)
            assert await work.next() == "key"
            await wait_until_async(lambda: "key" in queue._paused, within=timedelta(seconds=DEADLINE_S))
        queue.add("key", at_once=True)
        assert await work.next() == "key"


@pytest.mark.parametrize(
    "failures,longest",
    [
        (1, BACKOFF.first_s),
        (2, 2 * BACKOFF.first_s),
        (3, 4 * BACKOFF.first_s),
        (50, BACKOFF.longest_s),
        (2000, BACKOFF.longest_s),
    ],
)
async def test_each_failure_waits_twice_as_long_up_to_a_limit(failures: int, longest: float) -> None:
    work = Work(FAILS)
    async with running(work) as queue:
        queue._failures["a"] = failures - 1
        queue.add("a")
        await work.next()
        await idle(queue)
        left = queue._paused["a"].when() - asyncio.get_running_loop().time()
        assert longest / 2 - 0.1 <= left <= longest


def test_after_an_outage_a_fleet_is_looked_at_as_soon_as_its_watches_are_open_again() -> None:
    """The API server was away for a minute: a pool with tasks slept for 20 s more, since its fleet's pause was 30 s."""
    assert BACKOFF.longest_s <= kopf_host.BACKOFF.longest_s


async def test_work_that_raises_is_logged_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(RuntimeError("a bug"))
    async with running(work) as queue:
        queue.add("a")
        assert [await work.next(), await work.next()] == ["a", "a"]
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert (record.name, record.message) == ("utilitarian_operator.host.workqueue", "work failed")
    assert record.exc_info
    assert "a bug" in str(record.exc_info[1])


async def test_a_key_forgotten_while_it_waits_is_not_worked_on() -> None:
    work = Work(holds=True)
    async with running(work, at_a_time=1) as queue:
        for key in "abc":
            queue.add(key)
        await work.next()
        queue.forget("b")
        work.let_go.release()
        assert await work.next() == "c"
        work.let_go.release()
        await idle(queue)


async def test_a_key_forgotten_after_a_failure_does_not_come_back() -> None:
    work = Work(FAILS)
    async with running(work) as queue:
        queue.add("a")
        await work.next()
        await idle(queue)
        timer = queue._paused["a"]
        queue.forget("a")
        assert timer.cancelled()
        assert [queue._paused, queue._failures, queue._waiting] == [{}, {}, {}]


async def test_cancelling_ends_what_runs_and_leaves_no_timer() -> None:
    work = Work(FAILS, holds=True)
    queue = WorkQueue(work)
    runner = asyncio.create_task(queue.run())
    queue.add("failed")
    await work.next()
    work.let_go.release()
    await idle(queue)
    paused = queue._paused["failed"]
    queue.add("a")
    await work.next()
    runner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await runner
    assert work.cancelled == ["a"]
    assert paused.cancelled()
    assert not queue._paused


async def test_one_group_does_not_use_up_the_places_of_the_others() -> None:
    done: list[str] = []

    async def work(key: str) -> bool:
        if key.startswith("hostile"):
            await asyncio.get_running_loop().create_future()
        done.append(key)
        return True

    queue = WorkQueue(work, at_a_time=4, group=lambda key: key.split("/")[0], of_a_group=3)
    run = asyncio.create_task(queue.run())
    for number in range(50):
        queue.add(f"hostile/{number}")
    for number in range(5):
        queue.add(f"metering/{number}")
    await wait_until_async(lambda: len(done) == 5, within=timedelta(seconds=30))
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)


async def test_work_that_takes_too_long_is_cut_off_and_tried_again() -> None:
    tries: list[float] = []

    async def work(_: str) -> bool:
        tries.append(asyncio.get_running_loop().time())
        await asyncio.get_running_loop().create_future()
        return True

    queue = WorkQueue(work, within_s=0.01, between=lambda low, _: low)
    run = asyncio.create_task(queue.run())
    queue.add("metering/u")
    await wait_until_async(lambda: len(tries) >= 2, within=timedelta(seconds=30))
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)


async def test_what_is_changed_while_it_fails_is_worked_on_at_once() -> None:
    """The pause after a failure is up to 10 s, and the change may be its remedy."""
    work = Work(FAILS, holds=True)
    async with running(work) as queue:
        queue._failures["a"] = 10
        queue.add("a")
        assert await work.next() == "a"
        queue.add("a")
        queue.add("a", at_once=True)
        queue.add("a")
        work.let_go.release()
        assert await asyncio.wait_for(work.begun.get(), DEADLINE_S) == "a"
        work.let_go.release()
        await idle(queue)
    assert queue._failures == {}


async def test_at_the_end_what_only_reads_is_cut_off_and_what_writes_is_waited_for() -> None:
    """The next replica waits meanwhile, and a broker that is slow to answer would have it wait for nothing."""
    work = Work(holds=True)
    async with running(work) as queue:
        for key in ("reads", "writes"):
            queue.add(key)
            await work.next()
        over = asyncio.create_task(queue.finish(0, DEADLINE_S, {"writes"}.__contains__))
        await wait_until_async(lambda: work.cancelled == ["reads"], within=timedelta(seconds=DEADLINE_S))
        assert not over.done()
        queue.add("new")
        work.let_go.release()
        await asyncio.wait_for(over, DEADLINE_S)
        assert work.cancelled == ["reads"]
        assert work.begun.empty()


async def test_the_end_waits_for_what_writes_no_longer_than_it_was_told() -> None:
    work = Work(holds=True)
    async with running(work) as queue:
        queue.add("writes")
        await work.next()
        await asyncio.wait_for(queue.finish(0, 0.01, {"writes"}.__contains__), DEADLINE_S)
        assert work.cancelled == []
