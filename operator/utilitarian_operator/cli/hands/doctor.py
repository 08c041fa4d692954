"""`doctor`: what keeps a person, the operator or a fleet from working, each with its remedy."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import typer

from utilitarian_operator import __version__
from utilitarian_operator.adapters.cluster.no_right import NoRight
from utilitarian_operator.api.names import FLEETS_LEASE
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.resource import GROUP
from utilitarian_operator.cli import connection
from utilitarian_operator.cli.connection import Connection, HandConnection, Target
from utilitarian_operator.cli.output import WRONG, Format, document, emit, explained, painted
from utilitarian_operator.cli.resources import CLOCKS_APART, FLEETS, Found, checked, found_in, label, the_one
from utilitarian_operator.cli.tables import columns
from utilitarian_operator.core.explain.explanation import wrong_conditions
from utilitarian_operator.core.explain.presence import Seen
from utilitarian_operator.core.labels import INSTANCE_LABEL
from utilitarian_operator.core.wording import named, span
from utilitarian_operator.errors import ClusterError, Gone

OPERATORS = "app.kubernetes.io/name=utilitarian-operator"
RIGHTS = (
    ("list", GROUP, FLEETS, "", "view", "status, explain, top and every hand"),
    ("get", GROUP, FLEETS, "", "view", "the hands that change something, where the resource changes meanwhile,"),
    ("patch", GROUP, FLEETS, "", "edit", "scale, drain, pause, resume and run-now"),
    ("list", "", "events", "", "view", "events and report"),
    ("list", "", "pods", "", "view", "doctor and report"),
    ("get", "", "pods", "log", "view", "report"),
    ("list", "apps", "deployments", "", "view", "report"),
)
"""Verb, group, resource, subresource, the role of Kubernetes that has it by our chart, and what needs it."""

_PULL = "name an image that is there, and give pod.imagePullSecrets where its registry asks for a login"
IMAGE_REMEDIES = {
    "ErrImagePull": _PULL,
    "ImagePullBackOff": _PULL,
    "InvalidImageName": "correct the name in the field image",
    "ErrImageNeverPull": "load the image on each node, or set pullPolicy: IfNotPresent",
    "CreateContainerConfigError": "create the Secret or ConfigMap that its environment names: kubectl describe pod",
    "CrashLoopBackOff": "see why it ends: kubectl logs POD --previous",
}
"""Why a container waits, as the kubelet says it, and what to do."""


@dataclass(frozen=True, slots=True)
class Right:
    """One thing that the operator needs of the broker.

    Args:
        what: it needs.
        lacking: the reason of the condition BrokerReachable that says that it has it not.
        well: what is so where it has it.
        remedies: what to do, each by words of the condition's message; the last for all others.
    """

    what: str
    lacking: str
    well: str
    remedies: tuple[tuple[str, str], ...]


BROKER = (
    Right(
        "login and virtual host",
        "Unreachable",
        "the broker lets the operator in",
        (
            ("refuses user, password", "correct the Secret that spec.broker names: rabbitmqctl authenticate_user USER"),
            ("lacks the URL's virtual host", "rabbitmqctl add_vhost VHOST, or correct the URL's last part"),
            ("its virtual host", "rabbitmqctl set_permissions -p VHOST USER …: docs/install.md has the patterns"),
            ("certificate", "see spec.broker.tls: caFrom, or certFrom and keyFrom"),
            ("TLS", "see spec.broker.tls, and the port of the URL"),
            ("the right", "rabbitmqctl set_permissions -p VHOST USER …: docs/install.md has the patterns"),
            (
                "",
                "see that it runs (rabbitmq-diagnostics check_running) and that the operator's pod may reach its port",
            ),
        ),
    ),
    Right(
        "read on the queues",
        "QueueUntold",
        "how much waits in each is seen",
        (("", "let the user read them (rabbitmqctl set_permissions), or see to the node that has the queue"),),
    ),
    Right(
        "remote control: configure, write and read on its mailboxes",
        "WorkersUnasked",
        "the workers can be asked what they hold",
        (
            ("alarm", "free memory or disk on the broker: rabbitmq-diagnostics check_alarms"),
            ("", "rabbitmqctl set_permissions -p VHOST USER …: docs/install.md has the patterns of celery.pidbox"),
        ),
    ),
    Right(
        "statistics",
        "DepthOnly",
        "the endpoint of broker.stats answers",
        (
            ("no broker.stats", ""),
            ("", "rabbitmqctl set_user_tags USER management (monitoring for several nodes), or correct broker.stats"),
        ),
    ),
)
"""In the order in which the operator tries them: the condition says the first that it lacks, and none after it."""


class State(StrEnum):
    """What came of a check."""

    OK = "ok"
    WRONG = "WRONG"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Args:
        what: in a word or two.
        state: what came of it.
        said: what was found.
        remedy: what to do; empty where all is well.
    """

    what: str
    state: State
    said: str
    remedy: str = ""


def doctor(fleet: str | None, target: Target, output: Format, selector: str) -> None:
    """Print all checks; end with 3 where something is wrong."""
    with explained(output):
        checked(target)
        checks = asyncio.run(_examined(fleet, target, selector))
        emit(_printed(checks, output))
        if any(it.state is State.WRONG for it in checks):
            raise typer.Exit(WRONG)


async def _examined(fleet: str | None, target: Target, selector: str) -> list[Check]:
    async with connection.by_hand(target, dry_run=True) as there:
        return [check async for check in checks(there, fleet, datetime.now(UTC), selector)]


async def checks(there: HandConnection, fleet: str | None, now: datetime, selector: str = "") -> AsyncIterator[Check]:
    """All checks, in the order in which one explains the next.

    Args:
        there: where to ask.
        fleet: the one that is meant; None for all of the namespace.
        now: this machine's clock.
        selector: of labels that the fleets have.

    Raises:
        ClusterError: the API server does not answer at all.
        WrongInput: there is no such fleet.
    """
    server = await there.cluster.server()
    yield Check("API server", State.OK, server.version)
    yield _clock(server.clock, now)
    try:
        found = await found_in(there, selector=selector)
    except Gone as error:
        said, _, remedy = str(error).partition("; ")
        yield Check("resource", State.WRONG, said, remedy)
        return
    except NoRight as error:
        yield Check("resource", State.WRONG, error.lacks, f"{error.remedy}: our chart adds the resource to it")
        return
    except ClusterError as error:
        yield Check("resource", State.WRONG, str(error), "see whether kubectl can list it")
        return
    for right in RIGHTS:
        yield await _right(there, *right)
    yield await _versions(there)
    chosen = found.resources if fleet is None else [the_one(found.resources, fleet)]
    if not chosen:
        yield Check("fleets", State.UNKNOWN, f"there are none in namespace {there.namespace}", "name another one by -n")
    for resource in chosen:
        for check in (*_fleet(found, resource, found.now()), await _images(there, resource)):
            yield check


def _clock(server: datetime | None, now: datetime) -> Check:
    if server is None:
        return Check("clock", State.UNKNOWN, "the API server's answer has no date")
    apart = abs(now - server)
    if apart <= CLOCKS_APART:
        return Check("clock", State.OK, "this machine's and the API server's agree")
    said = f"this machine's and the API server's are {span(apart)} apart"
    return Check(
        "clock",
        State.WRONG,
        said,
        "set this machine's clock (NTP): how long ago things were, and what is to come, is counted by it",
    )


async def _right(  # noqa: PLR0913 - what a right consists of
    there: Connection, verb: str, group: str, plural: str, subresource: str, role: str, needed: str
) -> Check:
    what = f"{verb} {plural}/{subresource}" if subresource else f"{verb} {plural}"
    about = {"verb": verb, "group": group, "resource": plural, "subresource": subresource, "namespace": there.namespace}
    review: Object = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": about},
    }
    try:
        allowed = bool((await there.cluster.create(review))["status"]["allowed"])
    except ClusterError as error:
        return Check("right", State.UNKNOWN, f"to {what}: {error}")
    if allowed:
        return Check("right", State.OK, f"to {what}")
    remedy = f"ask for the role {role} in namespace {there.namespace}: {needed} need it"
    return Check("right", State.WRONG, f"to {what} is missing", remedy)


async def _versions(there: Connection) -> Check:
    """The version of the command line beside that of the operators that are installed."""
    try:
        items, _ = await there.cluster.items("deployments", None, OPERATORS)
    except ClusterError:
        return Check(
            "version", State.UNKNOWN, f"this is {__version__}; the operator's Deployment can't be seen from here"
        )
    found = {str((it["metadata"].get("labels") or {}).get("app.kubernetes.io/version", "?")) for it in items}
    if not found:
        return Check("version", State.UNKNOWN, f"this is {__version__}; no Deployment has the label {OPERATORS}")
    if found == {__version__}:
        return Check("version", State.OK, f"{__version__}, as the operator's")
    remedy = "use the command line of the operator's version: rules and fields differ between versions"
    return Check("version", State.WRONG, f"this is {__version__}, the operator is {named(sorted(found))}", remedy)


def _fleet(found: Found, resource: Object, now: datetime) -> Iterator[Check]:
    it, status = found.presence(resource, now), resource.get("status") or {}
    states = {Seen.NOW: State.OK, Seen.NOT: State.WRONG, Seen.UNKNOWN: State.UNKNOWN}
    remedy = {
        Seen.NOT: f"see its pod and its log: kubectl get pods -A -l {OPERATORS}",
        Seen.UNKNOWN: f"ask for the right to get the Lease {FLEETS_LEASE} in the fleet's namespace",
    }
    name = label(resource)
    yield Check(name, states[it.seen], it.message, remedy.get(it.seen, ""))
    if left := found.left_out.get(name):
        said = f"the status has what this version does not know so, and leaves out: {named(left)}"
        yield Check(name, State.WRONG, said, "use the command line of the operator's version")
    yield from (Check(name, *found) for found in _broker(status, old=it.seen is Seen.NOT))
    for said in wrong_conditions(status):
        if said.startswith("BrokerReachable=False"):
            continue  # told above, with the remedy
        yield Check(name, State.WRONG, said, f"docs/status.md has the row {said.partition(':')[0]}")
    for advice in status.get("advice") or ():
        yield Check(name, State.WRONG, str(advice), "what it says")


def _broker(status: Mapping[str, Any], *, old: bool) -> Iterator[tuple[State, str, str]]:
    """What the operator may do at the broker, by its own word: nothing is asked of the broker.

    Args:
        status: of the fleet.
        old: no operator is at work: what is well may be so no more.
    """
    conditions: Iterable[Mapping[str, Any]] = status.get("conditions") or ()
    said = next((it for it in conditions if it.get("type") == "BrokerReachable"), None) or {}
    reason, message = str(said.get("reason", "")), str(said.get("message", ""))
    lacking = next((number for number, it in enumerate(BROKER) if it.lacking == reason), None)
    if said.get("status") not in {"True", "False"} or (lacking is None and reason != "Reachable"):
        told = f": {reason}: {message}" if said else ""
        yield (
            State.UNKNOWN,
            f"broker: the operator does not say whether it can use it{told}",
            "see the rows of the fleet",
        )
        return
    for number, it in enumerate(BROKER):
        if lacking is None or number < lacking:
            yield State.UNKNOWN if old else State.OK, f"broker, {it.what}: {it.well}", ""
        elif number > lacking:
            yield State.UNKNOWN, f"broker, {it.what}: not known before what is above is right", ""
        else:
            remedy = next(remedy for words, remedy in it.remedies if words in message)
            yield State.WRONG if remedy else State.OK, f"broker, {it.what}: {message}", remedy
    ready = [pool["name"] for pool in status.get("pools") or () if pool.get("ready")]
    if ready and not old:
        yield State.OK, f"broker, the workers' own login: workers of {named(ready)} consume", ""


async def _images(there: Connection, resource: Object) -> Check:
    """Why containers of the fleet's pods wait, if they do."""
    name, what = resource["metadata"]["name"], label(resource)
    try:
        pods, _ = await there.cluster.items("pods", resource["metadata"]["namespace"], f"{INSTANCE_LABEL}={name}")
    except ClusterError as error:
        return Check(what, State.UNKNOWN, f"pods can't be seen: {error}", "ask for the right to list pods")
    waiting = sorted({reason for pod in pods for reason in _waiting(pod)} & IMAGE_REMEDIES.keys())
    if waiting:
        remedy = "; ".join(dict.fromkeys(IMAGE_REMEDIES[it] for it in waiting))
        return Check(what, State.WRONG, f"containers wait: {named(waiting)}", remedy)
    image = str((resource.get("spec") or {}).get("image", ""))
    tag = image.rpartition("/")[2].partition(":")[2]
    if "@" not in image and tag in {"", "latest"}:
        return Check(
            what, State.WRONG, f"image {image} has no version", "name a version: nodes may run different ones else"
        )
    return Check(what, State.OK, f"image {image}: no container waits for it")


def _waiting(pod: Mapping[str, Any]) -> Iterator[str]:
    status = pod.get("status") or {}
    for kind in ("initContainerStatuses", "containerStatuses"):
        for it in status.get(kind) or ():
            yield str(((it.get("state") or {}).get("waiting") or {}).get("reason", ""))


def _printed(found: Sequence[Check], output: Format) -> str:
    if output in {Format.JSON, Format.YAML}:
        return document({"checks": [asdict(it) for it in found]}, output)
    rows = ([it.what, it.state, f"{it.said}; remedy: {it.remedy}" if it.remedy else it.said] for it in found)
    lines = columns(["CHECK", "STATE", "FOUND"], rows).splitlines()
    return "\n".join(painted(line, "red") if f" {State.WRONG} " in f"{line} " else line for line in lines)
