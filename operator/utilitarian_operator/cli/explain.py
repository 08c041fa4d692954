"""`utilitarian-operator explain`: why a pool has its size, from the resource's status alone."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.problem import InvalidSpec
from utilitarian_operator.cli.connection import (
    INSTALLED_IN,
    Context,
    Kubeconfig,
    Namespace,
    OperatorNamespace,
    Target,
)
from utilitarian_operator.cli.output import (
    Format,
    Output,
    columns,
    document,
    emit,
    explained,
    painted,
    pairs,
    section,
)
from utilitarian_operator.cli.resources import (
    File,
    FleetName,
    Found,
    fleet_of,
    from_cluster,
    from_file,
    label,
    the_one,
)
from utilitarian_operator.core.explain.explanation import Explanation, troubles, why_from_status
from utilitarian_operator.core.explain.explanation import explain as explanation_of
from utilitarian_operator.core.explain.from_status import trail_from_status
from utilitarian_operator.core.explain.presence import Presence, Seen
from utilitarian_operator.core.wording import at, span


def explain(  # noqa: PLR0913 - one parameter an option
    pool: Annotated[str, typer.Argument(help="Name of the pool.")],
    fleet: FleetName = None,
    filename: File = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    operator_namespace: OperatorNamespace = INSTALLED_IN,
    output: Output = Format.TABLE,
) -> None:
    """Say why a pool has its size, what would change it, what it costs, and what could be better.

    All of it comes from the resource and its status, live or saved in a file: the broker is not asked. Figures in the
    status are at most 30 seconds old while the operator runs.

    Exit codes: 0 done; 1 the cluster can't be asked; 2 there is no such file, fleet or pool.
    """
    with explained(output):
        if filename is not None:
            found = Found(from_file(filename))
        else:
            target = Target(kubeconfig, context, namespace)
            found = asyncio.run(from_cluster(target, operator_namespace=operator_namespace))
        emit(_printed(found, the_one(found.resources, fleet, pool), pool, output, datetime.now(UTC)))


def _printed(found: Found, resource: Object, pool: str, output: Format, now: datetime) -> str:
    it = found.presence(resource, now)
    try:
        explanation = explanation_of(resource, fleet_of(resource), pool, found.as_of(resource, now))
    except InvalidSpec as error:
        # The operator runs the last accepted spec, which a saved file does not have: only its status can be told.
        explanation = _status_alone(resource, pool, error)
    if output in {Format.JSON, Format.YAML}:
        operator = {"seen": it.seen, "at": at(it.at) if it.at else None, "message": it.message}
        return document({"fleet": label(resource), "operator": operator} | asdict(explanation), output)
    return "\n".join(_text(resource, explanation, it, now, wide=output is Format.WIDE))


def _status_alone(resource: Mapping[str, Any], name: str, error: InvalidSpec) -> Explanation:
    status = resource.get("status") or {}
    told = next(entry for entry in status["pools"] if entry.get("name") == name)
    refused = f"the spec as it stands is refused, an earlier one runs: {error}"
    return Explanation(
        pool=name,
        summary=why_from_status(told),
        seen={},
        runs={},
        trail=trail_from_status(told),
        remembered={},
        ahead=(),
        trade_offs=(),
        recommendations=(),
        troubles=(refused, *troubles(status)),
    )


def _text(resource: Object, explanation: Explanation, it: Presence, now: datetime, *, wide: bool) -> Iterator[str]:
    age = _age(resource, now)
    yield f"Pool {explanation.pool} of {label(resource)}" + (f", as of {age}" if age else "")
    yield painted(it.message, "red") if it.seen is Seen.NOT else it.message
    yield explanation.summary
    yield from section("Beware", "\n".join(explanation.troubles))
    yield from section("Seen", pairs(explanation.seen))
    yield from section("Runs", pairs(explanation.runs))
    yield from section("Rules, in their order", _trail(explanation))
    yield from section("Remembered", pairs(explanation.remembered))
    yield from section("What would change it", "\n".join(explanation.ahead))
    yield from section("Known prices", "\n".join(f"{it.what}\n  cure: {it.cure}" for it in explanation.trade_offs))
    yield from section("Recommended", _recommended(explanation, wide=wide))


def _trail(explanation: Explanation) -> str:
    if not explanation.trail:
        return ""
    rows = ([step.rule, f"{step.before} to {step.after}", step.because] for step in explanation.trail)
    return columns(["RULE", "WORKERS", "BECAUSE"], rows)


def _recommended(explanation: Explanation, *, wide: bool) -> str:
    if wide:
        rows = ([it.path, it.was, it.to, it.because, it.effect] for it in explanation.recommendations)
        return columns(["FIELD", "NOW", "BETTER", "BECAUSE", "EFFECT"], rows) if explanation.recommendations else ""
    return "\n".join(
        f"{it.path}: {it.to} (now {it.was})\n  because {it.because}\n  effect: {it.effect}"
        for it in explanation.recommendations
    )


def _age(resource: Mapping[str, Any], now: datetime) -> str:
    """When the status was last written, as far as the API server tells it; a saved file often doesn't."""
    fields = resource["metadata"].get("managedFields")
    try:
        written = max(entry["time"] for entry in fields or () if entry.get("subresource") == "status")
        return f"{written}, {span(now - datetime.fromisoformat(written))} ago"
    except (AttributeError, KeyError, TypeError, ValueError):
        return ""
