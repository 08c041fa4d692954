"""How queues were declared, as a management API says it that means harm."""

import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from tests.support.ports import LOOPBACK
from utilitarian_operator.adapters.broker.declarations import declarations
from utilitarian_operator.adapters.broker.tls import SYSTEM
from utilitarian_operator.core.observation.broker_settings import QueueSettings

QUEUES, LISTS = 40, [[]] * 20_000
"""Each with so many lists among its arguments, and under its policy: 3 MiB of text in all, and 60 in memory."""


@asynccontextmanager
async def management() -> AsyncIterator[str]:
    """An API whose listings are full of lists."""
    pages = {
        "queues": [{"name": f"q{it}", "policy": "p", "arguments": {"x-a": LISTS}} for it in range(QUEUES)],
        "policies": [{"name": "p" * it, "definition": {"expires": LISTS, "a": LISTS}} for it in range(1, 3)],
    }
    texts = {name: json.dumps(page).encode() for name, page in pages.items()}

    async def listed(request: web.Request) -> web.Response:
        return web.Response(body=texts[request.match_info["what"]])

    app = web.Application()
    app.router.add_get("/api/{what}/{vhost}", listed)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0)
    await site.start()
    try:
        yield "http://{}:{}".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


async def test_little_is_kept_of_queues_whatever_is_said_of_them() -> None:
    """All that was said of them was kept, in twenty times its length, for as long as the fleet was there."""
    async with management() as endpoint:
        tracemalloc.start()
        try:
            found = await declarations([endpoint], "/", SYSTEM)
            kept, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert found == {f"q{it}": QueueSettings("classic", {"expires": None}) for it in range(QUEUES)}
    assert kept < 2 * 2**20
    assert peak < 20 * 2**20
