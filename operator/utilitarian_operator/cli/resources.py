"""Where a command's resource comes from, a file or the cluster, and whether it is the resource that is meant."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from utilitarian_operator.adapters.cluster.no_right import NoRight
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.names import FLEETS_LEASE
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.problem import InvalidSpec, field_path, shown
from utilitarian_operator.api.resource import GROUP, KIND
from utilitarian_operator.api.strict_yaml import StrictLoader, why_no_yaml
from utilitarian_operator.api.validation.pod_security import EVERYTHING
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.cli import connection
from utilitarian_operator.cli.connection import Target
from utilitarian_operator.cli.output import WrongInput
from utilitarian_operator.cli.readable_status import faults, readable
from utilitarian_operator.core.explain.presence import Presence, Seen, newest_moment, of_a_file, presence
from utilitarian_operator.core.wording import span
from utilitarian_operator.errors import Gone

CLOCKS_APART = timedelta(seconds=5)
"""Of clocks that go right, with the time that a request takes."""


def from_file(path: Path) -> list[Object]:
    """The UtilitarianWorkerPools in a YAML or JSON file, other objects in it left out.

    Raises:
        WrongInput: it can't be read, is no YAML, or has none.
    """
    name = "stdin" if str(path) == "-" else str(path)
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        objects = list(_flat(yaml.load_all(text, Loader=StrictLoader)))
    except OSError as error:
        raise WrongInput(f"{name}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise WrongInput(f"{name}: no text: {error.reason} at byte {error.start}") from error
    except yaml.YAMLError as error:
        raise WrongInput(f"{name}: no YAML: {why_no_yaml(error)}") from error
    found = [it for it in objects if isinstance(it, dict) and it.get("kind") == KIND]
    if not found:
        named = sorted({str(it.get("kind") or "objects without a kind") for it in objects if isinstance(it, dict)})
        kinds = ", ".join(named) or "nothing"
        raise WrongInput(f"{name}: no {KIND} in it, only {kinds}")
    for resource in found:
        _check(resource, name)
    return found


@dataclass(frozen=True, slots=True)
class Found:
    """Resources, and what is known of the operator that looks after them.

    Args:
        resources: by namespace and name.
        leases: of fleets, by their namespace, or why one can't be read; None where the resources come from a file.
        left_out: what of a status is not as this version knows it and is not shown, its paths, by the resource's label.
        ahead: how far the API server's clock is ahead of this machine's, if by more than clocks that go right ever are:
            what the operator writes, and when a pause or a number ends, is by a clock of the cluster.
    """

    resources: list[Object]
    leases: Mapping[str, Object | str] | None = None
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        """The present moment: by the API server's clock where this machine's is wrong."""
        return datetime.now(UTC) + self.ahead

    @property
    def notes(self) -> list[str]:
        """What a person should know of the answer."""
        if not self.ahead:
            return []
        which = "behind" if self.ahead > timedelta() else "ahead of"
        return [f"this machine's clock is {span(abs(self.ahead))} {which} the API server's: moments are by the latter"]

    def presence(self, resource: Object, now: datetime) -> Presence:
        """Whether an operator is at work on a resource."""
        if self.leases is None:
            return of_a_file(resource, now)
        namespace = str(resource["metadata"].get("namespace", ""))
        return presence(self.leases.get(namespace), namespace, now)

    def as_of(self, resource: Object, now: datetime) -> datetime:
        """The moment that a resource's status is about: now while an operator is at work on it, as far as known."""
        it = self.presence(resource, now)
        if it.seen is Seen.NOW or (it.seen is Seen.UNKNOWN and self.leases is not None):
            return now
        return it.at or newest_moment(resource, now) or now


async def from_cluster(target: Target, *, everywhere: bool = False, selector: str = "") -> Found:
    """The UtilitarianWorkerPools of the namespace, or of all, and the Leases of their operators.

    Raises:
        ClusterError: they can't be read.
        WrongInput: the namespace's name can be none.
    """
    checked(target, everywhere=everywhere)
    async with connection.connected(target) as there:
        return await found_in(there, everywhere=everywhere, selector=selector)


async def found_in(there: connection.Connection, *, everywhere: bool = False, selector: str = "") -> Found:
    """The same, through a connection that is open.

    Raises:
        ClusterError: they can't be read.
    """
    try:
        items, _ = await there.cluster.items(FLEETS, None if everywhere else there.namespace, selector)
    except Gone as error:
        install = "utilitarian-operator crd | kubectl apply --server-side -f -"
        raise Gone(f"the API server does not know {FLEETS}.{GROUP}; install it: {install}") from error
    except NoRight as error:
        elsewhere = "; -n NAMESPACE looks in one" if everywhere else ""
        raise NoRight(error.lacks, f"{error.remedy}{elsewhere}") from error
    places = sorted({str(item["metadata"]["namespace"]) for item in items})
    leases = await there.cluster.leases(FLEETS_LEASE, places)
    shown_of = [readable(item) for item in sorted(items, key=label)]
    left_out = {label(resource): left for resource, left in shown_of if left}
    return Found([resource for resource, _ in shown_of], leases, left_out, clock_ahead(there))


def clock_ahead(there: connection.Connection) -> timedelta:
    """How far the API server's clock is ahead of this machine's; nothing where both go right, as far as can be told."""
    ahead = there.cluster.clock_ahead
    return ahead if abs(ahead) > CLOCKS_APART else timedelta()


def checked(target: Target, *, everywhere: bool = False) -> None:
    """Refuse a namespace that can't be one: it becomes part of a path.

    Raises:
        WrongInput: it is no name of a namespace, or all are asked for beside it.
    """
    if everywhere and target.namespace is not None:
        raise WrongInput("--namespace and --all-namespaces contradict each other: give one of them")
    if target.namespace is not None and not connection.is_namespace(target.namespace):
        raise WrongInput(
            f"--namespace {shown('', target.namespace)} is no name of a namespace: lower-case letters, digits and -"
        )


def meant(name: str, there_are: Sequence[str]) -> str:
    """The question whether another name was meant, to be added to a sentence; nothing where none is like it."""
    close = get_close_matches(name, there_are, 1)
    return f"; did you mean {close[0]}?" if close else ""


FLEETS = "utilitarianworkerpools"
NONE_HERE = "no UtilitarianWorkerPool here; -A looks in all namespaces"


def those_meant(resources: Sequence[Object], fleet: str | None) -> list[Object]:
    """All resources, or those of a name: of several namespaces each may have one.

    Raises:
        WrongInput: none has the name.
    """
    named = [it for it in resources if fleet is None or _name(it) == fleet]
    return named if named or fleet is None else [the_one(resources, fleet)]


def the_one(resources: Sequence[Object], fleet: str | None, pool: str | None = None) -> Object:
    """The resource that is meant.

    Args:
        resources: there are.
        fleet: name that was given, or None.
        pool: that it must have, or None.

    Raises:
        WrongInput: none is, or several could be.
    """
    named = [it for it in resources if fleet is None or _name(it) == fleet]
    if not named:
        there_are = ", ".join(_name(it) for it in resources) or "none"
        raise WrongInput(
            f"no {KIND} {fleet or ''}".rstrip()
            + f" here; there are: {there_are}{meant(fleet or '', list(map(_name, resources)))}"
        )
    fitting = [it for it in named if pool is None or pool in pools_of(it)] if len(named) > 1 else named
    if len(fitting) > 1:
        raise WrongInput(f"several fleets could be meant, name one by --fleet: {', '.join(map(_name, fitting))}")
    if pool is not None and (not fitting or pool not in pools_of(fitting[0])):
        names = [name for it in named for name in pools_of(it)]
        raise WrongInput(f"no pool {pool}; there are: {', '.join(names) or 'none'}{meant(pool, names)}")
    return fitting[0]


def fleet_of(resource: Mapping[str, Any]) -> Fleet:
    """The effective spec of a resource; what its pods may ask for is known where the operator runs.

    Raises:
        InvalidSpec: with every problem.
    """
    return effective_fleet(accept(resource, EVERYTHING).spec)


def pools_of(resource: Mapping[str, Any]) -> list[str]:
    """Names of a resource's pools, by its spec or, if that can't be accepted, by its status."""
    try:
        return [pool.name for pool in fleet_of(resource).pools]
    except InvalidSpec:
        return [pool["name"] for pool in (resource.get("status") or {}).get("pools") or () if "name" in pool]


def label(resource: Mapping[str, Any]) -> str:
    """`NAMESPACE/NAME`, or the name alone where a file names no namespace."""
    namespace = resource["metadata"].get("namespace")
    return f"{namespace}/{_name(resource)}" if namespace else _name(resource)


def mode_of(resource: Mapping[str, Any]) -> str:
    """The mode that the spec asks for."""
    spec = resource.get("spec")
    return str(spec.get("mode") or "Auto") if isinstance(spec, Mapping) else "Auto"


def annotations_of(resource: Mapping[str, Any]) -> Mapping[str, str]:
    """The annotations of a resource."""
    return resource["metadata"].get("annotations") or {}


def _check(resource: Object, file: str) -> None:
    """What a file must have before anything else is asked of it; its spec is another matter.

    Raises:
        WrongInput: there is no name, or the status is none that an operator writes.
    """
    if not _name(resource):
        raise WrongInput(f"{file}: metadata.name is missing: give the {KIND} its name")
    annotations = resource["metadata"].get("annotations") or {}
    if not (isinstance(annotations, dict) and all(isinstance(it, str) for it in (*annotations, *annotations.values()))):
        raise WrongInput(f"{file}: metadata.annotations: each has a text: put its value in quotes")
    wrong = faults(resource.get("status") or {})
    if wrong:
        at = field_path(("status", *wrong[0]["loc"]))
        raise WrongInput(f"{file}: {at}: {wrong[0]['msg']}; take the status as kubectl prints it")


def _name(resource: Mapping[str, Any]) -> str:
    metadata = resource.get("metadata")
    return str(metadata.get("name", "")) if isinstance(metadata, dict) else ""


def _flat(documents: Iterator[Any]) -> Iterator[Any]:
    for document in documents:
        if isinstance(document, dict) and isinstance(document.get("items"), list):
            yield from document["items"]
        elif document is not None:
            yield document
