"""What must be done so that a fleet's objects are as they should be, as values."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias, TypeVar

from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.api.resource import KIND
from utilitarian_operator.core.labels import MANAGED_BY_LABEL, MANAGER, TEMPLATE_HASH, Owner
from utilitarian_operator.core.objects.handover import all_handed_over, handed_over, is_our_create


@dataclass(frozen=True, slots=True)
class Create:
    """Make an object that doesn't exist; a Deployment carries its first replicas."""

    manifest: Object


@dataclass(frozen=True, slots=True)
class Apply:
    """Bring an object to its manifest by server-side apply; of a Deployment the replicas stay as they are."""

    manifest: Object


@dataclass(frozen=True, slots=True)
class Adopt:
    """Take over an object that an operator made and that has no owner; fields that another client manages stay."""

    manifest: Object
    live: Object


@dataclass(frozen=True, slots=True)
class HandOver:
    """Give what the operator's *create* holds to its apply, as if the object had been applied once.

    Args:
        live: as it was seen.
        fields: its managedFields as they are to become.
    """

    live: Object
    fields: Sequence[Object]


@dataclass(frozen=True, slots=True)
class HandAllOver:
    """Give all that the operator's *create* holds to its apply, but a Deployment's replicas.

    Before an apply of another manifest: what that drops would belong to the create alone, and stay for ever.
    """

    live: Object


@dataclass(frozen=True, slots=True)
class Disown:
    """Take from the operator's *create* all fields but the replicas.

    Else they would belong to both its create and its apply, and a field that the manifest drops would stay for ever.
    """

    live: Object


@dataclass(frozen=True, slots=True)
class ScaleTo:
    """Set the replicas of a Deployment.

    Args:
        name: of the Deployment.
        before: the replicas it asks for now.
        replicas: the replicas it shall ask for.
        resource_version: of the Deployment as it was seen; the step is refused if it changed since.
    """

    name: str
    before: int
    replicas: int
    resource_version: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an object that the resource no longer asks for."""

    live: Object


Action: TypeAlias = Create | Apply | Adopt | HandOver | HandAllOver | Disown | ScaleTo | Delete
T = TypeVar("T")

RENEWING = (Create, Apply, HandAllOver, Disown)
"""What an object gets that is not as its manifest asks: an apply, or what must be done a look before it."""

MOST_HANDED_OVER = 4
"""Objects of a fleet that are handed over at one look."""


class Belongs(Enum):
    """Whose an object is."""

    OURS = "ours"
    LEFT = "left by an operator, without an owner"
    PREDECESSORS = "of a deleted resource of the same name: Kubernetes is about to remove it"
    ANOTHERS = "another owner's: never touched"


def template_actions(manifest: Object, live: Object | None, *, replicas: int | None = None) -> Iterable[Action]:
    """What brings one object to its manifest.

    Args:
        manifest: as it should be.
        live: as it was seen, or None.
        replicas: a Deployment's first replicas, used only when it is created.
    """
    if live is None:
        first = manifest if replicas is None else manifest | {"spec": manifest["spec"] | {"replicas": replicas}}
        yield Create(first)
        return
    outdated = _applied(live) != manifest["metadata"]["annotations"][TEMPLATE_HASH]
    if outdated and held_by_create(live):  # the next look applies it
        yield Disown(live) if _has_applied(live) else HandAllOver(live)
    elif outdated or scaled(manifest, live):
        yield Apply(manifest)
    elif not _has_applied(live):
        fields = handed_over(manifest, live)
        yield Apply(manifest) if fields is None else HandOver(live, fields)
    elif held_by_create(live):
        yield Disown(live)


def few_hand_overs(due: Iterable[tuple[T, Action]]) -> Iterator[tuple[T, Action]]:
    """All that is due, but of what is handed over only the first few: the others stay for the next looks.

    Nothing waits for it: what another client changes before is applied again all the same. But a look sends its
    requests one after the other. As long as it takes, no message for this fleet is seen, nor one for a fleet that waits
    for its place; with an API server that takes a second for each, 28 of them would be half a minute.

    Args:
        due: in this order, each with the object that it is for.
    """
    left = MOST_HANDED_OVER
    for it, action in due:
        left -= isinstance(action, HandOver)
        if left >= 0 or not isinstance(action, HandOver):
            yield it, action


def scale_action(live: Object, replicas: int, decided_by: ReadOnlyObject | None = None) -> ScaleTo | None:
    """The step to a number of workers; None if the Deployment asks for it already.

    Args:
        live: the Deployment as it is now.
        replicas: to be asked for.
        decided_by: the Deployment as it was when the look began. If it asked for another number there is no step: one
            up from that would be one down, without a drain, where another client asks for more since then.
    """
    before = int(live["spec"].get("replicas", 1))
    if before == replicas or (decided_by is not None and int(decided_by["spec"].get("replicas", 1)) != before):
        return None
    metadata = live["metadata"]
    return ScaleTo(metadata["name"], before, replicas, metadata["resourceVersion"])


def superfluous(wanted: Iterable[str], live: Mapping[str, Object], owner_uid: str) -> Iterable[Delete]:
    """Objects of the resource that it doesn't ask for any more.

    Args:
        wanted: names of the objects it asks for.
        live: the objects seen, by name.
        owner_uid: of the resource; objects of another owner are not its own.
    """
    names = set(wanted)
    return (
        Delete(obj)
        for name, obj in sorted(live.items())
        if name not in names and controlled_by(obj, owner_uid) and "deletionTimestamp" not in obj["metadata"]
    )


def controlled_by(live: Object, owner_uid: str) -> bool:
    """Whether the resource controls the object; one of the same name that another owner made is never touched."""
    references = live["metadata"].get("ownerReferences", [])
    return any(reference.get("controller") and reference["uid"] == owner_uid for reference in references)


def belongs(live: Object, owner: Owner) -> Belongs:
    """Whose an object with the name of one of the resource's is.

    Args:
        live: as it was seen.
        owner: the resource.
    """
    if controlled_by(live, owner.uid):
        return Belongs.OURS
    controller = next((it for it in live["metadata"].get("ownerReferences", []) if it.get("controller")), None)
    if controller is not None:
        predecessor = (controller.get("kind"), controller.get("name")) == (KIND, owner.name)
        return Belongs.PREDECESSORS if predecessor else Belongs.ANOTHERS
    labels = live["metadata"].get("labels") or {}
    managers = {entry.get("manager") for entry in live["metadata"].get("managedFields", [])}
    left = labels.get(MANAGED_BY_LABEL) == MANAGER and MANAGER in managers
    return Belongs.LEFT if left else Belongs.ANOTHERS


def held_by_create(live: Object) -> bool:
    """Whether the operator's create still holds more than the replicas."""
    entries = [e for e in live["metadata"].get("managedFields", []) if is_our_create(e)]
    return any(set(entry.get("fieldsV1", {})) - {"f:spec"} or _more_than_replicas(entry) for entry in entries)


def handed_over_fields(live: Object) -> list[Object]:
    """The object's managedFields with all that the operator's create holds as its apply's, as `HandAllOver` says."""
    return all_handed_over(live, replicas_stay=live["kind"] == "Deployment")


def released_fields(live: Object) -> list[Object]:
    """The object's managedFields with the operator's create holding the replicas alone, or nothing if it has none."""
    only_replicas: Object = {"f:spec": {"f:replicas": {}}}
    fields = []
    for entry in live["metadata"].get("managedFields", []):
        if not is_our_create(entry):
            fields.append(entry)
        elif "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {}):
            fields.append(entry | {"fieldsV1": only_replicas})
    return fields


def _more_than_replicas(entry: Object) -> bool:
    return bool(set(entry.get("fieldsV1", {}).get("f:spec", {})) - {"f:replicas"})


def _applied(live: Object) -> str | None:
    annotations: dict[str, str] = live["metadata"].get("annotations") or {}
    return annotations.get(TEMPLATE_HASH)


def scaled(manifest: Object, live: Object) -> bool:
    """Whether another client scaled what has a fixed number of pods: beat's StatefulSet, which is never left at two."""
    wanted = manifest["spec"].get("replicas")
    return wanted is not None and live["spec"].get("replicas") != wanted


def _has_applied(live: Object) -> bool:
    """Whether the operator applied it once; until then its create alone holds the fields."""
    entries = live["metadata"].get("managedFields", [])
    return any(e.get("manager") == MANAGER and e.get("operation") == "Apply" for e in entries)
