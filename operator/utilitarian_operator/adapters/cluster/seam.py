"""What the operator asks of the Kubernetes API server: one method for each kind of request.

`client.ClusterClient` sends the requests, `dry_run.DryRunCluster` sends each write as a dry run, and
`fake.FakeCluster` answers from memory. One set of contract tests holds the fake to what the real API server does.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.core.observation.model.usage import PodUsage

Each: TypeAlias = Callable[[Object], Object | None]
"""Gives what is kept of an object; None leaves it out."""


class Cluster(Protocol):
    """The API server.

    Objects are as JSON has them, with `apiVersion` and `kind`. Every method raises ClusterError when the server can't
    be reached, gives no answer in time or fails, and one of its subclasses when it refuses: Gone (404), Conflict
    (409) or Rejected (400, 403, 422). A write raises LeadershipLost when this process may no longer write, and
    LeaseUnsure while that can't be known.
    """

    async def read(self, kind: str, namespace: str, name: str) -> Object:
        """One object as it is now; raises Gone if it is not there."""

    async def items(
        self, plural: str, namespace: str | None, selector: str = "", limit: int | None = None, fields: str = ""
    ) -> tuple[list[Object], int]:
        """The objects of one kind, in no order, and the resourceVersion of the list.

        Args:
            plural: the kind, as its path has it: `deployments`.
            namespace: that they are in; None for all namespaces, and for what has no namespace.
            selector: of labels, as `kubectl get -l` takes it; all objects without it.
            limit: at most so many objects.
            fields: selector of fields, as `kubectl get --field-selector` takes it; all objects without it.
        """

    async def kept_items(
        self, plural: str, namespace: str | None, selector: str, each: Each, fields: str = ""
    ) -> tuple[list[Object], int]:
        """What is kept of all objects of one kind, and the resourceVersion of the list.

        They are read in pages, and no two are in memory as a whole: who wrote them decides how large they are.

        Args:
            plural: the kind, as its path has it.
            namespace: that they are in; None for all namespaces.
            selector: of labels.
            each: called with each object once; gives what is kept of it.
            fields: selector of fields.
        """

    async def serves(self, plural: str) -> bool:
        """Whether the API server knows a kind, in the version that the operator asks for; no object is read for that.

        Args:
            plural: the kind, as its path has it.
        """

    async def log_end(self, pod: ReadOnlyObject, container: str, *, previous: bool) -> str:
        """The last lines of a container's log, as its node has them: at most 100 lines and 64 KiB.

        Args:
            pod: as it was seen.
            container: its name.
            previous: of the one that ran before the present one.
        """

    async def pod_usage(self, namespace: str, selector: str) -> Mapping[str, PodUsage]:
        """What the workers' containers of some pods use, by the pod's name, as `metrics.k8s.io` has it.

        Raises Gone where the cluster has no such API.

        Args:
            namespace: that they are in.
            selector: of labels, as `kubectl get -l` takes it.
        """

    async def create(self, manifest: Object) -> Object:
        """Make an object; returns it as it is now. Raises Conflict if there is one of its name."""

    async def apply(self, manifest: Object, *, force: bool) -> Object:
        """Server-side apply; returns the object as it is now.

        Args:
            manifest: what is applied; a field that an earlier apply had, and this one doesn't, goes.
            force: take over fields of others, for objects that the resource controls. Else raises Conflict.
        """

    async def patch(self, live: ReadOnlyObject, change: ReadOnlyObject, subresource: str = "") -> Object:
        """Change some fields of exactly this object; returns it as it is now.

        Args:
            live: the object as it was seen. One of its name with another uid is left alone: raises Rejected. Of the
                status of a UtilitarianWorkerPool the API server doesn't compare the uid.
            change: the fields to change. None takes a field away. A list takes the place of the one that is there,
                but in kinds of Kubernetes itself the lists that have a key, such as `status.conditions`, are merged
                by it. `metadata.resourceVersion` asks for the object as it was seen: raises Conflict if it changed.
            subresource: part that is changed: `status`; else what is not status.
        """

    async def scale(
        self, namespace: str, deployment: str, replicas: int, resource_version: str | None = None
    ) -> Object:
        """Set the replicas of a Deployment through /scale; returns the Scale.

        Args:
            namespace: of the Deployment.
            deployment: its name.
            replicas: wanted.
            resource_version: raise Conflict if the Deployment is not at this version any more; None asks for no such
                thing.
        """

    async def delete(self, live: ReadOnlyObject) -> None:
        """Delete exactly this object, not another of its name (Conflict); its pods end in their own time.

        A Deployment goes only as it was seen (Conflict): its status says that it has no pods any more.
        """


def secret_values(secret: ReadOnlyObject) -> dict[str, str]:
    """The decoded values of a Secret, by key; what is no text in one doesn't hide the others."""
    encoded: dict[str, str] = secret.get("data") or {}
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in encoded.items()}
