"""What a candidate says that keeps it from taking over."""

import pytest

from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.api.objects import Object
from utilitarian_operator.errors import ClusterError, Gone
from utilitarian_operator.host.health import ProcessHealth
from utilitarian_operator.host.preflight import check


class Reviews(FakeCluster):
    """Answers what a service account may do."""

    lacking: tuple[str, str] | None = None

    async def create(self, manifest: Object) -> Object:
        asked = manifest["spec"]["resourceAttributes"]
        return {"status": {"allowed": (asked["verb"], asked["subresource"] or asked["resource"]) != self.lacking}}


@pytest.mark.parametrize(
    "error, lacking, said",
    [
        (None, None, None),
        (Gone("HTTP 404"), None, "the API server does not know utilitarianworkerpools.utilitarian.io: install the CRD"),
        (ClusterError("no answer"), None, "the API server can't be asked: no answer"),
        (
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
    error: ClusterError | None, lacking: tuple[str, str] | None, said: str | None
) -> None:
    def fails(request: Request) -> Exception | None:
        return error if request.verb == "items" else None

    cluster = Reviews(fails=fails)
    cluster.lacking = lacking
    assert await check(cluster, ["metering"]) == said
    health = ProcessHealth(lacks=said)
    assert health.unready() == said
    assert health.sick() is None
