"""`utilitarian-operator plan`: what a resource would make, and what it would change in a cluster."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.problem import Problem
from utilitarian_operator.api.units import format_duration, parse_quantity
from utilitarian_operator.api.validation.pod_security import EVERYTHING, NOTHING, check_pod_security
from utilitarian_operator.api.validation.resource_rules import accept, warnings
from utilitarian_operator.cli.connection import Target, connected
from utilitarian_operator.cli.output import (
    CHANGED,
    Format,
    WrongInput,
    document,
    emit,
    explained,
    painted,
    remark,
    section,
)
from utilitarian_operator.cli.readable_status import readable
from utilitarian_operator.cli.resources import clock_ahead, fleet_of, from_file, the_one
from utilitarian_operator.cli.tables import columns
from utilitarian_operator.core.explain.cautions import Caution, cautions
from utilitarian_operator.core.explain.from_status import decisions_now
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.manifests import fleet_objects, unowned
from utilitarian_operator.core.sizing.decision import Decision
from utilitarian_operator.core.spec.references import too_many_named

_MEBIBYTE = 1024**2
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@dataclass
class Proposal:
    """All that a plan says.

    Args:
        resource: from the file.
        fleet: its effective spec.
        warnings: what will run, but probably not as meant.
        objects: to be made.
        cautions: what will run as it is written and may surprise.
        changes: in the cluster, each as a mapping; None without a cluster.
        decisions: by pool name, of what the live resource's status tells; empty if there is none.
        current: workers by pool name, now.
        advice: of the live resource's status: what the broker and the workers told the operator.
    """

    resource: Object
    fleet: Fleet
    warnings: list[Problem]
    objects: list[Object]
    cautions: Sequence[Caution]
    changes: list[dict[str, Any]] | None = None
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    current: Mapping[str, int] = field(default_factory=dict)
    advice: Sequence[str] = ()


def plan(  # noqa: PLR0913 - one parameter an option
    filename: Path, fleet: str | None, target: Target, output: Format, *, live: bool, offline: bool, exit_code: bool
) -> None:
    """Print what a resource would make; `commands.plan` says what each argument is."""
    with explained(output):
        asked = live or (not offline and (target.kubeconfig is not None or target.context is not None))
        if live and offline:
            raise WrongInput("--live and --offline contradict each other: give one of them")
        if exit_code and not asked:
            raise WrongInput("--exit-code needs a cluster to compare with: give --live, or set KUBECONFIG")
        proposal = _proposal(the_one(from_file(filename), fleet), target.namespace)
        if asked:
            asyncio.run(_compare(proposal, target))
        for warning in proposal.warnings:
            remark(f"warning: {warning}")
        for it in proposal.cautions:
            remark(f"note: {it.path}: {it.what}; cure: {it.cure}")
        for sentence in proposal.advice:
            remark(f"note: {sentence}")
        emit(_printed(proposal, output))
        if exit_code and proposal.changes:
            raise typer.Exit(CHANGED)


def _proposal(resource: Object, namespace: str | None) -> Proposal:
    accepted, fleet = accept(resource, EVERYTHING), fleet_of(resource)
    where = namespace or accepted.metadata.namespace or "default"
    owner = Owner(where, accepted.metadata.name, "")
    objects = [unowned(manifest) for manifest in fleet_objects(owner, fleet)]
    refused = check_pod_security(accepted.spec, NOTHING)
    found = [*refused, *warnings(accepted.spec), *too_many_named(accepted.spec)]
    return Proposal(resource, fleet, found, objects, cautions(fleet))


async def _compare(proposal: Proposal, target: Target) -> None:
    """Add what would change in the cluster and what the rules would decide there."""
    from utilitarian_operator.cli.plan_diff import changes  # slow to import, and only a plan with a cluster needs it

    metadata = proposal.resource["metadata"]
    async with connected(target) as connection:
        namespace = target.namespace or metadata.get("namespace") or connection.namespace
        bare = {"kind": "UtilitarianWorkerPool", "metadata": {"namespace": namespace, "name": metadata["name"]}}
        live = await connection.cluster.find(bare)
        there = None if live is None else readable(live)[0]
        owner = Owner(namespace, metadata["name"], there["metadata"]["uid"] if there else "")
        built_in = proposal.resource["spec"].get("pools") is None
        found = await changes(connection.cluster, owner, proposal.fleet, built_in=built_in)
        now = datetime.now(UTC) + clock_ahead(connection)
    proposal.changes = [asdict(change) for change in found]
    if there is not None:
        proposal.advice = there.get("status", {}).get("advice") or ()
    if there is not None and there.get("status", {}).get("pools"):
        # Overrides are the live resource's: an annotation set by hand stands in no file.
        proposal.decisions = decisions_now(proposal.fleet, there, now)
        pools_now = there["status"]["pools"]
        proposal.current = {str(pool.get("name")): pool.get("replicas") or 0 for pool in pools_now}


def _printed(proposal: Proposal, output: Format) -> str:
    match output:
        case Format.YAML:
            return "\n".join(f"---\n{document(manifest, output)}" for manifest in proposal.objects)
        case Format.JSON:
            return document(_whole(proposal), output)
        case _:
            return "\n".join(_text(proposal, wide=output is Format.WIDE))


def _whole(proposal: Proposal) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "name": proposal.resource["metadata"]["name"],
        "mode": proposal.fleet.mode,
        "maxWorkers": proposal.fleet.max_workers,
        "pools": [_effective(pool) for pool in proposal.fleet.pools],
        "warnings": [warning._asdict() for warning in proposal.warnings],
        "cautions": [asdict(it) for it in proposal.cautions],
        "objects": proposal.objects,
    }
    if proposal.changes is None:
        return whole
    decisions = {name: asdict(decision) for name, decision in proposal.decisions.items()}
    return whole | {"changes": proposal.changes, "decisions": decisions, "advice": list(proposal.advice)}


def _effective(pool: Pool) -> dict[str, Any]:
    """A pool's figures with every default."""
    scaling, worker = pool.scaling, pool.worker
    return {
        "name": pool.name,
        "queues": list(pool.queues),
        "priority": pool.priority,
        "min": scaling.min,
        "max": scaling.max,
        "execution": worker.execution,
        "concurrency": worker.concurrency,
        "slots": scaling.max * worker.concurrency,
        "prefetchMultiplier": worker.prefetch_multiplier,
        "resources": worker.resources,
        "drainWithin": format_duration(scaling.drain_within),
        "taskDuration": format_duration(scaling.task_duration),
        "stabilization": format_duration(scaling.stabilization),
        "idleAfter": format_duration(scaling.idle_after),
        "outsideRuns": scaling.outside_runs,
        "wake": scaling.wake,
        "drainTimeout": format_duration(pool.drain_timeout),
        "schedule": [f"{run.name}: {run.start} {run.time_zone}" for run in pool.schedule],
    }


def _text(proposal: Proposal, *, wide: bool) -> Iterator[str]:
    yield _pools(proposal.fleet.pools, wide=wide)
    yield ""
    yield _total(proposal)
    if proposal.fleet.mode == "Preview":
        yield "mode is Preview: the operator makes and changes none of them, its status tells what it would do"
    if proposal.changes is not None:
        yield from _differences(proposal.changes, proposal)
        yield from section("Workers that the rules ask for, by what the operator saw last", _decided(proposal))


def _pools(pools: Sequence[Pool], *, wide: bool) -> str:
    head = ["POOL", "QUEUES", "WORKERS", "EXECUTION", "SLOTS", "MEMORY"]
    more = ["LIMIT", "PRIORITY", "DRAIN-WITHIN", "IDLE-AFTER", "RUNS"] if wide else []
    return columns([*head, *more], (_row(pool, wide=wide) for pool in pools))


def _row(pool: Pool, *, wide: bool) -> list[object]:
    scaling, worker = pool.scaling, pool.worker
    queues = ",".join(pool.queues) if wide else _first(pool.queues)
    row: list[object] = [
        pool.name,
        queues or "(the application's own)",
        f"{scaling.min}-{scaling.max}",
        f"{worker.execution}/{worker.concurrency}",
        scaling.max * worker.concurrency,
        worker.resources.get("requests", {}).get("memory", "-"),
    ]
    if not wide:
        return row
    limit = worker.resources.get("limits", {}).get("memory", "-")
    runs = ",".join(run.name for run in pool.schedule) or "-"
    promise, patience = format_duration(scaling.drain_within), format_duration(scaling.idle_after)
    return [*row, limit, pool.priority, promise, patience, runs]


def _first(queues: Sequence[str]) -> str:
    return f"{queues[0]} +{len(queues) - 1}" if len(queues) > 1 else "".join(queues)


def _total(proposal: Proposal) -> str:
    fleet = proposal.fleet
    most = sum(pool.scaling.max for pool in fleet.pools)
    allowed = most if fleet.max_workers is None else min(most, fleet.max_workers)
    kinds = Counter(manifest["kind"] for manifest in proposal.objects)
    listed = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in kinds.items())
    memory = f"{_most_memory(fleet.pools, allowed):,} MiB"
    return f"At most {allowed} workers at a time, which request {memory} at most. Objects: {listed}."


def _most_memory(pools: Sequence[Pool], workers: int) -> int:
    """MiB requested when as many workers run, those that ask for most."""
    each = (
        pool.worker.resources.get("requests", {}).get("memory", "0") for pool in pools for _ in range(pool.scaling.max)
    )
    return round(sum(sorted(map(parse_quantity, each), reverse=True)[:workers]) / _MEBIBYTE)


def _differences(changes: Sequence[Mapping[str, Any]], proposal: Proposal) -> Iterator[str]:
    if not changes:
        yield from section(
            "In the cluster", f"nothing would change: all {len(proposal.objects)} objects are as they should be"
        )
        return
    rows = ([change["action"], change["kind"], change["name"], change["because"] or "-"] for change in changes)
    yield from section("In the cluster", columns(["ACTION", "KIND", "NAME", "BECAUSE"], rows, indent=2))
    for change in changes:
        if change["action"] == "change":
            yield ""
            yield from (
                painted(line, _COLOURS.get(line[:1], "")) if line[:1] in _COLOURS else line for line in change["diff"]
            )


def _decided(proposal: Proposal) -> str:
    if not proposal.decisions:
        return "unknown: no operator has looked at it yet"
    rows = (
        [name, proposal.current.get(name, 0), decision.replicas, decision.rule, decision.message]
        for name, decision in proposal.decisions.items()
    )
    return columns(["POOL", "NOW", "WANTED", "RULE", "WHY"], rows)
