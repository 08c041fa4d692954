"""All objects that a fleet is made of, and what must be done to have them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.names import beat_object, pool_object
from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.core.changed import Kept
from utilitarian_operator.core.labels import (
    CONFIG_CHECKSUM,
    ENVIRONMENT,
    MOUNTS,
    MOUNTS_CHECKSUM,
    TEMPLATE_HASH,
    Owner,
)
from utilitarian_operator.core.objects import manifests
from utilitarian_operator.core.objects.actions import (
    Action,
    Adopt,
    Apply,
    Belongs,
    Delete,
    belongs,
    superfluous,
    template_actions,
)
from utilitarian_operator.core.objects.manifests import NOT_CARRIED, Mounted
from utilitarian_operator.core.objects.mounted import Contents, followed

Live: TypeAlias = Mapping[str, Mapping[str, Object]]
"""The objects seen, by kind and name."""

DEPLOYMENT, STATEFUL_SET, DISRUPTION_BUDGET = "Deployment", "StatefulSet", "PodDisruptionBudget"
CLAIM = "PersistentVolumeClaim"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object as it should be.

    Args:
        manifest: of the object.
        path: of the part of the spec that asks for it.
        pool: that a Deployment runs, whose first replicas it gets when it is created.
    """

    manifest: Object
    path: str
    pool: str | None = None
    own_image: bool = False
    """Whether the part names an image of its own."""

    @property
    def kind(self) -> str:
        """Of the object."""
        return str(self.manifest["kind"])

    @property
    def name(self) -> str:
        """Of the object."""
        return str(self.manifest["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class Todo:
    """What must be done.

    Args:
        actions: in this order, each with the object that it is for.
        deletions: of what is no longer asked for.
        taken: objects whose names belong to another owner.
    """

    actions: tuple[tuple[Wanted, Action], ...]
    deletions: tuple[Delete, ...]
    taken: tuple[Wanted, ...]


def wanted_objects(
    owner: Owner,
    fleet: Fleet,
    live: Live,
    checksums: Mapping[str | None, str | None],
    mounted: Mapping[str | None, Mounted] = MappingProxyType({}),
    *,
    built_in: bool = False,
) -> Iterator[Wanted]:
    """Every object of a fleet but beat's claim.

    Args:
        owner: the resource.
        fleet: what runs.
        live: what was seen; where a checksum is not known, the one that is there stays.
        checksums: of environments, by pool name, beat's under None.
        mounted: what is written of what is mounted, as `carried` has it.
        built_in: whether the pools are the built-in layout's, which stand nowhere in the spec.
    """
    for index, pool in enumerate(fleet.pools):
        at = "spec.defaults" if built_in else f"spec.pools[{index}]"
        name = pool_object(owner.name, pool.name)
        now, there = checksums.get(pool.name), _checksum_of(live[DEPLOYMENT].get(name))
        checksum = (there or now) if pool.rollout.leaves_secrets else (now or there)
        made = manifests.deployment(owner, fleet, pool, checksum, mounted.get(pool.name, NOT_CARRIED))
        yield Wanted(made, at, pool.name, pool.image != fleet.image)
        if pool.disruption_budget:
            yield Wanted(manifests.disruption_budget(owner, pool), at)
    if fleet.beat.enabled:
        checksum = checksums.get(None) or _checksum_of(live[STATEFUL_SET].get(beat_object(owner.name)))
        made = manifests.beat_statefulset(owner, fleet, checksum, mounted.get(None, NOT_CARRIED))
        yield Wanted(made, "spec.beat", own_image=fleet.beat.image != fleet.image)


def todo(  # noqa: PLR0913 - what is and what should be, two questions, and what the look before has made
    owner: Owner,
    wanted: Iterable[Wanted],
    live: Live,
    replicas: Mapping[str, int],
    changed: Callable[[Wanted, Object], bool] = lambda _, __: False,
    may_repeat: Callable[[Wanted, Object], bool] = lambda _, __: True,
    kept: Kept | None = None,
) -> Todo:
    """What brings the cluster from what was seen to what is wanted; another's objects are only named.

    Args:
        owner: the resource.
        wanted: its objects.
        live: what was seen.
        replicas: by pool name, for Deployments that are created.
        changed: whether another client changed an object that is as it should be, as far as its annotations say.
        may_repeat: whether one that is not as it should be may be applied now: not at once what had no effect before.
        kept: what the look before has made.
    """
    kept = kept or Kept()
    actions: list[tuple[Wanted, Action]] = []
    taken = []
    names: dict[str, list[str]] = {kind: [] for kind in live}
    for it in wanted:
        names[it.kind].append(it.name)
        seen = live[it.kind].get(it.name)
        if seen is None:
            first = replicas[it.pool] if it.pool is not None else None
            actions += [(it, step) for step in template_actions(it.manifest, None, replicas=first)]
            continue
        whose, due = kept.of(it.manifest["metadata"]["name"], _as_it_is, it.manifest, seen, owner)
        if whose is Belongs.OURS:
            steps = list(due)
            if not steps and changed(it, seen):
                steps = [Apply(it.manifest)]
            elif any(isinstance(step, Apply) for step in steps) and not may_repeat(it, seen):
                steps = []
            actions += [(it, step) for step in steps]
        elif whose is Belongs.LEFT:
            actions.append((it, Adopt(it.manifest, seen)))
        elif whose is Belongs.ANOTHERS:
            taken.append(it)
    deletions = [delete for kind, seen in live.items() for delete in superfluous(names[kind], seen, owner.uid)]
    return Todo(tuple(actions), tuple(deletions), tuple(taken))


def _as_it_is(manifest: Object, seen: Object, owner: Owner) -> tuple[Belongs, tuple[Action, ...]]:
    """Whose an object is that is there, and what brings it to its manifest."""
    return belongs(seen, owner), tuple(template_actions(manifest, seen))


def pod_templates(name: str, fleet: Fleet) -> dict[str, Object]:
    """The pod template of each pool and of beat, by the path of the part of the spec that asks for it.

    Args:
        name: of the resource.
        fleet: what would run.
    """
    owner = Owner("", name, "")
    made = [(f"spec.pools[{n}]", manifests.deployment(owner, fleet, it)) for n, it in enumerate(fleet.pools)]
    beat = [("spec.beat", manifests.beat_statefulset(owner, fleet))] if fleet.beat.enabled else []
    return {path: manifest["spec"]["template"] for path, manifest in [*made, *beat]}


_FIELDS = {
    "env": "env",
    "envFrom": "envFrom",
    "resources": "worker.resources",
    "securityContext": "pod.containerSecurityContext",
    "volumeMounts": "pod.volumeMounts",
}
"""Where in the spec the fields of a container come from."""

_COMMAND = {"command", "args", "name", "lifecycle"}
"""Those that the operator makes of `worker` as a whole; all others come by a template."""


def field_path(wanted: Wanted, said: str) -> str:
    """The field of the spec that the API server's sentence is about, as near as it can be known.

    Args:
        wanted: the object that was refused.
        said: the API server's sentence, with a path such as `spec.template.spec.containers[0].env[1].name`.
    """
    inside = re.search(r"spec\.template\.(?:spec\.containers\[0\]\.(\w+)|spec\.(\w+)|metadata\.(\w+))", said)
    if inside is None:
        return wanted.path
    container, pod, metadata = inside.groups()
    if container == "image":
        return f"{wanted.path}.image" if wanted.own_image else "spec.image"
    if container in {"env", "envFrom"} and wanted.path == "spec.beat":
        return f"spec.{container}"
    by_template = container is not None and container not in _FIELDS and container not in _COMMAND
    if by_template or pod in {"containers", "initContainers"}:
        return f"{wanted.path}.pod.template.spec.{pod or 'containers'}"
    if container is not None:
        field = _FIELDS.get(container, "worker")
        return f"{wanted.path}.{field if wanted.path != 'spec.beat' else field.removeprefix('worker.')}"
    return f"{wanted.path}.pod.{pod or metadata}"


def said_by_live(live: Live) -> Live:
    """The objects of a fleet, of each nothing but its annotations and those of its pods."""
    return {kind: {name: _said(it) for name, it in there.items()} for kind, there in live.items()}


def _said(it: Object) -> Object:
    bare = {"metadata": {"annotations": it["metadata"].get("annotations")}}
    template = it["spec"].get("template")
    if template is None:
        return bare
    return bare | {"spec": {"template": {"metadata": {"annotations": template["metadata"].get("annotations")}}}}


def contents_on(it: ReadOnlyObject) -> tuple[str | None, Mounted]:
    """What an object says of its pods' environment and of what they have mounted, as it is made with."""
    pods = it["spec"]["template"]
    on_pods, each = _annotation(pods, MOUNTS_CHECKSUM), _annotation(it, MOUNTS)
    mounted = Mounted(on_pods, each, _annotation(it, MOUNTS_CHECKSUM), _annotation(it, ENVIRONMENT))
    return _annotation(pods, CONFIG_CHECKSUM), mounted


def is_applied(manifest: ReadOnlyObject, live: ReadOnlyObject) -> bool:
    """Whether what was applied last of an object is just this."""
    return _annotation(live, TEMPLATE_HASH) == _annotation(manifest, TEMPLATE_HASH)


def live_checksums(owner: Owner, fleet: Fleet, live: Live) -> dict[str | None, str | None]:
    """The checksums that the pods of a fleet have now, by pool name; beat's under None."""
    found: dict[str | None, str | None] = {None: _checksum_of(live[STATEFUL_SET].get(beat_object(owner.name)))}
    for pool in fleet.pools:
        found[pool.name] = _checksum_of(live[DEPLOYMENT].get(pool_object(owner.name, pool.name)))
    return found


def environment(
    owner: Owner, fleet: Fleet, live: Live, now: Mapping[str | None, Contents | None]
) -> dict[str | None, Mounted]:
    """What each object says of its pods' environment, by pool name; beat's under None.

    Args:
        owner: the resource.
        fleet: what runs.
        live: what was seen.
        now: what the environments have, by pool name; None where it is not known.
    """
    beat = live[STATEFUL_SET].get(beat_object(owner.name))
    found: dict[str | None, Mounted] = {None: _environment(now.get(None), beat, leaves=False)}
    for pool in fleet.pools:
        before = live[DEPLOYMENT].get(pool_object(owner.name, pool.name))
        found[pool.name] = _environment(now.get(pool.name), before, leaves=pool.rollout.leaves_secrets)
    return found


def _environment(now: Contents | None, live: Object | None, *, leaves: bool) -> Mounted:
    before = None if live is None else Mounted(_checksum_of(live), _annotation(live, ENVIRONMENT))
    if before == NOT_CARRIED and now is not None and now.together is not None:
        before = None  # made while nothing was known: its pods could not start
    # Nor can new pods start while something is missing.
    return followed(now, before, leaves=leaves or (now is not None and now.missing))


def carried(
    owner: Owner, fleet: Fleet, live: Live, now: Mapping[str | None, Contents | None]
) -> dict[str | None, Mounted]:
    """What each object says of what its pods have mounted, by pool name; beat's under None.

    Args:
        owner: the resource.
        fleet: what runs.
        live: what was seen.
        now: what is mounted, by pool name; None where it is not known.
    """
    beat = live[STATEFUL_SET].get(beat_object(owner.name))
    found: dict[str | None, Mounted] = {None: _mounted(now.get(None), beat, leaves=False, surges=False)}
    for pool in fleet.pools:
        before = live[DEPLOYMENT].get(pool_object(owner.name, pool.name))
        leaves, surges = pool.rollout.leaves_mounts, pool.rollout.surges
        found[pool.name] = _mounted(now.get(pool.name), before, leaves=leaves, surges=surges)
    return found


def noted(owner: Owner, fleet: Fleet, live: Live) -> dict[str | None, Mounted]:
    """What each object says already, for who has not read what its pods have: that stays as it is."""
    around = environment(owner, fleet, live, {})
    return {name: replace(it, environment=around[name].each) for name, it in carried(owner, fleet, live, {}).items()}


def _mounted(now: Contents | None, live: Object | None, *, leaves: bool, surges: bool) -> Mounted:
    # Where the old pods go first, none would be left while new ones can't start.
    leaves = leaves or (now is not None and now.missing and not surges)
    if live is None:
        return followed(now, None, leaves=leaves)
    before = Mounted(_checksum_of(live, MOUNTS_CHECKSUM), _annotation(live, MOUNTS), _annotation(live, MOUNTS_CHECKSUM))
    return followed(now, before, leaves=leaves)


def _checksum_of(live: Object | None, name: str = CONFIG_CHECKSUM) -> str | None:
    """The checksum that the pods of an object have now."""
    return None if live is None else _annotation(live["spec"]["template"], name)


def _annotation(it: ReadOnlyObject, name: str) -> str | None:
    annotations: Mapping[str, str] = it.get("metadata", {}).get("annotations") or {}
    return annotations.get(name)
