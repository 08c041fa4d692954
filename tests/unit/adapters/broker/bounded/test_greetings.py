"""Servers of statistics whose TLS takes a processor long."""

import asyncio

import pytest

from tests.support.hellos import answers
from tests.support.ports import LOOPBACK, free_port
from utilitarian_operator.adapters.broker.bounded import greetings
from utilitarian_operator.adapters.broker.statistics import Statistics
from utilitarian_operator.errors import BrokerUnreachable


@pytest.mark.parametrize(
    "most_s, retried",
    [pytest.param(1e9, 16, id="without a bound"), pytest.param(0.0, 0, id="where the first one took too long")],
)
async def test_greetings_that_take_long_are_given_up(
    monkeypatch: pytest.MonkeyPatch, most_s: float, retried: int
) -> None:
    """Each cost the event loop a tenth of a second, and no one else was looked at meanwhile."""
    monkeypatch.setattr(greetings, "MOST_S", most_s)
    port, came = free_port(), 0

    async def ask_for_a_large_group(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came
        again, _ = answers(await reader.read(64 * 1024))
        writer.write(again)
        shared = await reader.read(64 * 1024)
        came += bool(shared)
        writer.close()

    async with await asyncio.start_server(ask_for_a_large_group, LOOPBACK, port):
        with pytest.raises(BrokerUnreachable, match=r"no (answer|statistics) from"):
            await Statistics([f"https://{LOOPBACK}:{port}"] * 16, "/").read()
    assert came == retried


async def test_what_took_too_long_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greetings, "MOST_S", -1.0)
    port = free_port()
    async with await asyncio.start_server(lambda _, it: it.close(), LOOPBACK, port):
        with pytest.raises(BrokerUnreachable, match="its TLS takes a processor too long; have it use an elliptic"):
            await Statistics([f"https://{LOOPBACK}:{port}"], "/").read()
