"""The modelled API server keeps to the CRD as the real one does: tests/controlplane plays the same cases on that."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.adversary.api_requests import Client
from tests.adversary.api_server import NAMESPACE
from tests.adversary.crd import PLURAL
from tests.adversary.world import World
from tests.support.schema_contract import SchemaContract, Stage
from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.api.objects import Object


class TestModelledApiServer(SchemaContract):
    @pytest.fixture
    def stage(self) -> Iterator[Stage]:
        world = World(1, (), 0.25)
        client: Any = Client(world.server, world, world.process, world.events)

        async def store(live: Object, status: Object) -> None:
            shown = world.server.crd.read("status", status)
            world.server.change(PLURAL, live["metadata"]["name"], status=shown)

        yield Stage(ClusterClient(client), NAMESPACE, store)
        world.loop.close()
