"""What the operator would change in a cluster for a resource, by dry runs on its API server."""

import asyncio
import difflib
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import yaml

from utilitarian_operator.adapters.cluster.dry_run import DryRunCluster
from utilitarian_operator.adapters.cluster.no_right import NoRight
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.labels import (
    INSTANCE_LABEL,
    MANAGED_BY_LABEL,
    MANAGER,
    TEMPLATE_HASH,
    Owner,
)
from utilitarian_operator.core.objects.actions import Belongs, Create, belongs
from utilitarian_operator.core.objects.manifests import beat_claim, unowned
from utilitarian_operator.core.objects.wanted import (
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    STATEFUL_SET,
    Wanted,
    field_path,
    noted,
    todo,
    wanted_objects,
)
from utilitarian_operator.errors import ClusterError, Rejected

AT_A_TIME = 8
"""Requests under way together: quick for a hundred pools, and no burden to an API server."""

_PLURALS = {DEPLOYMENT: "deployments", STATEFUL_SET: "statefulsets", DISRUPTION_BUDGET: "poddisruptionbudgets"}
_SERVERS_OWN = ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink")
_NOT_COMPARED = (TEMPLATE_HASH, "deployment.kubernetes.io/revision")

Live = dict[str, dict[str, Object]]


@dataclass(frozen=True, slots=True)
class Change:
    """What would happen to one object.

    Args:
        action: `create`, `change`, `delete`, `taken` (another owner's, left alone) or `refused` (by the API server).
        kind, name: of the object.
        diff: unified, line by line.
        because: why it is not done, where it is not.
    """

    action: str
    kind: str
    name: str
    diff: list[str] = field(default_factory=list)
    because: str = ""


async def changes(cluster: DryRunCluster, owner: Owner, fleet: Fleet, *, built_in: bool) -> list[Change]:
    """Everything that would change, in the order in which the operator would do it; objects that stay are left out.

    Args:
        cluster: where the dry runs are made.
        owner: the resource; its uid is empty if there is none yet.
        fleet: as it should be.
        built_in: whether the pools are the built-in layout's.

    Raises:
        ClusterError: the API server can't be reached, or what is there can't be read.
    """
    live = await _live(cluster, owner)
    none = dict.fromkeys((pool.name for pool in fleet.pools), 0)
    # Whether an object is as it should be is not believed from its annotations: a dry run of the apply shows it.
    wanted = wanted_objects(owner, fleet, live, {}, noted(owner, fleet, live), built_in=built_in)
    plan = todo(owner, wanted, live, none, changed=lambda _, __: True)
    turn = asyncio.Semaphore(AT_A_TIME)
    found = await together(
        *(_rehearsed(cluster, turn, owner, it, live, unseen=isinstance(action, Create)) for it, action in plan.actions),
        _claim(cluster, owner, fleet),
    )
    return [
        *(change for change in found if change is not None),
        *(_taken(it) for it in plan.taken),
        *(_deleted(deletion.live) for deletion in plan.deletions),
    ]


async def together(*asked: Coroutine[None, None, Change | None]) -> list[Change | None]:
    """The answers, in the order of the questions. Where several fail it is always the first one's error.

    `asyncio.gather` would raise what came first, so that the same plan named one right today and another one tomorrow.
    The others are waited for, not cancelled: a connection that is given up has to be taken leave of as well, and the
    command would end before that.

    Raises:
        ClusterError: a question's own.
    """
    answers = await asyncio.gather(*asked, return_exceptions=True)
    found = []
    for it in answers:
        if isinstance(it, BaseException):
            raise it
        found.append(it)
    return found


def difference(before: Object | None, after: Object | None, what: str) -> list[str]:
    """What differs between two states of an object, as a unified diff; empty if nothing that counts does.

    Args:
        before: the object as it is, None if there is none.
        after: the object as it would be, None if there would be none.
        what: names it in the head.
    """
    old, new = ([] if state is None else _text(state).splitlines() for state in (before, after))
    return list(difflib.unified_diff(old, new, fromfile=f"live/{what}", tofile=f"planned/{what}", lineterm=""))


async def _live(cluster: DryRunCluster, owner: Owner) -> Live:
    selector = f"{MANAGED_BY_LABEL}={MANAGER},{INSTANCE_LABEL}={owner.name}"
    lists = [await cluster.items(plural, owner.namespace, selector) for plural in _PLURALS.values()]
    return {
        kind: {body["metadata"]["name"]: body for body in bodies}
        for kind, (bodies, _) in zip(_PLURALS, lists, strict=True)
    }


async def _rehearsed(
    cluster: DryRunCluster, turn: asyncio.Semaphore, owner: Owner, wanted: Wanted, live: Live, *, unseen: bool
) -> Change | None:
    async with turn:
        before = await cluster.find(wanted.manifest) if unseen else live[wanted.kind].get(wanted.name)
        if before is not None and unseen and belongs(before, owner) is Belongs.ANOTHERS:
            return _taken(wanted)
        try:
            after = await cluster.apply(wanted.manifest if owner.uid else unowned(wanted.manifest), force=True)
        except Rejected as error:
            return _refused(wanted.kind, wanted.name, field_path(wanted, error.said), error)
    diff = difference(before, after, f"{wanted.kind}/{wanted.name}")
    return Change("create" if before is None else "change", wanted.kind, wanted.name, diff) if diff else None


async def _claim(cluster: DryRunCluster, owner: Owner, fleet: Fleet) -> Change | None:
    """Beat's claim is made once and never changed."""
    claim = beat_claim(owner, fleet) if fleet.beat.enabled else None
    if claim is None or await cluster.find(claim) is not None:
        return None
    kind, name = claim["kind"], claim["metadata"]["name"]
    try:
        after = await cluster.create(claim)
    except Rejected as error:
        return _refused(kind, name, "spec.beat.storage", error)
    return Change("create", kind, name, difference(None, after, f"{kind}/{name}"))


def _refused(kind: str, name: str, path: str, error: Rejected) -> Change:
    """An object that the API server doesn't take as it is.

    Raises:
        ClusterError: it is not the object, the person who asks lacks a right.
    """
    if isinstance(error, NoRight):
        raise ClusterError(f"a dry run needs the rights of a write: {error}; or --offline") from error
    return Change("refused", kind, name, because=f"{path}: {error.said}")


def _taken(wanted: Wanted) -> Change:
    because = "an object of that name has another owner, so it would be left alone: rename one"
    return Change("taken", wanted.kind, wanted.name, because=because)


def _deleted(live: Object) -> Change:
    kind, name = live["kind"], live["metadata"]["name"]
    return Change("delete", kind, name, difference(live, None, f"{kind}/{name}"))


def _text(body: Object) -> str:
    """An object as YAML, without what the server alone writes and what is none of a template's business."""
    metadata = {key: value for key, value in body["metadata"].items() if key not in _SERVERS_OWN}
    annotations = {k: v for k, v in (metadata.pop("annotations", None) or {}).items() if k not in _NOT_COMPARED}
    spec = dict(body.get("spec", {}))
    if body["kind"] == DEPLOYMENT:
        spec.pop("replicas", None)  # set by /scale alone: what they will be is a decision, not a template
    shown: dict[str, Any] = {"apiVersion": body["apiVersion"], "kind": body["kind"]}
    shown["metadata"] = metadata | ({"annotations": annotations} if annotations else {})
    return yaml.safe_dump(shown | {"spec": spec}, sort_keys=True, width=120)
