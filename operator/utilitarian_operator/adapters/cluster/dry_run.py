"""The API server as the command line uses it: reads, and writes as dry runs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from aiohttp import ClientConnectorCertificateError

from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.adapters.cluster.no_right import for_a_person, no_answer
from utilitarian_operator.api.objects import Object
from utilitarian_operator.errors import ClusterError, Gone, Rejected

DRY_RUN = ("dryRun", "All")
PAGE = 200
"""Objects asked for at once, or fewer where they are large."""


def clock_of(headers: Mapping[str, str]) -> datetime | None:
    """The moment at which an answer was sent; None where it says none."""
    try:
        moment = parsedate_to_datetime(headers["Date"])
    except (KeyError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


class DryRunCluster(ClusterClient):
    """The API server; whatever is written to it is checked, admitted, given its defaults, and not kept."""

    _with_each_write: Sequence[tuple[str, str]] = (DRY_RUN,)
    clock_ahead = timedelta()
    """How far the API server's clock is ahead of this machine's, by its last answer, which says it to the second."""

    async def find(self, manifest: Object) -> Object | None:
        """The object that a manifest describes, as it is now; None if there is none."""
        metadata = manifest["metadata"]
        try:
            return await self.read(manifest["kind"], metadata["namespace"], metadata["name"])
        except Gone:
            return None

    async def page(
        self, plural: str, namespace: str | None, selector: str = "", fields: str = "", after: str = ""
    ) -> tuple[list[Object], str]:
        """The first objects of one kind, or those after a page; and how to ask for the next page, "" after the last."""
        found, metadata = await self._listed(plural, namespace, selector, PAGE, fields, after)
        return found, str(metadata.get("continue") or "")

    async def all_items(
        self, plural: str, namespace: str | None, selector: str = "", fields: str = "", most: int = 5000
    ) -> tuple[list[Object], bool]:
        """The objects of one kind, page by page, and whether there are more than `most`, which are left out."""
        found, after = await self.page(plural, namespace, selector, fields)
        while after and len(found) < most:
            more, after = await self.page(plural, namespace, selector, fields, after)
            found += more
        return found, bool(after)

    def _no_answer(self, error: Exception, what: str) -> ClusterError:
        return no_answer(error, what, untrusted=isinstance(error, ClientConnectorCertificateError))

    def _came(self, headers: Mapping[str, str]) -> None:
        clock = clock_of(headers)
        self.clock_ahead = timedelta() if clock is None else clock - datetime.now(UTC)

    def _error(self, status: int, text: str, what: str) -> ClusterError:
        return for_a_person(super()._error(status, text, what), status)

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
