"""What the watches tell asks for a look where it is new."""

import asyncio

import kopf
import pytest

from tests.support import resources
from utilitarian_operator.adapters.cluster.cache import FLEETS, Key, Store
from utilitarian_operator.host.kopf_host import informer_settings, seeing
from utilitarian_operator.host.watched.chosen import NAMESPACES, Chosen
from utilitarian_operator.host.workqueue import WorkQueue

KEY = Key("ns", "fleet")


@pytest.mark.parametrize(
    "events,looks",
    [
        pytest.param([("ADDED", 1)], 1, id="new"),
        pytest.param([("ADDED", 1), ("MODIFIED", 2)], 2, id="another-version"),
        pytest.param([("ADDED", 1), ("MODIFIED", 1)], 1, id="the-echo-of-a-write"),
        pytest.param([("ADDED", 1), (None, 1)], 1, id="listed-anew"),
        pytest.param([("ADDED", 1), ("DELETED", 1)], 2, id="gone"),
    ],
)
async def test_a_look_is_asked_for_by_what_is_new_alone(events: list[tuple[str | None, int]], looks: int) -> None:
    """Each write of a status comes back by the watch: a fifth of all looks would be because of that alone."""
    asked: list[Key] = []

    async def work(key: Key) -> bool:
        asked.append(key)
        return True

    queue = WorkQueue[Key](work)
    see, running = seeing(Store(), queue), asyncio.create_task(queue.run())
    for kind, at in events:
        metadata = {"namespace": KEY.namespace, "name": KEY.name, "resourceVersion": str(at)}
        see(FLEETS, kind, resources.resource() | {"metadata": metadata})
        for _ in range(5):  # turns of the loop, in which the queue works
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert asked == [KEY] * looks


async def test_what_is_told_of_namespaces_chooses_them_and_what_is_elsewhere_asks_for_no_look() -> None:
    chosen, asked = Chosen("shard=a"), list[Key]()

    async def work(key: Key) -> bool:
        asked.append(key)
        return True

    store, queue = Store(chosen=chosen), WorkQueue[Key](work)
    see, running = seeing(store, queue, chosen=chosen), asyncio.create_task(queue.run())
    fleet = resources.resource() | {"metadata": {"namespace": KEY.namespace, "name": KEY.name, "resourceVersion": "1"}}
    see(FLEETS, "ADDED", fleet)
    assert (store.fleets(), chosen.elsewhere) == ([], {KEY.namespace})
    see(NAMESPACES, "ADDED", {"metadata": {"name": KEY.namespace, "resourceVersion": "2"}})
    see(FLEETS, "MODIFIED", fleet)
    for _ in range(5):  # turns of the loop, in which the queue works
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (asked, store.fleets(), chosen.elsewhere) == ([KEY], [KEY], set())


def test_kopf_copies_nothing_of_what_it_tells() -> None:
    """It would, for handlers of changes, which there are none of: each object is large, and told again and again."""
    storage, body = informer_settings().persistence.diffbase_storage, kopf.Body(resources.resource())
    essence, patch = storage.build(body=body), kopf.Patch()
    storage.store(body=body, patch=patch, essence=essence)
    assert (essence, storage.fetch(body=body), dict(patch)) == ({}, None, {})
