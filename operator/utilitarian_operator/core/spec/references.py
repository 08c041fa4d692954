"""The Secrets and ConfigMaps that a resource names, what is missing of them, and a checksum of them."""

import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from utilitarian_operator.api.broker_url import Source, effective_broker
from utilitarian_operator.api.effective import Fleet, Tree, tree
from utilitarian_operator.api.kubernetes import Part
from utilitarian_operator.api.problem import Problem
from utilitarian_operator.api.resource import UtilitarianWorkerPoolSpec
from utilitarian_operator.core.blocker import CONFIG_MAP_MISSING, SECRET_MISSING, Blocker
from utilitarian_operator.core.objects.broker_environment import BROKER_VARIABLE
from utilitarian_operator.core.objects.mounted import Contents

SECRET = "Secret"  # noqa: S105 - a kind of object
CONFIG_MAP = "ConfigMap"


MOST_NAMED = 100
"""Objects that are read for what one fleet's environments name: each is read twice a minute, with what all fleets may
ask the API server."""


class Target(NamedTuple):
    """An object that is referred to, in the resource's own namespace.

    Args:
        kind, name: of the object.
        digested: whether of each value only a digest is kept: files may be large, and none of them is needed.
    """

    kind: str
    name: str
    digested: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """One place in the spec that names a Secret or ConfigMap.

    Args:
        target: what is named.
        key: the one key that is asked for; None where all of them are.
        path: of the field.
        optional: whether pods start without it.
    """

    target: Target
    key: str | None
    path: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Absent:
    """The object doesn't exist."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The object could not be read, so it is not known."""


Content: TypeAlias = Mapping[str, str] | Absent | Unreadable
"""Values by key as the API server writes them (a Secret's in base64), or why there are none."""


def references(spec: UtilitarianWorkerPoolSpec) -> list[Reference]:
    """Every place of a spec that names a Secret or ConfigMap which must, or may, be there, as far as they are read."""
    return [reference for reference, read in _named(spec) if read]


def too_many_named(spec: UtilitarianWorkerPoolSpec) -> list[Problem]:
    """A warning of the first reference to an object that is not read any more, if there is one."""
    first = next((reference.path for reference, read in _named(spec) if not read), None)
    many = f"broker, env and envFrom name more than {MOST_NAMED} Secrets and ConfigMaps: this one, and others after it"
    why = f"{many}, are not read, and no change of them rolls a worker; put their keys into fewer objects"
    return [] if first is None else [Problem(first, "", why)]


def _named(spec: UtilitarianWorkerPoolSpec) -> Iterator[tuple[Reference, bool]]:
    """Every place of a spec that names a Secret or ConfigMap, and whether that is among those that are read."""
    read: set[Target] = set()
    for reference in _every(spec):
        if len(read) < MOST_NAMED:
            read.add(reference.target)
        yield reference, reference.target in read


def _every(spec: UtilitarianWorkerPoolSpec) -> list[Reference]:
    found = [*_of_sources(effective_broker(spec.broker).sources), *_environment("spec", spec.env, spec.env_from)]
    for index, pool in enumerate(spec.pools or ()):
        found += _environment(f"spec.pools[{index}]", pool.env, pool.env_from)
    return found


def missing(
    found: Iterable[Reference], contents: Mapping[Target, Content], namespace: str, doing: str
) -> list[Blocker]:
    """A blocker for each reference whose object or key is surely not there.

    Args:
        found: the references.
        contents: what was read.
        namespace: of the resource.
        doing: what happens meanwhile, the end of the message.
    """
    blockers = {}
    for reference in found:
        what = _lack(reference, contents.get(reference.target, Unreadable()), namespace)
        if what and not reference.optional:
            reason = SECRET_MISSING if reference.target.kind == SECRET else CONFIG_MAP_MISSING
            key = () if isinstance(contents[reference.target], Absent) else (str(reference.key),)
            blockers[what] = Blocker(
                reason, f"{reference.path}: {what}{doing}", (reference.target.kind, reference.target.name, *key)
            )
    return list(blockers.values())


def checksums(fleet: Fleet, contents: Mapping[Target, Content], salt: str) -> dict[str | None, str | None]:
    """A checksum of all that a pod's environment is made of, by pool name; beat's under None.

    It is None where something could not be read or must be there and is not, and for a pool that names more objects
    than are read: what is unknown never rolls a pod.

    Args:
        fleet: what runs.
        contents: what was read.
        salt: that only the operator knows, so that no secret can be guessed by its checksum.
    """
    return {
        name: None if of_pod is None else checksum_of(of_pod, contents, salt)
        for name, of_pod in followed(fleet).items()
    }


def kept_checksums(
    salted: Mapping[str | None, str | None],
    unsalted: Mapping[str | None, str | None],
    live: Mapping[str | None, str | None],
) -> dict[str | None, str | None]:
    """The salted checksums, but those that pods have from a version without a salt, while their contents are the same.

    Args:
        salted: of the contents, by pool name; beat's under None.
        unsalted: of the same, as an older version made them.
        live: what the pod templates have now.
    """
    return {
        name: live[name] if live.get(name) is not None and live[name] == unsalted.get(name) else checksum
        for name, checksum in salted.items()
    }


def targets(found: Iterable[Reference], fleet: Fleet | None) -> set[Target]:
    """Everything that must be read: of a spec, and of the fleet that runs if it is another one."""
    wanted = {reference.target for reference in found}
    for of_pod in () if fleet is None else followed(fleet).values():
        wanted |= {reference.target for reference in of_pod or ()}
    return wanted


def followed(fleet: Fleet) -> dict[str | None, tuple[Reference, ...] | None]:
    """What the environment of each pool's pods refers to, beat's under None; None where that would be too many."""
    found: dict[str | None, tuple[Reference, ...] | None] = {}
    read: set[Target] = set()
    pools = ((pool.name, pool.env, pool.env_from) for pool in fleet.pools)
    for name, variables, sources in [(None, fleet.env, fleet.env_from), *pools]:
        of_pod = tuple(_in_pod(fleet, variables, sources))
        more = read | {it.target for it in of_pod}
        found[name] = of_pod if len(more) <= MOST_NAMED else None
        read = more if found[name] is not None else read
    return found


def _lack(reference: Reference, content: Content, namespace: str) -> str | None:
    kind, name, _ = reference.target
    if isinstance(content, Absent):
        return f"{kind} {namespace}/{name} does not exist; create it"
    if not isinstance(content, Unreadable) and reference.key is not None and reference.key not in content:
        return f"{kind} {namespace}/{name} has no key {reference.key}; add it"
    return None


def checksum_of(found: Iterable[Reference], contents: Mapping[Target, Content], salt: str) -> str | None:
    """A checksum of what is referred to; None where nothing is, or where something is not known."""
    parts: list[tuple[str, str, str, object]] = []
    for reference in found:
        content = contents.get(reference.target, Unreadable())
        if isinstance(content, Unreadable):
            return None
        values = {} if isinstance(content, Absent) else content
        here = not isinstance(content, Absent) and (reference.key is None or reference.key in values)
        if not here and not reference.optional:
            return None
        value = values.get(reference.key) if reference.key is not None else dict(values)
        parts.append((reference.target.kind, reference.target.name, reference.key or "", value))
    if not parts:
        return None
    text = json.dumps(sorted(parts, key=lambda part: part[:3]), sort_keys=True)
    return hmac.new(salt.encode(), text.encode(), hashlib.sha256).hexdigest()[:16]


def contents_of(found: Sequence[Reference], contents: Mapping[Target, Content], salt: str) -> Contents:
    """What is referred to, each object by itself and all together.

    Args:
        found: by one pod.
        contents: what was read.
        salt: that only the operator knows.
    """
    by_target: dict[Target, list[Reference]] = defaultdict(list)
    for reference in found:
        by_target[reference.target].append(reference)
    each = {_word(target, used, salt): checksum_of(used, contents, salt) for target, used in by_target.items()}
    gone = any(isinstance(contents.get(it.target), Absent) and not it.optional for it in found)
    return Contents(each, checksum_of(found, contents, salt) if None not in each.values() else None, gone)


def _word(target: Target, used: Iterable[Reference], salt: str) -> str:
    """What stands for an object, the keys of it and the salt: with others it is another, which nothing was noted of."""
    keys = sorted(it.key or "" for it in used)
    return hashlib.sha256(json.dumps([target.kind, target.name, keys, salt]).encode()).hexdigest()[:8]


def _in_pod(fleet: Fleet, variables: Iterable[Tree], sources: Iterable[Tree]) -> Iterator[Reference]:
    """What the environment of a pod refers to; the broker's URL too unless a variable takes its place."""
    named = list(variables)
    if all(variable["name"] != BROKER_VARIABLE for variable in named):
        url = {path: it for path, it in fleet.broker.sources.items() if path.startswith(("urlFrom", "from."))}
        yield from _of_sources(url)
    yield from of_environment("", named, list(sources))


def _of_sources(sources: Mapping[str, Source]) -> Iterator[Reference]:
    for path, (kind, ref) in sources.items():
        yield Reference(Target(kind, ref.name), ref.key, f"spec.broker.{path}")


def _environment(at: str, env: Iterable[Part] | None, env_from: Iterable[Part] | None) -> Iterator[Reference]:
    return of_environment(f"{at}.", [tree(part) for part in env or ()], [tree(part) for part in env_from or ()])


def of_environment(at: str, env: list[Tree], env_from: list[Tree]) -> Iterator[Reference]:
    """What the environment of one container refers to.

    Args:
        at: where both stand, with a dot at its end.
        env: as Kubernetes has it.
        env_from: as Kubernetes has it.
    """
    for index, variable in enumerate(env):
        source = variable.get("valueFrom", {})
        for field, kind in (("secretKeyRef", SECRET), ("configMapKeyRef", CONFIG_MAP)):
            if field in source:
                ref = source[field]
                path = f"{at}env[{index}].valueFrom.{field}"
                yield Reference(Target(kind, ref["name"]), ref["key"], path, bool(ref.get("optional")))
    for index, source in enumerate(env_from):
        for field, kind in (("secretRef", SECRET), ("configMapRef", CONFIG_MAP)):
            if field in source:
                ref = source[field]
                yield Reference(
                    Target(kind, ref["name"]), None, f"{at}envFrom[{index}].{field}", bool(ref.get("optional"))
                )
