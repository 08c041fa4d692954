"""Looks that wait for depths at the same time have one reading together; each gets its own queues, or the error."""

import asyncio
from collections.abc import Sequence

import pytest

from utilitarian_operator.adapters.broker.joint_reading import JointReading
from utilitarian_operator.core.observation.broker import Depth, Depths
from utilitarian_operator.errors import BrokerUnreachable

DEPTHS: Depths = {"a": Depth(1, 0), "b": Depth(2, 0), "c": None}


class Readings:
    """What was read, and a reading that waits to be let go."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.let_go = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self, each: Sequence[Sequence[str]]) -> Depths:
        self.asked.append(["".join(it) for it in each])
        await self.let_go.wait()
        if self.failure is not None:
            raise self.failure
        return DEPTHS


async def begun(reading: JointReading, *looks: str) -> "list[asyncio.Task[Depths]]":
    """Looks at queues of one letter, and the reading as far as it goes."""
    tasks = [asyncio.create_task(reading.of(look)) for look in looks]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_what_is_asked_at_the_same_time_is_read_once_and_each_gets_its_own() -> None:
    readings = Readings()
    readings.let_go.set()
    found = await asyncio.gather(*await begun(JointReading(readings), "ab", "c", ""))
    assert readings.asked == [["ab", "c", ""]]
    assert found == [{"a": Depth(1, 0), "b": Depth(2, 0)}, {"c": None}, {}]


async def test_what_is_asked_during_a_reading_is_in_the_next_one() -> None:
    """An answer that was under way may be older than the question."""
    readings = Readings()
    reading = JointReading(readings)
    looks = [*await begun(reading, "a"), *await begun(reading, "a", "b")]
    assert readings.asked == [["a"]]
    readings.let_go.set()
    await asyncio.gather(*looks)
    assert readings.asked == [["a"], ["a", "b"]]
    await asyncio.gather(*await begun(reading, "c"))
    assert readings.asked[2:] == [["c"]]


@pytest.mark.parametrize("failure", [BrokerUnreachable("away"), RuntimeError("closed")], ids=type)
async def test_each_gets_the_error_and_the_next_reading_is_another(failure: Exception) -> None:
    readings = Readings()
    readings.failure = failure
    readings.let_go.set()
    reading = JointReading(readings)
    for look in await begun(reading, "a", "b"):
        with pytest.raises(type(failure)):
            await look
    readings.failure = None
    assert await reading.of("a") == {"a": Depth(1, 0)}


async def test_a_look_that_is_cut_off_holds_up_no_other() -> None:
    readings = Readings()
    reading = JointReading(readings)
    first, second = await begun(reading, "a", "b")
    (third,) = await begun(reading, "c")
    first.cancel()
    third.cancel()
    readings.let_go.set()
    assert await second == {"b": Depth(2, 0)}
    assert [it.cancelled() for it in await _ended(first, third)] == [True, True]
    assert readings.asked == [["a", "b"]]
    assert await reading.of("a") == {"a": Depth(1, 0)}


async def _ended(*looks: "asyncio.Task[Depths]") -> "Sequence[asyncio.Task[Depths]]":
    await asyncio.wait(looks)
    return looks
