"""What a candidate says that keeps it from taking over."""

import asyncio

import pytest

from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.api.objects import Object
from utilitarian_operator.errors import ClusterError
from utilitarian_operator.host.health import ProcessHealth
from utilitarian_operator.host.preflight import AGAIN_S, EACH_S, check, keep_checking


class Reviews(FakeCluster):
    """Answers what a service account may do."""

    lacking: tuple[str, str] | None = None
    knows = True

    async def serves(self, plural: str) -> bool:
        return await super().serves(plural) and self.knows

    async def create(self, manifest: Object) -> Object:
        asked = manifest["spec"]["resourceAttributes"]
        return {"status": {"allowed": (asked["verb"], asked["subresource"] or asked["resource"]) != self.lacking}}


@pytest.mark.parametrize(
    "knows, error, lacking, said",
    [
        (True, None, None, None),
        (False, None, None, "the API server does not know utilitarianworkerpools.utilitarian.io: install the CRD"),
        (True, ClusterError("no answer"), None, "the API server can't be asked: no answer"),
        (
            True,
            None,
            ("patch", "scale"),
            (
                "the right to patch deployments/scale (apps) in namespace metering is missing: "
                "docs/install.md has what it needs"
            ),
        ),
    ],
    ids=["all is there", "no definition", "no answer", "a right is missing"],
)
async def test_a_candidate_says_what_keeps_it_from_taking_over(
    knows: bool, error: ClusterError | None, lacking: tuple[str, str] | None, said: str | None
) -> None:
    def fails(request: Request) -> Exception | None:
        return error if request.verb == "serves" else None

    cluster = Reviews(fails=fails)
    cluster.knows, cluster.lacking = knows, lacking
    assert await check(cluster, ["metering"]) == said
    assert "items" not in {request.verb for request in cluster.requests}  # an unchanged fleet makes no list call
    health = ProcessHealth(lacks=said)
    assert health.unready() == said
    assert health.sick() is None


async def test_a_candidate_that_lacks_something_is_checked_more_often() -> None:
    cluster, found, slept = Reviews(), [], []
    cluster.lacking = ("patch", "scale")

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        cluster.lacking = None
        if len(slept) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await keep_checking(cluster, ["metering"], found.append, sleep)
    assert slept == [AGAIN_S, EACH_S, EACH_S]
    assert [it is None for it in found] == [False, True, True]
