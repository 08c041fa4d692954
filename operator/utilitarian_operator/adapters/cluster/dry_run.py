"""The API server as the command line uses it: reads, and writes as dry runs."""

import contextlib
from collections.abc import Iterable

from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.api.objects import Object
from utilitarian_operator.errors import ClusterError, Gone, Rejected

DRY_RUN = ("dryRun", "All")


class DryRunCluster(ClusterClient):
    """The API server; whatever is written to it is checked, admitted, given its defaults, and not kept."""

    _with_each_write = (DRY_RUN,)

    async def find(self, manifest: Object) -> Object | None:
        """The object that a manifest describes, as it is now; None if there is none."""
        metadata = manifest["metadata"]
        try:
            return await self.read(manifest["kind"], metadata["namespace"], metadata["name"])
        except Gone:
            return None

    async def leases(self, name: str, namespaces: Iterable[str]) -> tuple[list[Object], str]:
        """The Leases of a name in all namespaces; where that is refused, those of some. And why not all were read."""
        try:
            return (await self.items("leases", None, fields=f"metadata.name={name}"))[0], ""
        except ClusterError as error:
            found, unread = [], error.said if isinstance(error, Rejected) else str(error)
        for namespace in namespaces:
            with contextlib.suppress(ClusterError):
                found.append(await self.read("Lease", namespace, name))
        return found, unread
