"""The salt of checksums: made once, kept, and never another one while the first can't be read."""

import asyncio
from collections.abc import Callable

import pytest

from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.names import SALT
from utilitarian_operator.api.objects import Object
from utilitarian_operator.errors import Conflict, Gone, Rejected
from utilitarian_operator.host.salt import keep_asking, salt_in


async def salt(cluster: Cluster) -> str:
    return await salt_in(cluster, "system", asyncio.Event())


async def test_it_is_made_once_and_read_from_then_on() -> None:
    cluster = FakeCluster()
    first = await salt(cluster)
    assert len(first) >= 32
    assert await salt(cluster) == first
    assert await salt(FakeCluster()) != first
    kept = await cluster.read("Secret", "system", SALT)
    assert kept["immutable"] is True


class Refusing(FakeCluster):
    """Refuses to read; or another replica makes the Secret first."""

    refuse: Callable[[], Exception]

    async def read(self, kind: str, namespace: str, name: str) -> Object:
        del kind, namespace, name
        raise self.refuse()

    async def create(self, manifest: Object) -> Object:
        raise Conflict(str(manifest["kind"]))


@pytest.mark.parametrize("refuse", [lambda: Rejected("forbidden"), lambda: Gone("none")], ids=["forbidden", "no-salt"])
async def test_nothing_is_known_without_the_right_to_read_it(refuse: Callable[[], Exception]) -> None:
    cluster = Refusing()
    cluster.refuse = refuse
    assert await salt(cluster) == ""


async def test_one_that_was_refused_is_asked_for_until_it_is_had() -> None:
    """Else no changed Secret would roll a pod until the process is started again."""
    cluster, stop, told = FakeCluster(), asyncio.Event(), asyncio.Event()
    first, salts = await salt(cluster), list[str]()
    cluster.fails = lambda _: Rejected("forbidden") if len(cluster.requests) < 10 else None

    def tell(salt: str) -> None:
        salts.append(salt)
        told.set()

    asking = asyncio.create_task(keep_asking(tell, cluster, "system", stop, each_s=0.0))
    async with asyncio.timeout(60):
        await told.wait()
    await asyncio.sleep(0)
    assert (salts, asking.done()) == ([first], False), "a task that ended would end the process"
    stop.set()
    await asking
