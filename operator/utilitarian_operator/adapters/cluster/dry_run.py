"""The API server as the command line uses it: reads, and writes as dry runs."""

from collections.abc import Iterable, Mapping, Sequence

from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.api.objects import Object
from utilitarian_operator.errors import ClusterError, Gone, Rejected

DRY_RUN = ("dryRun", "All")


class DryRunCluster(ClusterClient):
    """The API server; whatever is written to it is checked, admitted, given its defaults, and not kept."""

    _with_each_write: Sequence[tuple[str, str]] = (DRY_RUN,)

    async def find(self, manifest: Object) -> Object | None:
        """The object that a manifest describes, as it is now; None if there is none."""
        metadata = manifest["metadata"]
        try:
            return await self.read(manifest["kind"], metadata["namespace"], metadata["name"])
        except Gone:
            return None

    async def leases(self, name: str, namespaces: Iterable[str]) -> Mapping[str, Object | str]:
        """The Lease of a name in each of some namespaces that has one; or why it can't be read."""
        try:
            every, _ = await self.items("leases", None, fields=f"metadata.name={name}")
        except ClusterError:  # who may not list them may read some
            read = {it: await self._lease(it, name) for it in namespaces}
            return {namespace: lease for namespace, lease in read.items() if lease is not None}
        return {it["metadata"]["namespace"]: it for it in every}

    async def _lease(self, namespace: str, name: str) -> Object | str | None:
        try:
            return await self.read("Lease", namespace, name)
        except Gone:
            return None
        except ClusterError as error:
            return error.said if isinstance(error, Rejected) else str(error)
