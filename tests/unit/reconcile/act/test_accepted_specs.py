"""The specs that were accepted are kept in the cluster: the newest few, each once, and a refusal stops nothing."""

import time
from typing import Any

import pytest

from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.validation.size import weight
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.spec.revisions import KEPT, revision
from utilitarian_operator.errors import ClusterError, Conflict, Rejected
from utilitarian_operator.reconcile.act.accepted_specs import AGAIN_AFTER_S, Revisions

OWNER = Owner("ns", "fleet", "mine")


async def kept(cluster: FakeCluster, namespace: str = "ns") -> list[tuple[int, Any]]:
    records, _ = await cluster.items("controllerrevisions", namespace)
    return sorted((it["revision"], it["data"]["spec"]) for it in records)


async def test_the_newest_is_read_back_and_the_oldest_go() -> None:
    cluster = FakeCluster()
    revisions = Revisions(cluster, OWNER, time.monotonic)
    assert await revisions.newest() is None
    for generation in range(1, KEPT + 3):
        await revisions.keep(generation, {"maxWorkers": generation}, makes_objects=True)
    newest = KEPT + 2
    assert await kept(cluster) == [(it, {"maxWorkers": it}) for it in range(newest - KEPT + 1, newest + 1)]
    restarted = await Revisions(cluster, OWNER, time.monotonic).newest()
    assert restarted is not None
    assert (restarted["revision"], restarted["data"]["spec"]) == (newest, {"maxWorkers": newest})


async def test_the_same_spec_is_kept_once() -> None:
    cluster = FakeCluster()
    revisions = Revisions(cluster, OWNER, time.monotonic)
    for generation in (1, 1, 2):
        await revisions.keep(generation, {"maxWorkers": 5}, makes_objects=True)
    assert await kept(cluster) == [(1, {"maxWorkers": 5})]


async def test_a_spec_that_makes_nothing_is_kept_only_after_one_that_did() -> None:
    cluster = FakeCluster()
    revisions = Revisions(cluster, OWNER, time.monotonic)
    await revisions.keep(1, {"mode": "Preview"}, makes_objects=False)
    assert await kept(cluster) == []
    await revisions.keep(2, {"mode": "Auto"}, makes_objects=True)
    await revisions.keep(3, {"mode": "Preview"}, makes_objects=False)
    assert [generation for generation, _ in await kept(cluster)] == [2, 3]


async def test_a_record_that_is_there_already_is_one() -> None:
    """The answer to an earlier request was lost."""
    cluster = FakeCluster()
    await Revisions(cluster, OWNER, time.monotonic).keep(1, {"maxWorkers": 5}, makes_objects=True)
    await Revisions(cluster, OWNER, time.monotonic).keep(1, {"maxWorkers": 5}, makes_objects=True)
    assert await kept(cluster) == [(1, {"maxWorkers": 5})]


async def test_a_record_that_is_there_already_goes_in_its_turn() -> None:
    """It is deleted by the uid that the API server gave it, which the answer that was lost had told."""
    cluster = FakeCluster()
    first, second = (Revisions(cluster, OWNER, time.monotonic) for _ in range(2))
    await first.keep(1, {"maxWorkers": 1}, makes_objects=True)
    for generation in range(1, KEPT + 2):
        await second.keep(generation, {"maxWorkers": generation}, makes_objects=True)
    assert [generation for generation, _ in await kept(cluster)] == list(range(2, KEPT + 2))


class _Unheard(FakeCluster):
    """Carries a create out, and its answer never comes."""

    lost = True

    async def create(self, manifest: Object) -> Object:
        made = await super().create(manifest)
        if self.lost and made["revision"] > 1:
            self.lost = False
            raise ClusterError("the answer was lost")
        return made


async def test_a_record_whose_answer_was_lost_before_the_next_edit_goes_in_its_turn() -> None:
    cluster = _Unheard()
    revisions = Revisions(cluster, OWNER, time.monotonic)
    await revisions.keep(1, {"maxWorkers": 1}, makes_objects=True)
    with pytest.raises(ClusterError, match="lost"):
        await revisions.keep(2, {"maxWorkers": 2}, makes_objects=True)
    for generation in range(3, KEPT + 4):
        await revisions.keep(generation, {"maxWorkers": generation}, makes_objects=True)
    assert [generation for generation, _ in await kept(cluster)] == list(range(4, KEPT + 4))


async def test_what_the_api_server_refuses_stops_nothing_and_is_not_asked_for_at_each_look() -> None:
    cluster = FakeCluster()
    cluster.fails = lambda asked: Rejected("forbidden") if asked.verb != "read" else None
    revisions = Revisions(cluster, OWNER, time.monotonic)
    assert await revisions.newest() is None
    for _ in range(3):
        await revisions.keep(1, {}, makes_objects=True)
    assert [it.verb for it in cluster.requests] == ["items", "create"]


async def test_records_that_might_not_be_read_for_a_moment_go_in_their_turn() -> None:
    """At a start, before the rights of the operator are in force: those from before stayed until its next start."""
    cluster, now = FakeCluster(), [0.0]
    first, second = (Revisions(cluster, OWNER, lambda: now[0]) for _ in range(2))
    for generation in range(1, KEPT + 1):
        await first.keep(generation, {"maxWorkers": generation}, makes_objects=True)
    cluster.fails = lambda asked: Rejected("forbidden") if asked.verb == "items" else None
    assert await second.newest() is None
    await second.keep(KEPT + 1, {"maxWorkers": KEPT + 1}, makes_objects=True)
    cluster.fails = lambda _: None
    await second.keep(KEPT + 1, {"maxWorkers": KEPT + 1}, makes_objects=True)
    assert len(await kept(cluster)) == KEPT + 1  # not at each look
    now[0] += AGAIN_AFTER_S
    await second.keep(KEPT + 1, {"maxWorkers": KEPT + 1}, makes_objects=True)
    assert [generation for generation, _ in await kept(cluster)] == list(range(2, KEPT + 2))


async def test_what_ran_before_is_asked_for_again_only_where_that_was_refused() -> None:
    cluster, now = FakeCluster(), [0.0]
    await Revisions(cluster, OWNER, lambda: now[0]).keep(1, {"maxWorkers": 1}, makes_objects=True)
    revisions = Revisions(cluster, OWNER, lambda: now[0])
    cluster.fails = lambda asked: Rejected("forbidden") if asked.verb == "items" else None
    assert await revisions.newest() is None
    cluster.fails = lambda _: None
    assert await revisions.again() is None  # not at once
    now[0] += AGAIN_AFTER_S
    found = await revisions.again()
    assert found is not None
    assert found["data"]["spec"] == {"maxWorkers": 1}
    now[0] += AGAIN_AFTER_S
    assert await revisions.again() is None


async def test_a_record_whose_deletion_meets_a_conflict_is_tried_again_later() -> None:
    """The API server may also say so of a record that is there as it was, in the time in which etcd is overtaxed."""
    cluster, now = FakeCluster(), [0.0]
    revisions = Revisions(cluster, OWNER, lambda: now[0])
    for generation in range(1, KEPT + 1):
        await revisions.keep(generation, {"maxWorkers": generation}, makes_objects=True)
    cluster.fails = lambda asked: Conflict("try again") if asked.verb == "delete" else None
    for _ in range(3):
        await revisions.keep(KEPT + 1, {"maxWorkers": KEPT + 1}, makes_objects=True)
    assert [it.verb for it in cluster.requests].count("delete") == 1
    cluster.fails = lambda _: None
    now[0] += AGAIN_AFTER_S
    await revisions.keep(KEPT + 1, {"maxWorkers": KEPT + 1}, makes_objects=True)
    assert [generation for generation, _ in await kept(cluster)] == list(range(2, KEPT + 2))


async def test_a_record_whose_name_is_taken_is_no_record_and_is_tried_again_later() -> None:
    """It counted as kept: after a restart with an edit that is not accepted, nothing ran, and no log had said why."""
    cluster, now = FakeCluster(), [0.0]
    revisions = Revisions(cluster, OWNER, lambda: now[0])
    record = revision(OWNER, 1, {"maxWorkers": 1})
    others = await cluster.create({**record, "metadata": {**record["metadata"], "labels": {}}})
    for _ in range(3):
        await revisions.keep(1, {"maxWorkers": 1}, makes_objects=True)
    assert [it.verb for it in cluster.requests].count("create") == 2
    await cluster.delete(others)
    now[0] += AGAIN_AFTER_S
    await revisions.keep(1, {"maxWorkers": 1}, makes_objects=True)
    assert [generation for generation, _ in await kept(cluster)] == [1]


@pytest.mark.parametrize("verb", ["items", "create"])
async def test_an_api_server_that_does_not_answer_is_an_error(verb: str) -> None:
    cluster = FakeCluster()

    def fails(asked: Request) -> Exception | None:
        return ClusterError("no answer") if asked.verb == verb else None

    cluster.fails = fails
    revisions = Revisions(cluster, OWNER, time.monotonic)
    with pytest.raises(ClusterError, match="no answer"):
        await (revisions.newest() if verb == "items" else revisions.keep(1, {}, makes_objects=True))


@pytest.mark.parametrize("data", [None, [1], "text", {}, {"spec": None}])
async def test_a_record_that_another_client_wrote_is_no_spec_and_stops_nothing(data: object) -> None:
    cluster = FakeCluster()
    await cluster.create(revision(OWNER, 1, {}) | {"data": data})
    revisions = Revisions(cluster, OWNER, time.monotonic)
    await revisions.newest()
    await revisions.keep(2, {"maxWorkers": 5}, makes_objects=True)
    restarted = await Revisions(cluster, OWNER, time.monotonic).newest()
    assert restarted is not None
    assert restarted["data"]["spec"] == {"maxWorkers": 5}


async def test_of_a_record_no_spec_is_kept_in_memory() -> None:
    revisions = Revisions(FakeCluster(), OWNER, time.monotonic)
    await revisions.keep(1, {"pools": [{"name": "x" * 1_000_000}]}, makes_objects=True)
    assert await revisions.newest() is not None
    assert weight(revisions._live) < 10_000


async def test_more_records_than_the_operator_makes_are_not_read() -> None:
    """Who may write records in a namespace may write many; nothing is decided for that fleet until they are gone."""
    cluster = FakeCluster()
    for generation in range(12):
        await cluster.create(revision(OWNER, generation, {"pools": [{}] * 40_000}))
    with pytest.raises(ClusterError, match="ControllerRevisions take more than 28 MiB of memory: delete"):
        await Revisions(cluster, OWNER, time.monotonic).newest()
