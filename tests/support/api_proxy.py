"""Stands between the operator and a real API server, passes requests on, and lets things go wrong on the way."""

import asyncio
import contextlib
import json
import re
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from tests.support.controlplane import ControlPlane
from tests.support.ports import LOOPBACK, free_port

OVER_WITHIN_S = 60.0
LOOKED_AT_EACH_S = 0.05
NOT_PASSED_ON = {"host", "content-length", "transfer-encoding"}


@dataclass
class ApiProxy:
    """The proxy, for the time of the block.

    Args:
        controlplane: that requests are passed on to.
        status: of the answer to every request; None lets it through.
        retry_after: what a refusal asks to wait.
        event: the code of the error that every open watch says before it ends; None says none.
        cut: whether every open watch is cut.
        done: how often one of these went wrong.
        asks_for_the_past: whether a watch is asked for from the first version on, which the API server has long
            forgotten.
        outdated: the kinds, in the plural, of which it said so: a 410 of its own.
        watches: that are open.
    """

    controlplane: ControlPlane
    status: int | None = None
    retry_after: str = "1"
    event: int | None = None
    cut: bool = False
    done: int = 0
    asks_for_the_past: bool = False
    outdated: set[str] = field(default_factory=set)
    watches: int = 0
    port: int = field(default_factory=free_port)

    def __enter__(self) -> Self:
        self._listens = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="api proxy", daemon=True)
        self._thread.start()
        assert self._listens.wait(OVER_WITHIN_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(OVER_WITHIN_S)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self.port}"

    def heal(self) -> None:
        """Let everything through from now on."""
        self.status = self.event = None
        self.cut = False

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        application = web.Application(client_max_size=16 * 1024 * 1024)
        application.router.add_route("*", "/{rest:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        connections = aiohttp.TCPConnector(limit=0, ssl=self.controlplane._tls)
        async with aiohttp.ClientSession(connector=connections, auto_decompress=False) as self._session:
            await runner.setup()
            await web.TCPSite(runner, LOOPBACK, self.port).start()
            self._listens.set()
            await self._over.wait()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.status is not None:
            self.done += 1
            return web.json_response(
                _failure(self.status), status=self.status, headers={"Retry-After": self.retry_after}
            )
        async with self._session.request(
            request.method,
            self.controlplane.url + self._asked(request),
            headers={name: value for name, value in request.headers.items() if name.lower() not in NOT_PASSED_ON},
            data=await request.read() or None,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as answer:
            return await self._pass_on(request, answer)

    def _asked(self, request: web.Request) -> str:
        """What the API server is asked."""
        if not self.asks_for_the_past or request.query.get("watch") != "true":
            return request.path_qs
        return re.sub(r"(resourceVersion=)[0-9]+", r"\g<1>1", request.path_qs)

    async def _pass_on(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        kept = {name: answer.headers[name] for name in ("Content-Type", "Content-Encoding") if name in answer.headers}
        response = web.StreamResponse(status=answer.status, headers=kept)
        with contextlib.suppress(ConnectionResetError):  # the operator has gone
            await response.prepare(request)
            if request.query.get("watch") == "true":
                await self._watch(request, answer, response)
            else:
                await response.write(await answer.read())
        return response

    async def _watch(self, request: web.Request, answer: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
        parts = answer.content.iter_any().__aiter__()
        part = asyncio.ensure_future(anext(parts, b""))
        self.watches += 1
        try:
            while not await self._spoilt(request, response):
                await asyncio.wait([part], timeout=LOOKED_AT_EACH_S)
                if not part.done():
                    continue
                if not part.result():
                    return
                if b'"code":410' in part.result():
                    self.outdated.add(request.path.rpartition("/")[2])
                await response.write(part.result())
                part = asyncio.ensure_future(anext(parts, b""))
        finally:
            self.watches -= 1
            part.cancel()
            await asyncio.gather(part, return_exceptions=True)

    async def _spoilt(self, request: web.Request, response: web.StreamResponse) -> bool:
        """End a watch if it is to go wrong."""
        if self.event is not None:
            line = {"type": "ERROR", "object": _failure(self.event)}
            await response.write(json.dumps(line).encode() + b"\n")
        elif self.cut and request.transport is not None:
            request.transport.abort()
        else:
            return False
        self.done += 1
        return True


def _failure(code: int) -> dict[str, object]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "injected"}
