"""The API server as a person on call uses it: reads, and writes in the name of the command line."""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from aiohttp import ClientError
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.exceptions import ApiException

from utilitarian_operator.adapters.cluster.client import JSON, TIMEOUT_S
from utilitarian_operator.adapters.cluster.dry_run import DRY_RUN, DryRunCluster, clock_of
from utilitarian_operator.errors import ClusterError


@dataclass(frozen=True, slots=True)
class Server:
    """What an API server says of itself.

    Args:
        version: as `kubectl version` has it: `v1.34.1`.
        clock: of its answer, to the second; None where it says none.
    """

    version: str
    clock: datetime | None


class HandCluster(DryRunCluster):
    """The API server; what is written to it is kept, unless all is a dry run.

    Args:
        client: of the official library, which knows how to log in.
        dry_run: whether writes are checked and admitted, and not kept.
    """

    _manager: ClassVar[str] = "kubectl-utilitarian"

    def __init__(self, client: ApiClient, *, dry_run: bool) -> None:
        super().__init__(client)
        self._with_each_write = [DRY_RUN] if dry_run else []

    async def server(self) -> Server:
        """Its version and its clock.

        Raises:
            ClusterError: it does not answer, or as no API server does.
        """
        headers = {"Accept": JSON}
        try:
            request = await self._client.param_serialize(
                "GET", "/version", header_params=headers, auth_settings=["BearerToken"]
            )
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self._client.call_api(*request, _request_timeout=TIMEOUT_S)
                text = await answer.read()
            if answer.status >= 300:  # noqa: PLR2004 - HTTP's own number
                raise self._error(answer.status, text.decode(errors="replace"), "GET version")
            return Server(str(json.loads(text)["gitVersion"]), clock_of(answer.response.headers))
        except (ApiException, ClientError, TimeoutError, OSError) as error:
            raise self._no_answer(error, "GET version") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ClusterError("GET version: the answer is none of an API server") from error
