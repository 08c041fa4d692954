"""The API server as the command line uses it: reads, and writes as a dry run only; it can change nothing."""

from collections.abc import Sequence
from typing import Any

from utilitarian_operator.adapters.cluster import JSON, Cluster, Object
from utilitarian_operator.errors import Gone

DRY_RUN = ("dryRun", "All")


class Rehearsal(Cluster):
    """The API server; whatever is written to it is checked, admitted, given its defaults, and not kept."""

    async def find(self, manifest: Object) -> Object | None:
        """The object that a manifest describes, as it is now; None if there is none."""
        metadata = manifest["metadata"]
        try:
            return await self.read(manifest["kind"], metadata["namespace"], metadata["name"])
        except Gone:
            return None

    async def _request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = JSON,
        query: Sequence[tuple[str, str]] = (),
    ) -> Object:
        dry = [] if method == "GET" else [DRY_RUN]
        return await super()._request(method, path, body, content_type, [*query, *dry])
