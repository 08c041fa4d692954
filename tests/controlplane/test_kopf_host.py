"""Watches through kopf itself: what is told, and what its end is."""

import asyncio
import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration

from tests.support.api_proxy import ApiProxy
from tests.support.controlplane import MERGE_PATCH, ControlPlane
from tests.support.waiting import wait_until_async
from utilitarian_operator.adapters.cluster.cache import FLEETS
from utilitarian_operator.host import kopf_host
from utilitarian_operator.host.kopf_host import LISTED, WATCHED, host, informer_settings
from utilitarian_operator.host.settings import Settings

SOON_S, OFTEN = 120.0, 3
SOON = timedelta(seconds=SOON_S)


@dataclass
class Watching:
    """kopf that runs, and what it told of."""

    url: str
    controlplane: ControlPlane
    namespace: str
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    seen: list[tuple[str, str | None, str, threading.Thread]] = field(default_factory=list)
    something: asyncio.Event = field(default_factory=asyncio.Event)
    lists: int = 0

    def see(self, plural: str, kind: str | None, body: Mapping[str, Any]) -> None:
        if kind == LISTED:
            self.lists += 1
            return
        self.seen.append((plural, kind, body["metadata"]["name"], threading.current_thread()))
        self.something.set()

    def edit(self) -> None:
        """Change the fleet."""
        path = f"/apis/utilitarian.io/v1alpha1/namespaces/{self.namespace}/utilitarianworkerpools/a"
        self.controlplane.request("PATCH", path, {"metadata": {"annotations": {"edited": "1"}}}, MERGE_PATCH)

    def begin(self) -> "asyncio.Task[None]":
        async def login() -> Configuration:
            found = Configuration()
            await config.load_kube_config(str(self.controlplane.kubeconfig), client_configuration=found)
            found.host = self.url
            return found

        settings = Settings(namespaces=(self.namespace,))
        return asyncio.create_task(host(self.see, settings, login, ready=self.ready, stop=self.stop))


@pytest.fixture
def watching(controlplane: ControlPlane, namespace: str) -> Watching:
    broker = {"urlFrom": {"secretKeyRef": {"name": "none", "key": "URL"}}}
    path = f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/utilitarianworkerpools"
    head = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool", "metadata": {"name": "a"}}
    controlplane.request("POST", path, head | {"spec": {"image": "u:1", "broker": broker}})
    return Watching(controlplane.url, controlplane, namespace)


def nothing(*_: object) -> None:
    pass


async def nobody() -> Configuration:
    return Configuration()


def kopf_threads() -> list[threading.Thread]:
    return [it for it in threading.enumerate() if it.name == "kopf"]


async def ended(thread: threading.Thread) -> None:
    await asyncio.to_thread(thread.join, SOON_S)
    assert not thread.is_alive()


async def test_what_is_seen_is_told_in_the_callers_thread_until_it_is_stopped(watching: Watching) -> None:
    async with asyncio.timeout(SOON_S):
        running = watching.begin()
        await watching.ready.wait()
        await watching.something.wait()
        assert watching.seen == [(FLEETS, None, "a", threading.current_thread())]
        await wait_until_async(lambda: watching.lists >= len(WATCHED), within=SOON)
        (thread,) = kopf_threads()
        watching.stop.set()
        await running
        await ended(thread)


async def test_an_error_in_a_watch_ends_nothing(watching: Watching, controlplane: ControlPlane) -> None:
    """Kopf would end, and take each task of its loop that began after it along."""
    with ApiProxy(controlplane) as proxy:
        watching.url = proxy.url
        async with asyncio.timeout(SOON_S):
            running = watching.begin()
            await watching.something.wait()
            ours = asyncio.create_task(asyncio.Event().wait())
            proxy.event = 500
            await wait_until_async(lambda: proxy.done >= OFTEN, within=SOON)
            proxy.heal()
            watching.something.clear()
            watching.edit()
            await watching.something.wait()  # by a list or by a watch
            assert not running.done()
            assert not ours.done()
            ours.cancel()
            watching.stop.set()
            await running


async def test_what_ends_the_watches_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no watch is left")

    monkeypatch.setattr(kopf_host, "_watch", fails)
    with pytest.raises(RuntimeError, match="no watch is left"):
        await host(nothing, Settings(), nobody, ready=asyncio.Event(), stop=asyncio.Event())


async def test_watches_that_do_not_come_to_their_end_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of kopf may wait for a login that no one gives any more."""
    held = threading.Event()

    async def hangs(*_: object, **__: object) -> None:
        await asyncio.to_thread(held.wait)

    monkeypatch.setattr(kopf_host, "_watch", hangs)
    monkeypatch.setattr(kopf_host, "ENDS_WITHIN_S", 0.05)
    stop = asyncio.Event()
    stop.set()
    try:
        with pytest.raises(TimeoutError):
            await host(nothing, Settings(), nobody, ready=asyncio.Event(), stop=stop)
    finally:
        (thread,) = kopf_threads()
        held.set()
        await ended(thread)


async def test_kopf_that_does_not_let_itself_be_cancelled_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of its parts has ended, and it waits for the others whatever it is asked."""
    held = threading.Event()

    async def parts(**_: object) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(asyncio.sleep(0))]

    async def waits(*_: object, **__: object) -> None:
        while not held.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.to_thread(held.wait)

    monkeypatch.setattr("kopf.spawn_tasks", parts)
    monkeypatch.setattr("kopf.run_tasks", waits)
    monkeypatch.setattr(kopf_host, "ENDS_WITHIN_S", 0.05)
    running = asyncio.create_task(host(nothing, Settings(), nobody, ready=asyncio.Event(), stop=asyncio.Event()))
    try:
        done, _ = await asyncio.wait([running], timeout=10)
        assert done, "it is waited for without an end"
        assert isinstance(running.exception(), TimeoutError)
    finally:
        (thread,) = kopf_threads()
        held.set()
        await ended(thread)


async def test_one_that_is_cancelled_ends_its_watches(watching: Watching) -> None:
    async with asyncio.timeout(SOON_S):
        running = watching.begin()
        await watching.something.wait()
        (thread,) = kopf_threads()
        running.cancel()
        await asyncio.wait([running])
        await ended(thread)


def test_kopf_ends_no_process() -> None:
    """It sends SIGKILL ten minutes after it ended by an error, also where others go on in its process."""
    assert informer_settings().process.ultimate_exiting_timeout is None
