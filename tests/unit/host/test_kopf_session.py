"""How long an answer of the API server may hold the watches, and how a login that was refused is known again."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import kopf
import pytest
from aiohttp import web
from kopf._cogs.clients.api import iter_jsonlines
from kubernetes.aio.client.configuration import Configuration

from tests.support.ports import LOOPBACK
from utilitarian_operator.adapters.cluster.cache import Key, Store
from utilitarian_operator.host import kopf_session
from utilitarian_operator.host.kopf_host import host, seeing
from utilitarian_operator.host.kopf_session import LIST_ANEW, LONG_LINE, LONGEST_S, RETRY_AFTER, pause_s, session
from utilitarian_operator.host.settings import Settings
from utilitarian_operator.host.workqueue import WorkQueue

SOON_S, OFTEN = 30.0, 3


@pytest.mark.parametrize(
    "asked, waits_s",
    [
        pytest.param("1", 1, id="a second"),
        pytest.param("2.9", 2, id="a fraction"),
        pytest.param("86400", LONGEST_S, id="a day"),
        pytest.param("1e300", LONGEST_S, id="for ever"),
        pytest.param("inf", 0, id="infinite"),
        pytest.param("nan", 0, id="no number"),
        pytest.param("-5", 0, id="negative"),
        pytest.param("Wed, 21 Oct 2099 07:28:00 GMT", 0, id="a date"),
        pytest.param("", 0, id="nothing"),
    ],
)
def test_the_time_that_an_answer_asks_for_is_bounded(asked: str, waits_s: int) -> None:
    assert pause_s(asked) == waits_s


ADDED = b'{"type":"ADDED","object":{"metadata":{"name":"a"}}}'
LONG = b'{"type":"MODIFIED","object":{"long":"' + b"x" * 300_000 + b'"}}'


@pytest.mark.parametrize(
    "sent, kept",
    [
        pytest.param([ADDED, LONG], [ADDED, LONG], id="events"),
        pytest.param([b'{ "object": {}, "type": "BOOKMARK" }'], [b'{ "object": {}, "type": "BOOKMARK" }'], id="spaces"),
        pytest.param([ADDED, b'{"type":"ERROR","object":{"code":410}}'], [ADDED, LIST_ANEW], id="410"),
        pytest.param([ADDED, b'{"type":"ERROR","object":{"code":500}}', ADDED], [ADDED, LIST_ANEW], id="500"),
        pytest.param([b'{"type":"ERROR","object":"gone"}'], [LIST_ANEW], id="an error of another shape"),
        pytest.param([b"<html>"], [LIST_ANEW], id="no JSON"),
        pytest.param([b"[" * 200_000], [LIST_ANEW], id="deep JSON"),
        pytest.param([b'["ADDED"]'], [LIST_ANEW], id="no object"),
        pytest.param([b'{"type":"ADDED"}'], [LIST_ANEW], id="an event of nothing"),
        pytest.param([b"", ADDED, b""], [ADDED], id="empty lines"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b'\n{"type":"ADDED","obj'], ids=["whole", "cut off"])
async def test_no_error_in_a_watch_reaches_kopf(sent: list[bytes], kept: list[bytes], end: bytes) -> None:
    async def answers(_: web.Request) -> web.Response:
        return web.Response(body=b"\n".join(sent) + end)

    async with serving(answers) as url:
        opened = session(kopf.ConnectionInfo(server=url, token="t"))
        async with opened.aiohttp_session as client, client.get(url, params={"watch": "true"}) as answer:
            seen = b"".join([line async for line in answer.content.iter_chunked(1024)])
    assert seen.split(b"\n")[:-1] == [line.strip() for line in kept]


@contextlib.asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A server that answers every request so."""
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, 0).start()
    try:
        yield f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "status, sent, seen",
    [
        pytest.param(429, {"retry-after": "86400"}, str(LONGEST_S), id="a day, in small letters"),
        pytest.param(429, {}, "0", id="nothing: the body is not asked"),
        pytest.param(200, {RETRY_AFTER: "86400"}, "86400", id="where all is well"),
        pytest.param(200, {}, None, id="where all is well, and there is none"),
    ],
)
async def test_what_kopf_sees_of_an_answer(status: int, sent: dict[str, str], seen: str | None) -> None:
    async def answers(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=sent, text="{}")

    async with serving(answers) as url:
        opened = session(kopf.ConnectionInfo(server=url, token="t"))
        async with opened.aiohttp_session as client, client.get(url) as answer:
            assert dict(answer.headers).get(RETRY_AFTER) == seen
            assert await answer.json(content_type=None) == {}


@pytest.mark.thorough
@pytest.mark.parametrize("asked", ["86400", "Wed, 21 Oct 2099 07:28:00 GMT", "inf"])
async def test_watches_try_again_soon_whatever_time_they_were_asked_to_wait(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kopf itself, before a server that refuses every request, in its answers' heads and in their bodies."""
    monkeypatch.setattr(kopf_session, "LONGEST_S", 1)
    seen: Counter[str] = Counter()
    often, stop = asyncio.Event(), asyncio.Event()

    async def refuses(request: web.Request) -> web.Response:
        seen[request.path] += 1
        if min(seen.values()) >= OFTEN:
            often.set()
        body = {"kind": "Status", "apiVersion": "v1", "code": 429, "details": {"retryAfterSeconds": 86400}}
        return web.json_response(body, status=429, headers={RETRY_AFTER: asked})

    async with serving(refuses) as url:

        async def login() -> Configuration:
            return Configuration(host=url)

        queue: WorkQueue[Key] = WorkQueue(lambda _: asyncio.sleep(0, result=True))
        running = asyncio.create_task(
            host(seeing(Store(), queue), Settings(), login, ready=asyncio.Event(), stop=stop), name="kopf"
        )
        come = asyncio.create_task(often.wait())
        await asyncio.wait([running, come], timeout=SOON_S, return_when=asyncio.FIRST_COMPLETED)
        assert come.done(), seen
        assert not running.done()
        stop.set()
        await running


@pytest.mark.parametrize(
    "query, status, told",
    [
        pytest.param({}, 200, 1, id="a list"),
        pytest.param({"watch": "true"}, 200, 0, id="a watch"),
        pytest.param({}, 429, 0, id="a list that is refused"),
    ],
)
async def test_a_list_is_told_also_where_there_is_nothing_in_it(query: dict[str, str], status: int, told: int) -> None:
    """Of the last object of a kind that went while its watch was closed nothing else tells."""

    async def has_nothing(_: web.Request) -> web.Response:
        return web.json_response({"items": []}, status=status)

    listed = list[bool]()
    async with serving(has_nothing) as url:
        opened = session(kopf.ConnectionInfo(server=url, token="t"), lambda: listed.append(True))
        async with opened.aiohttp_session as client, client.get(url, params=query):
            pass
    assert len(listed) == told


async def test_a_login_is_known_again() -> None:
    one, same = (session(kopf.ConnectionInfo(server="http://a", token="t")) for _ in range(2))
    other = session(kopf.ConnectionInfo(server="http://a", token="u"))
    try:
        assert one == same
        assert one != other
    finally:
        for it in (one, same, other):
            await it.aiohttp_session.close()


def deep(name: str, levels: int) -> str:
    """A fleet whose template has so many levels."""
    template = '{"a":' * levels + "1" + "}" * levels
    return f'{{"metadata": {{"name": "{name}"}}, "spec": {{"pod": {{"template": {template}}}}}}}'


FLEETS = [deep("one", 1), deep("deep", 9_000), deep("other", 2)]
"""Who may write one could else end the watch of all: Python reads no more than a thousand levels."""


@pytest.mark.parametrize("piece", [100, 5_000, 10**6])
async def test_a_watch_goes_on_after_an_object_that_is_nested_too_deeply(piece: int) -> None:
    async def answers(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        lines = "".join(f'{{"type": "ADDED", "object": {fleet}}}\n\n' for fleet in FLEETS).encode()
        for begin in range(0, len(lines), piece):
            await stream.write(lines[begin : begin + piece])
        return stream

    async with serving(answers) as url:
        opened = session(kopf.ConnectionInfo(server=url, token="t"))
        async with opened.aiohttp_session as client, client.get(url) as answer:
            seen = [json.loads(line)["object"] async for line in iter_jsonlines(answer.content, piece)]
    assert [it["metadata"]["name"] for it in seen] == ["one", "deep", "other"]
    assert [seen[n] for n in (0, 2)] == [json.loads(FLEETS[n]) for n in (0, 2)]


async def test_a_list_with_an_object_that_is_nested_too_deeply_is_read() -> None:
    async def answers(_: web.Request) -> web.Response:
        return web.Response(text=f'{{"items": [{", ".join(FLEETS)}]}}', content_type="application/json")

    async with serving(answers) as url:
        opened = session(kopf.ConnectionInfo(server=url, token="t"))
        async with opened.aiohttp_session as client:
            seen = await (await client.get(url)).json()
    assert [it["metadata"]["name"] for it in seen["items"]] == ["one", "deep", "other"]


async def test_a_long_event_of_an_object_that_is_nearly_too_deep_ends_no_watch() -> None:
    def line(depth: int) -> bytes:
        deep = b'{"a":' * depth + b"1" + b"}" * depth
        metadata = b'{"name":"a","namespace":"n","resourceVersion":"1"}'
        return b'{"type":"ADDED","object":{"metadata":%s,"spec":%s,"x":"%s"}}' % (metadata, deep, b"x" * LONG_LINE)

    sent = [line(depth) for depth in range(700, 1_000, 20)]

    async def answers(_: web.Request) -> web.Response:
        return web.Response(body=b"\n".join(sent) + b"\n")

    async with serving(answers) as url:
        opened = session(kopf.ConnectionInfo(server=url, token="t"))
        fleets = f"{url}/utilitarianworkerpools"
        async with opened.aiohttp_session as client, client.get(fleets, params={"watch": "true"}) as answer:
            seen = b"".join([line async for line in answer.content.iter_chunked(1024)]).splitlines()
    assert len(seen) == len(sent)


async def listed_in_pages(status: int = 200) -> tuple[list[str], list[str]]:
    """Names of the pods that kopf is given of a list whose pages are long, and how many objects were asked for."""
    asked = list[str]()

    async def answers(request: web.Request) -> web.Response:
        asked.append(request.query["limit"])
        after, limit = int(request.query.get("continue", 0)), int(request.query["limit"])
        names = [f"p{number}" for number in range(12)][after : after + limit]
        items = [{"metadata": {"name": it}, "spec": {"volumes": ["x" * 10**6], "nodeName": "n"}} for it in names]
        metadata = {"resourceVersion": "1", "continue": str(after + limit) if after + limit < 12 else ""}
        body = json.dumps({"kind": "PodList", "metadata": metadata, "items": items}, separators=(",", ":"))
        return web.Response(text=body, content_type="application/json", status=status if len(asked) > 1 else 200)

    found, after = list[str](), ""
    async with serving(answers) as url:
        opened = session(kopf.ConnectionInfo(server=url, token="t"))
        async with opened.aiohttp_session as client:
            while True:
                more = {"continue": after} if after else {}
                answer = await client.get(f"{url}/api/v1/pods", params={"limit": "500", **more})
                async with answer:
                    page = await answer.json()
                assert all(it["spec"] == {"nodeName": "n"} for it in page["items"])
                found += [it["metadata"]["name"] for it in page["items"]]
                after = page["metadata"]["continue"]
                if not after:
                    return found, asked


async def test_a_list_whose_pages_are_long_is_read_in_shorter_ones() -> None:
    found, asked = await listed_in_pages()
    assert found == [f"p{number}" for number in range(12)]
    assert [int(it) for it in asked][:4] == [500, 62, 7, 1]
    assert len(asked) < 30


async def test_a_shorter_page_that_is_refused_has_kopf_list_again() -> None:
    with pytest.raises(aiohttp.ClientPayloadError, match="a page of a list: HTTP 410"):
        await listed_in_pages(410)
