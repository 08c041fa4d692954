"""`report`: a bundle for support, with what is asked for, what was decided, what happened, and nothing secret."""

import asyncio
import io
import os
import platform
import re
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from utilitarian_operator import __version__
from utilitarian_operator.api.objects import Object
from utilitarian_operator.cli import connection, explain, status
from utilitarian_operator.cli.connection import Connection, HandConnection, Target
from utilitarian_operator.cli.hands.doctor import OPERATORS, checks
from utilitarian_operator.cli.hands.events import of_fleets
from utilitarian_operator.cli.hands.redaction import plain, plain_log, redacted, without_values_of
from utilitarian_operator.cli.output import Format, WrongInput, document, emit, explained
from utilitarian_operator.cli.resources import Found, checked, found_in, label, the_one
from utilitarian_operator.cli.tables import for_a_file
from utilitarian_operator.core.labels import INSTANCE_LABEL
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.errors import ClusterError

OBJECTS = ("deployments", "statefulsets", "poddisruptionbudgets", "pods")
MOST_OBJECTS = 1000
MOST_LOGS = 5
"""Pods of operators whose logs are read."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

ABOUT = """A report of utilitarian-operator, for support.

Made {at} by version {version}, Python {python}.
{fleets}

resource-*.yaml   each fleet as the API server has it, with its status: what was decided last, and by which rules
status.txt        all pools in one table
explain-*.txt     why each pool has its size
events.txt        what happened, the newest last
objects.yaml      Deployments, StatefulSets, budgets and pods of the fleets
doctor.txt        what was checked
operator-*.log    the last lines of the operator's log, where it may be read
not-read.txt      what could not be read, and why

Left out or replaced by (redacted): values of variables, words of commands, pod templates, annotations of others,
logins in URLs, what stands behind words such as password or token, and the last words of containers. Secrets and
ConfigMaps were not read, nor the logs of workers.
Look through it before you give it away: names of queues, images and hosts are in it.
"""


def report(fleet: str | None, target: Target, file: Path | None, selector: str) -> None:
    """Write the bundle; `commands.report` says what each argument is."""
    with explained(Format.TABLE):
        checked(target)
        now = datetime.now(UTC)
        path = file or Path(f"utilitarian-report-{now:%Y%m%dT%H%M%SZ}.tar.gz")
        files = asyncio.run(_gathered(fleet, target, now, selector))
        _write(path, files, now)
        emit(f"{path}: {len(files)} files, without secrets; look through it before you give it away")


async def _gathered(fleet: str | None, target: Target, now: datetime, selector: str) -> dict[str, str]:
    async with connection.by_hand(target, dry_run=True) as there:
        found = await found_in(there, selector=selector)
        chosen = found.resources if fleet is None else [the_one(found.resources, fleet)]
        if not chosen:
            raise WrongInput(f"no UtilitarianWorkerPool in namespace {there.namespace}: name another one by -n")
        clean = without_values_of(chosen)
        return {_file(name): clean(text) async for name, text in bundle(there, found, chosen, now)}


def _file(name: str) -> str:
    """A name that stays within its folder, whatever a status calls a pool."""
    return re.sub(r"[^\w.-]", "_", name)


async def bundle(
    there: HandConnection, found: Found, resources: list[Object], now: datetime
) -> AsyncIterator[tuple[str, str]]:
    """The files of a report, by name; what can't be read is one of them.

    Args:
        there: where to ask.
        found: all resources of the namespace.
        resources: those that are meant.
        now: this machine's clock.
    """
    meant = {label(it) for it in resources}
    not_read = [f"{name}: {', '.join(left)}: not known so" for name, left in found.left_out.items() if name in meant]

    async def read(what: str, asked: Callable[[], Awaitable[str]]) -> str:
        try:
            return await asked()
        except ClusterError as error:
            not_read.append(f"{what}: {plain(str(error))}")
            return ""

    fleets = "\n".join(label(it) for it in resources)
    python = platform.python_version()
    yield "README.txt", ABOUT.format(at=timestamp(now), version=__version__, python=python, fleets=fleets)
    clean = [redacted(it) for it in resources]
    for it in clean:
        yield f"resource-{it['metadata']['name']}.yaml", document(it, Format.YAML)
    for name, text in _explained(found, resources, now + found.ahead):
        yield name, plain_log(_COLOUR.sub("", text))
    yield "events.txt", await read("events", lambda: _events(there, resources, found.resources, not_read))
    yield "objects.yaml", await read("objects", lambda: _objects(there, resources, not_read))
    yield "doctor.txt", await read("doctor", lambda: _examined(there, now, meant))
    async for name, text in _logs(there, read):
        yield name, text
    yield "not-read.txt", "\n".join(not_read)


def _explained(found: Found, resources: list[Object], now: datetime) -> list[tuple[str, str]]:
    # Whole sentences are made plain before tables break them into lines.
    told = [it | {"status": redacted(it.get("status") or {}, "status")} for it in resources]
    with for_a_file():
        texts = [("status.txt", status.printed(found, told, Format.WIDE, now))]
        for it in told:
            for pool, text in explain.of_each_pool(found, it, Format.WIDE, now):
                texts.append((f"explain-{it['metadata']['name']}-{pool}.txt", text))
    return texts


async def _events(there: Connection, resources: list[Object], among: list[Object], not_read: list[str]) -> str:
    rows = await of_fleets(there, resources, among, told=not_read.append)
    return "\n".join(
        f"{it['at']} {it['type']} {it['reason']} {it['about']} x{it['count']}: {plain(it['note'])}" for it in rows
    )


async def _objects(there: Connection, resources: list[Object], not_read: list[str]) -> str:
    texts = []
    for resource in resources:
        selector = f"{INSTANCE_LABEL}={resource['metadata']['name']}"
        for plural in OBJECTS:
            try:
                items, more = await there.cluster.all_items(plural, there.namespace, selector, most=MOST_OBJECTS)
            except ClusterError as error:
                not_read.append(f"{plural}: {plain(str(error))}")
                continue
            not_read += [f"{plural}: there are more than the first {len(items)}"] if more else []
            texts += [f"---\n{document(redacted(it), Format.YAML)}" for it in items]
    return "\n".join(texts)


async def _examined(there: HandConnection, now: datetime, fleets: Container[str]) -> str:
    rows = [it async for it in checks(there, None, now) if "/" not in it.what or it.what in fleets]
    return "\n".join(plain(f"{it.what} {it.state}: {it.said} {it.remedy}".rstrip()) for it in rows)


async def _logs(
    there: Connection, read: Callable[[str, Callable[[], Awaitable[str]]], Awaitable[str]]
) -> AsyncIterator[tuple[str, str]]:
    """The last lines of the operators' logs; of workers none is read, since tasks may write anything."""
    pods: list[Object] = []

    async def listed() -> str:
        pods.extend((await there.cluster.items("pods", None, OPERATORS, MOST_LOGS))[0])
        return ""

    await read("pods of operators", listed)
    for pod in pods:
        name = pod["metadata"]["name"]

        async def log(pod: Mapping[str, Any] = pod) -> str:
            container = (pod.get("spec") or {}).get("containers", [{}])[0].get("name", "operator")
            return plain_log(await there.cluster.log_end(pod, container, previous=False))

        text = await read(f"log of {name}", log)
        if text:
            yield f"operator-{name}.log", text


def _private(path: Path) -> BinaryIO:
    """A new file that its owner alone may read, from its first byte on."""
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600))  # pathlib has no opener


def _write(path: Path, files: Mapping[str, str], now: datetime) -> None:
    """A compressed archive with one folder.

    Raises:
        WrongInput: it can't be written there, or there is such a file.
    """
    folder = path.name.partition(".")[0] or "report"
    try:
        with _private(path) as out, tarfile.open(fileobj=out, mode="w:gz") as archive:
            for name, text in files.items():
                data = text.encode(errors="replace")
                entry = tarfile.TarInfo(f"{folder}/{name}")
                entry.size, entry.mtime, entry.mode = len(data), int(now.timestamp()), 0o600
                archive.addfile(entry, io.BytesIO(data))
    except FileExistsError:
        raise WrongInput(f"{path} is there already: give another --file") from None
    except OSError as error:
        raise WrongInput(f"{path}: {error.strerror or error}; give another --file") from error
