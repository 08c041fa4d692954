"""Secrets and ConfigMaps in a cluster in memory: what they hold, which of them can't be read, and which were read."""

import base64
from collections.abc import Mapping

from utilitarian_operator.adapters.cluster.fake import FakeCluster, Request
from utilitarian_operator.errors import ClusterError

NAMESPACE = "ns"


class Contents:
    """The namespace `ns` of a cluster in memory.

    Attributes:
        cluster: the API server.
        errors: by the name of an object, why it can't be read.
    """

    def __init__(self) -> None:
        self.errors: dict[str, ClusterError] = {}
        self.cluster = FakeCluster(fails=self._error)

    @property
    def read(self) -> list[str]:
        """The names of the objects that were asked for, oldest first."""
        return [it.name for it in self.cluster.requests if it.verb == "read"]

    async def put(self, kind: str, **objects: Mapping[str, str]) -> None:
        """Have these objects hold these texts, and nothing else, by the name of each."""
        for name, values in objects.items():
            data = {key: encoded(value) for key, value in values.items()} if kind == "Secret" else dict(values)
            metadata = {"namespace": NAMESPACE, "name": name}
            body = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data}
            await self.cluster.apply(body, force=True)

    def _error(self, request: Request) -> ClusterError | None:
        return self.errors.get(request.name) if request.verb == "read" else None


def encoded(text: str) -> str:
    """As a Secret has it."""
    return base64.b64encode(text.encode()).decode()


async def secrets(**objects: Mapping[str, str]) -> Contents:
    """A cluster with these Secrets."""
    made = Contents()
    await made.put("Secret", **objects)
    return made
