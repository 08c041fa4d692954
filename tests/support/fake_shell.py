"""The command line of a person on call, with an API server in memory."""

import asyncio
import contextlib
import copy
import subprocess
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import operator_command
from tests.support.yaml_text import load
from utilitarian_operator.adapters.cluster.by_hand import Server
from utilitarian_operator.adapters.cluster.dry_run import PAGE, DryRunCluster
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.api.names import FLEETS_LEASE
from utilitarian_operator.api.objects import Object
from utilitarian_operator.cli import connection
from utilitarian_operator.cli.connection import Connection, HandConnection, Target
from utilitarian_operator.core.moments import timestamp

NAMESPACE = "metering"
SAVED = Path(__file__).parents[1] / "unit" / "cli" / "saved_fleet.yaml"


class PersonCluster(FakeCluster):
    """The API server in memory, with what the command line asks beside."""

    find = DryRunCluster.find
    leases = DryRunCluster.leases
    all_items = DryRunCluster.all_items
    _lease = DryRunCluster._lease

    clock_ahead = timedelta()
    """How far its clock is ahead of this machine's."""
    page_size = PAGE
    """Objects of a page."""
    forbidden: frozenset[tuple[str, str]] = frozenset()
    """Verbs and resources to which the person has no right."""

    async def server(self) -> Server:
        """Its version and its clock."""
        return Server("v1.34.1", datetime.now(UTC) + self.clock_ahead)

    async def page(
        self, plural: str, namespace: str | None, selector: str = "", fields: str = "", after: str = ""
    ) -> tuple[list[Object], str]:
        """Some objects of one kind, and by what those after them are asked for."""
        found, _ = await self.items(plural, namespace, selector, None, fields)
        begin, end = int(after or 0), int(after or 0) + self.page_size
        return found[begin:end], str(end) if end < len(found) else ""

    async def create(self, manifest: Object) -> Object:
        """Make an object; a review of rights is answered and not kept."""
        if manifest["kind"] != "SelfSubjectAccessReview":
            return await super().create(manifest)
        about = manifest["spec"]["resourceAttributes"]
        return {**manifest, "status": {"allowed": (about["verb"], about["resource"]) not in self.forbidden}}

    def dry(self) -> "PersonCluster":
        """The same objects; what is written to them is not kept."""
        objects = copy.deepcopy(self._objects)
        other = PersonCluster(self.clock, self.manager, self.fails, self.requests, self.logs, _objects=objects)
        other.clock_ahead, other.forbidden = self.clock_ahead, self.forbidden
        return other


class FakeShell:
    """The command line of a person on call, with an API server in memory.

    Args:
        monkeypatch: by which the commands are given the cluster.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster = PersonCluster()
        self.dry_runs: list[PersonCluster] = []
        monkeypatch.setattr(connection, "connected", self._connected)
        monkeypatch.setattr(connection, "by_hand", self._by_hand)

    def run(self, *words: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """One command."""
        return operator_command(*words, env=env)

    def add(self, body: Object) -> Object:
        """An object with its status."""
        made = asyncio.run(self.cluster.create(body))
        if "status" in body:
            made = asyncio.run(self.cluster.patch(made, {"status": body["status"]}, "status"))
        return made

    def fleet(self, name: str = "utilitarian", namespace: str = NAMESPACE, **spec: Any) -> Object:
        """The saved fleet, with other fields in its spec."""
        body: Object = load(SAVED.read_text())
        metadata = {"name": name, "namespace": namespace}
        return self.add({**body, "metadata": metadata, "spec": {**body["spec"], **spec}})

    def lease(self, ago: timedelta = timedelta(), namespace: str = NAMESPACE) -> None:
        """The Lease of an operator that was at work then."""
        renewed = timestamp(datetime.now(UTC) - ago, "microseconds")
        spec = {"holderIdentity": "operator-1", "leaseDurationSeconds": 15, "renewTime": renewed}
        metadata = {"name": FLEETS_LEASE, "namespace": namespace}
        self.add({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})

    def now(self, name: str = "utilitarian", namespace: str = NAMESPACE) -> Object:
        """The resource as it is now."""
        return asyncio.run(self.cluster.read("UtilitarianWorkerPool", namespace, name))

    def annotations(self, name: str = "utilitarian") -> dict[str, str]:
        """The resource's annotations."""
        return dict(self.now(name)["metadata"].get("annotations") or {})

    @contextlib.asynccontextmanager
    async def _connected(self, target: Target) -> AsyncIterator[Connection]:
        yield Connection(self.cluster, target.namespace or NAMESPACE)  # type: ignore[arg-type]

    @contextlib.asynccontextmanager
    async def _by_hand(self, target: Target, *, dry_run: bool) -> AsyncIterator[HandConnection]:
        cluster = self.cluster.dry() if dry_run else self.cluster
        self.dry_runs += [cluster] if dry_run else []
        yield HandConnection(cluster, target.namespace or NAMESPACE)  # type: ignore[arg-type]
