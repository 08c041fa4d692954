"""How the operator's parts are put together: a slow start is no standstill, and an end is soon."""

import asyncio
import contextlib

import pytest

from utilitarian_operator.errors import ClusterError
from utilitarian_operator.host import wiring
from utilitarian_operator.host.wiring import _finish, _unless


async def test_a_part_that_can_not_be_cancelled_holds_up_no_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wiring, "CANCELLED_WITHIN_S", 0.05)
    free = asyncio.Event()

    async def goes_on() -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    async def waits() -> None:
        await free.wait()

    parts = [asyncio.create_task(goes_on(), name="stubborn"), asyncio.create_task(waits(), name="well-behaved")]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await _finish(asyncio.sleep(0), parts, None)
    assert [(it.message, it.part) for it in caplog.records] == [("a part goes on while the process ends", "stubborn")]
    free.set()
    await parts[0]


@pytest.mark.parametrize("fails", [False, True], ids=["it goes well", "it fails"])
async def test_a_start_that_comes_to_its_end_is_a_start(*, fails: bool) -> None:
    async def starts() -> str:
        if fails:
            raise ClusterError("no answer")
        return "salt"

    with pytest.raises(ClusterError) if fails else contextlib.nullcontext():
        assert await _unless(asyncio.Event(), starts()) == "salt"


async def test_a_slow_start_holds_up_no_end() -> None:
    """As where fifty namespaces are listed slowly: the Lease is held meanwhile."""
    begun, cut_off, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def starts() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut_off.set()
        return "salt"

    starting = asyncio.create_task(_unless(stop, starts()))
    await begun.wait()
    stop.set()
    async with asyncio.timeout(5):
        assert await starting is None
    assert cut_off.is_set()
