"""The modelled API server does what the real one does: the same cases that tests/controlplane plays on that."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.adversary.api_requests import Client
from tests.adversary.api_server import NAMESPACE, merged
from tests.adversary.fleet import fleet
from tests.adversary.usage import Usage
from tests.adversary.world import World
from tests.support.cluster_contract import ClusterContract, Stage
from tests.support.metrics_contract import MetricsContract
from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.observation.model.usage import PodUsage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """The real client before a world in which nothing else moves."""
    world = World(1, (), 0.25)
    world.name = "watched"
    world.server.add("utilitarianworkerpools", _named(fleet(statistics=True, execution="prefork"), world.name))
    client: Any = Client(world.server, world, world.process, world.events)

    async def edit(live: Object, change: Mapping[str, Any]) -> Object:
        return world.server.put("configmaps", merged(live, dict(change)))

    yield Stage(ClusterClient(client), NAMESPACE, edit)
    world.loop.close()


def _named(resource: Object, name: str) -> Object:
    return {**resource, "metadata": {**resource["metadata"], "name": name}}


class TestModelledApiServer:
    """What findings rest on; an apply beside another client's, webhooks and events are not modelled."""

    test_create_then_apply = ClusterContract.test_created_and_then_applied_twice_the_replicas_stay
    test_let_go_of_a_changed_object = ClusterContract.test_who_holds_what_is_not_rewritten_if_the_object_changed
    test_a_stale_scale = ClusterContract.test_a_step_is_refused_if_the_deployment_changed_since_it_was_seen
    test_deletes = ClusterContract.test_only_the_object_that_was_seen_is_deleted
    test_deletes_of_another_kind = ClusterContract.test_another_kind_is_deleted_whatever_was_written_to_it_since
    test_lists = ClusterContract.test_a_list_tells_kinds_and_its_version_and_is_narrowed
    test_status = ClusterContract.test_a_status_is_written_and_what_is_not_given_stays
    test_conditions_of_pods = ClusterContract.test_conditions_of_a_pod_are_merged_by_their_type
    test_annotations = ClusterContract.test_an_annotation_is_set_and_taken_away
    test_patches = ClusterContract.test_of_two_objects_of_a_name_only_the_one_that_was_seen_is_patched
    test_secrets = ClusterContract.test_a_secret_is_decoded_and_a_binary_key_hides_none
    test_refusals = ClusterContract.test_what_is_refused_is_called_by_its_kind
    test_usage = ClusterContract.test_without_the_metrics_api_usage_is_gone


class Written(Usage):
    """A metrics API that says of each container what a test has written."""

    written: Object

    def _used(self, pod: Object, *, lies: bool) -> Object:
        del pod, lies
        return self.written


class Metered:
    """A world in which one pod runs."""

    def __init__(self, world: World) -> None:
        self._usage = world.usage = Written(world, there=True)
        spec = {"containers": [{"name": "worker"}]}
        status = {"containerStatuses": [{"name": "worker"}]}
        world.server.add("pods", {"metadata": {"name": "it"}, "spec": spec, "status": status})
        client: Any = Client(world.server, world, world.process, world.events)
        self._client = ClusterClient(client)

    def uses(self, cpu: Any, memory: Any) -> None:
        self._usage.written = {"cpu": cpu, "memory": memory}

    async def read(self) -> PodUsage | None:
        return (await self._client.pod_usage(NAMESPACE, "")).get("it")


class TestModelledMetricsApi(MetricsContract):
    """Which of its figures are read."""

    @pytest.fixture
    def scene(self) -> Iterator[Metered]:
        world = World(1, (), 0.25)
        yield Metered(world)
        world.loop.close()
