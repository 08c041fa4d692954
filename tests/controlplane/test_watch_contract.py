"""kopf before a real API server keeps the contract by which the watches of the adversary's model are held to it."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration

from tests.support.api_proxy import ApiProxy
from tests.support.controlplane import ControlPlane
from tests.support.resources import resource
from tests.support.waiting import wait_until
from tests.support.watch_contract import Told, WatchContract
from utilitarian_operator.adapters.cluster.cache import FLEETS
from utilitarian_operator.host.kopf_host import LISTED, host
from utilitarian_operator.host.settings import Settings

SOON = timedelta(seconds=60)


class Real:
    """kopf in a thread of its own, and a proxy between it and the API server."""

    def __init__(self, controlplane: ControlPlane, namespace: str, proxy: ApiProxy) -> None:
        self._api, self._proxy, self._namespace = controlplane, proxy, namespace
        self._path = f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/{FLEETS}"
        self._told: list[Told] = []
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="watches", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """End the watches."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(SOON.total_seconds())

    def make(self, name: str) -> None:
        self._api.request("POST", self._path, resource() | {"metadata": {"name": name}})

    def remove(self, name: str) -> None:
        self._api.request("DELETE", f"{self._path}/{name}")

    def told(self) -> Sequence[Told]:
        return list(self._told)

    def forget(self) -> None:
        self._told.clear()

    @contextmanager
    def gone(self) -> Iterator[None]:
        self._proxy.status, self._proxy.cut = 503, True
        wait_until(lambda: self._proxy.watches == 0, within=SOON)
        yield
        self._proxy.outdated.clear()
        self._proxy.asks_for_the_past = True
        self._proxy.heal()
        wait_until(lambda: FLEETS in self._proxy.outdated, within=SOON)
        self._proxy.asks_for_the_past = False

    def wait(self, condition: Callable[[], object]) -> None:
        wait_until(condition, within=SOON, describe=self.told)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(host(self._see, self._settings, self._login, ready=asyncio.Event(), stop=self._stop))

    @property
    def _settings(self) -> Settings:
        return Settings(namespaces=(self._namespace,))

    def _see(self, plural: str, kind: str | None, body: Mapping[str, Any]) -> None:
        if kind == LISTED:
            self._told.append((LISTED, ""))
        elif plural == FLEETS:
            self._told.append((kind, body["metadata"]["name"]))

    async def _login(self) -> Configuration:
        found = Configuration()
        await config.load_kube_config(str(self._api.kubeconfig), client_configuration=found)
        found.host = self._proxy.url
        return found


class TestKopf(WatchContract):
    @pytest.fixture
    def scene(self, controlplane: ControlPlane, namespace: str) -> Iterator[Real]:
        with ApiProxy(controlplane) as proxy:
            real = Real(controlplane, namespace, proxy)
            yield real
            real.end()
