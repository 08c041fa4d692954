"""The Lease on a real API server: one of two candidates holds it, gives it back, and must not write without it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from tests.support.controlplane import ControlPlane
from tests.support.pace import takes_at_most
from tests.support.ports import free_port
from tests.support.waiting import wait_until_async
from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.errors import ClusterError, LeadershipLost
from utilitarian_operator.host.leadership import TERMS, Leadership

LEASE = "utilitarian-operator"
SOON = timedelta(seconds=10)
HANDED_OVER_WITHIN_S = 5.0


@contextlib.asynccontextmanager
async def client(controlplane: ControlPlane, **options: str) -> AsyncIterator[ApiClient]:
    configuration = Configuration()
    await config.load_kube_config(str(controlplane.kubeconfig), client_configuration=configuration)
    for name, value in options.items():
        setattr(configuration, name, value)
    async with ApiClient(configuration) as made:
        yield made


def lease(controlplane: ControlPlane, namespace: str) -> dict[str, Any]:
    spec: dict[str, Any] = controlplane.request(
        "GET", f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}"
    )["spec"]
    return spec


def refused(leadership: Leadership) -> bool:
    try:
        leadership.check()
    except (LeadershipLost, ClusterError):
        return True
    return False


class Candidate:
    """One that runs until it is told to end, in a task of its own."""

    def __init__(self, made: ApiClient, namespace: str, name: str) -> None:
        self.leadership = Leadership(ClusterClient(made), namespace, LEASE, name)
        self.stop, self.leads, self.done = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async with self.leadership.held(self.stop) as lost:
            if lost is not None:
                self.leads.set()
                await asyncio.wait([lost, asyncio.ensure_future(self.done.wait())], return_when="FIRST_COMPLETED")

    async def end(self) -> None:
        self.stop.set()
        self.done.set()
        await self.task


async def test_one_of_two_holds_it_and_the_other_takes_over_when_it_is_given_back(
    controlplane: ControlPlane, namespace: str
) -> None:
    async with client(controlplane) as api:
        first = Candidate(api, namespace, "first")
        await wait_until_async(first.leads.is_set, within=SOON)
        second = Candidate(api, namespace, "second")
        first.leadership.check()
        held = lease(controlplane, namespace)
        assert (held["holderIdentity"], held["leaseDurationSeconds"]) == (first.leadership.identity, TERMS.duration_s)

        # Another round of renewals: the second has tried by then, and may not write.
        await wait_until_async(lambda: lease(controlplane, namespace)["renewTime"] != held["renewTime"], within=SOON)
        assert not second.leads.is_set()
        assert refused(second.leadership)

        with takes_at_most(HANDED_OVER_WITHIN_S):
            await first.end()
            await wait_until_async(second.leads.is_set, within=SOON)
        second.leadership.check()
        assert lease(controlplane, namespace)["holderIdentity"] == second.leadership.identity
        await second.end()
        assert "holderIdentity" not in lease(controlplane, namespace)


async def test_who_gave_it_back_may_not_write_any_more(controlplane: ControlPlane, namespace: str) -> None:
    async with client(controlplane) as api:
        candidate = Candidate(api, namespace, "one")
        await wait_until_async(candidate.leads.is_set, within=SOON)
        await candidate.end()
        assert refused(candidate.leadership)


async def test_a_candidate_that_is_stopped_while_it_waits_never_led(controlplane: ControlPlane, namespace: str) -> None:
    async with client(controlplane) as api:
        holder = Candidate(api, namespace, "holder")
        await wait_until_async(holder.leads.is_set, within=SOON)
        waiting = Candidate(api, namespace, "waiting")
        await asyncio.wait_for(waiting.end(), 60)
        assert not waiting.leads.is_set()
        assert refused(waiting.leadership)
        await holder.end()


async def test_no_replica_may_write_before_it_was_held(controlplane: ControlPlane, namespace: str) -> None:
    async with client(controlplane) as api:
        with pytest.raises(LeadershipLost, match=f"^the Lease {LEASE} is not held$"):
            Leadership(ClusterClient(api), namespace, LEASE, "one").check()


async def test_it_may_not_write_when_another_took_it(controlplane: ControlPlane, namespace: str) -> None:
    async with client(controlplane) as api:
        candidate = Candidate(api, namespace, "one")
        await wait_until_async(candidate.leads.is_set, within=SOON)
        path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}"
        spec = {"holderIdentity": "usurper", "renewTime": "2099-01-01T00:00:00.000000Z"}
        controlplane.request("PATCH", path, {"spec": spec}, "application/merge-patch+json")
        await wait_until_async(lambda: refused(candidate.leadership), within=SOON)
        assert candidate.leadership.lost
        await candidate.end()
        assert lease(controlplane, namespace)["holderIdentity"] == "usurper"  # not given back: it is not ours


async def test_a_lease_that_cannot_be_made_is_tried_again_and_never_held(
    controlplane: ControlPlane, namespace: str
) -> None:
    nobody = f"https://127.0.0.1:{free_port()}"
    async with client(controlplane, host=nobody) as api:
        candidate = Candidate(api, namespace, "one")
        await wait_until_async(lambda: candidate.leadership._lease.failure is not None, within=SOON)
        assert refused(candidate.leadership)
        assert not candidate.leads.is_set()
        await candidate.end()
