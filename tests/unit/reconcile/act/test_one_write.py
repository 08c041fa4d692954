"""What it means that a write failed: of itself, or because the API server is away."""

from typing import Any

import pytest

from utilitarian_operator.adapters.cluster.cache import FLEETS, Key, Store
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.errors import ClusterError, LeaseUnsure, Rejected
from utilitarian_operator.reconcile.act.one_write import ALONE, refusal

KIND = "UtilitarianWorkerPool"
RESOURCE: dict[str, Any] = {"kind": KIND, "metadata": {"namespace": "ns", "name": "fleet"}}
SILENT = ClusterError("no answer in time")


@pytest.mark.parametrize(
    "error, reads, found",
    [
        pytest.param(Rejected("HTTP 403: no", "no"), SILENT, ("no", False), id="it is refused"),
        pytest.param(SILENT, None, (f"no answer in time; {ALONE}", True), id="it alone gets no answer"),
        pytest.param(SILENT, Rejected("no"), (f"no answer in time; {ALONE}", True), id="the resource may not be read"),
        pytest.param(SILENT, ClusterError("away"), "away", id="nothing gets an answer"),
        pytest.param(LeaseUnsure("unsure"), None, "unsure", id="it may not be sent"),
    ],
)
async def test_why_a_write_failed(error: ClusterError, reads: Exception | None, found: object) -> None:
    cluster = FakeCluster()
    made = await cluster.create(RESOURCE)
    cluster.fails = lambda _: reads
    if isinstance(found, str):
        with pytest.raises(ClusterError, match=found):
            await refusal(cluster, Store(), made, error)
    else:
        assert await refusal(cluster, Store(), made, error) == found


async def test_a_resource_that_went_without_a_word_is_noted() -> None:
    cluster, store = FakeCluster(), Store()
    made = await cluster.create(RESOURCE)
    store.see(FLEETS, made)
    await cluster.delete(made)
    assert (await refusal(cluster, store, made, SILENT))[1]
    assert store.fleet(Key("ns", "fleet")) is None
