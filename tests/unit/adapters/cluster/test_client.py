"""An API server that is played: how much of its lists is read, in how many requests, and what its errors mean."""

import contextlib
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from tests.support.ports import LOOPBACK, free_port
from utilitarian_operator.adapters.cluster.client import MOST_LISTED_BYTES, ClusterClient
from utilitarian_operator.adapters.cluster.dry_run import DryRunCluster
from utilitarian_operator.errors import ClusterError, Conflict, Gone, Rejected
from utilitarian_operator.host.serving.http import listen

KIB = 1024


@pytest.mark.parametrize(
    "each, pods, limit, least, most",
    [
        pytest.param(2 * KIB, 600, 500, 500, 500, id="as many as are asked for"),
        pytest.param(2 * KIB, 100, 500, 100, 100, id="all that there are"),
        pytest.param(10 * KIB, 600, 500, 300, 420, id="as many as may be read"),
        pytest.param(10 * KIB, 399, 500, 300, 399, id="nearly all"),
        pytest.param(1500 * KIB, 20, 500, 2, 2, id="few that are large"),
        pytest.param(1500 * KIB, 20, 1, 1, 1, id="one"),
    ],
)
async def test_of_a_list_that_is_too_long_the_first_objects_are_read(
    each: int, pods: int, limit: int, least: int, most: int
) -> None:
    """Four hundred pods of a usual size were too many: none of them was looked at, and a second beat not seen."""
    async with played(each, pods) as (client, asked):
        found, at = await ClusterClient(client).items("pods", "n", limit=limit)
    assert (at, [it["metadata"]["name"] for it in found]) == (7, [f"pod-{it:04}" for it in range(len(found))])
    assert least <= len(found) <= most
    assert len(found) * each <= MOST_LISTED_BYTES
    assert len(asked) <= 8


async def test_a_person_is_shown_all_of_them_however_large_they_are() -> None:
    async with played(40 * KIB, 250) as (client, _):
        found, more = await DryRunCluster(client).all_items("pods", "n")
    assert (len(found), more) == (250, False)


DENIED = 'admission webhook "policy.example.com" denied the request: no'
POLICY = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"


@pytest.mark.parametrize(
    "status, text, means",
    [
        *(
            pytest.param(status, {"message": DENIED}, Rejected, id=f"a webhook that says {status}")
            for status in (400, 401, 403, 404, 409, 410, 422, 429, 451, 500, 503)
        ),
        pytest.param(401, {"message": POLICY}, Rejected, id="a policy that says 401"),
        pytest.param(413, {"message": POLICY}, Rejected, id="a policy that says 413"),
        pytest.param(
            413, {"message": "Request entity too large: limit is 3145728"}, Rejected, id="more than a request may have"
        ),
        pytest.param(500, {"message": "etcdserver: request is too large"}, Rejected, id="more than etcd takes"),
        pytest.param(500, {"message": "etcdserver: leader changed"}, ClusterError, id="an API server that fails"),
        pytest.param(500, {"message": None}, ClusterError, id="an error without a word"),
        pytest.param(401, {"message": "Unauthorized"}, ClusterError, id="a login that is over"),
        pytest.param(404, {"message": 'pods "x" not found'}, Gone, id="what is not there"),
        pytest.param(409, {"message": "the object has been modified"}, Conflict, id="what was changed meanwhile"),
        pytest.param(502, "<html>Bad Gateway</html>", ClusterError, id="a page of a proxy"),
    ],
)
async def test_what_one_webhook_refuses_is_refused_whatever_number_it_says(
    status: int, text: object, means: type[ClusterError]
) -> None:
    """With 500 each look ended at that object for good, and with 404 or 409 it was taken for another client's doing."""
    async with Answering(status, text if isinstance(text, str) else json.dumps(text)) as client:
        with pytest.raises(ClusterError) as raised:
            await ClusterClient(client).read("Pod", "n", "x")
    assert type(raised.value) is means


class Answering(ApiClient):
    """A client to which an API server always says the same."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(Configuration())
        self._said = status, text

    async def call_api(self, *_: Any, **__: Any) -> Any:
        status, text = self._said

        async def read() -> bytes:
            return text.encode()

        return SimpleNamespace(status=status, read=read, response=SimpleNamespace(headers={}))


@contextlib.asynccontextmanager
async def played(each: int, pods: int) -> AsyncIterator[tuple[ApiClient, list[int]]]:
    """A client of an API server with so many pods of so many bytes, and for how many it was asked each time."""
    asked = list[int]()

    async def page(request: web.Request) -> web.Response:
        begin, number = int(request.query.get("continue", 0)), int(request.query["limit"])
        end = min(begin + number, pods)
        items = [{"metadata": {"name": f"pod-{it:04}", "annotations": {"a": "x" * each}}} for it in range(begin, end)]
        metadata = {"resourceVersion": "7", **({"continue": str(end)} if end < pods else {})}
        asked.append(number)
        return web.json_response({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items})

    application, port = web.Application(), free_port()
    application.router.add_get("/api/v1/namespaces/n/pods", page)
    configuration = Configuration()
    configuration.host = f"http://{LOOPBACK}:{port}"
    async with listen(application, LOOPBACK, port, "pods"), ApiClient(configuration) as client:
        yield client, asked
