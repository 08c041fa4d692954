"""`utilitarian-operator explain`: why a pool has its size, from the resource's status alone."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.problem import InvalidSpec
from utilitarian_operator.cli.connection import Connection, Target
from utilitarian_operator.cli.hands.watching import follow, frames
from utilitarian_operator.cli.output import (
    Format,
    WrongInput,
    document,
    emit,
    explained,
    painted,
    pairs,
    remark,
    section,
)
from utilitarian_operator.cli.resources import (
    Found,
    checked,
    fleet_of,
    found_in,
    from_cluster,
    from_file,
    label,
    pools_of,
    the_one,
)
from utilitarian_operator.cli.tables import columns
from utilitarian_operator.core.explain.explanation import Explanation, why_from_status, wrong_conditions
from utilitarian_operator.core.explain.explanation import explain as explanation_of
from utilitarian_operator.core.explain.from_status import trail_from_status
from utilitarian_operator.core.explain.presence import Presence, Seen
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.wording import span

THE_BILL = (
    "what lowers the bill (wake, idleAfter, pools as one) is found by trying: run simulate --advise with its load"
)


def explain(  # noqa: PLR0913 - what a person may ask for
    pool: str,
    fleet: str | None,
    filename: Path | None,
    target: Target,
    output: Format,
    selector: str,
    *,
    watch: bool,
) -> None:
    """Print why a pool has its size; `commands.explain` says what each argument is."""
    with explained(output):
        if filename is not None and (watch or selector):
            raise WrongInput("--filename is no cluster: --watch and --selector need one")

        def said(found: Found) -> str:
            for note in () if watch else found.notes:
                remark(f"note: {note}")
            return printed(found, the_one(found.resources, fleet, pool), pool, output, found.now())

        async def look(there: Connection) -> str:
            return said(await found_in(there, selector=selector))

        async def once() -> str:
            return said(await from_cluster(target, selector=selector))

        if watch:
            checked(target)
            follow(lambda: frames(target, look))
        else:
            emit(said(Found(from_file(filename))) if filename is not None else asyncio.run(once()))


def printed(found: Found, resource: Object, pool: str, output: Format, now: datetime) -> str:
    """Why a pool has its size, in a format."""
    return _printed(found, resource, pool, output, now, _accepted(resource))


def of_each_pool(found: Found, resource: Object, output: Format, now: datetime) -> Iterator[tuple[str, str]]:
    """Why each pool of a resource has its size, by its name: the spec of a large fleet takes long to read."""
    spec = _accepted(resource)
    return ((pool, _printed(found, resource, pool, output, now, spec)) for pool in pools_of(resource))


def _accepted(resource: Object) -> Fleet | InvalidSpec:
    """The effective spec, or why there is none."""
    try:
        return fleet_of(resource)
    except InvalidSpec as error:
        return error


def _printed(
    found: Found, resource: Object, pool: str, output: Format, now: datetime, spec: Fleet | InvalidSpec
) -> str:
    it = found.presence(resource, now)
    if isinstance(spec, InvalidSpec):
        # The operator runs the last accepted spec, which a saved file does not have: only its status can be shown.
        explanation = _status_alone(resource, pool, spec)
    else:
        explanation = explanation_of(resource, spec, pool, found.as_of(resource, now))
    if output in {Format.JSON, Format.YAML}:
        operator = {"seen": it.seen, "at": timestamp(it.at) if it.at else None, "message": it.message}
        return document({"fleet": label(resource), "operator": operator} | asdict(explanation), output)
    return "\n".join(_text(resource, explanation, it, now, wide=output is Format.WIDE))


def _status_alone(resource: Mapping[str, Any], name: str, error: InvalidSpec) -> Explanation:
    status = resource.get("status") or {}
    of_pool = next(entry for entry in status["pools"] if entry.get("name") == name)
    refused = f"the spec as it stands is refused, an earlier one runs: {error}"
    return Explanation(
        pool=name,
        summary=why_from_status(of_pool),
        seen={},
        runs={},
        trail=trail_from_status(of_pool),
        remembered={},
        ahead=(),
        trade_offs=(),
        cautions=(),
        recommendations=(),
        warnings=(refused, *wrong_conditions(status)),
    )


def _text(resource: Object, explanation: Explanation, it: Presence, now: datetime, *, wide: bool) -> Iterator[str]:
    age = _age(resource, now)
    yield f"Pool {explanation.pool} of {label(resource)}" + (f", as of {age}" if age else "")
    yield painted(it.message, "red") if it.seen is Seen.NOT else it.message
    yield explanation.summary
    yield from section("Beware", "\n".join(explanation.warnings))
    yield from section("Seen", pairs(explanation.seen))
    yield from section("Runs", pairs(explanation.runs))
    yield from section("Rules, in their order", _trail(explanation))
    yield from section("Remembered", pairs(explanation.remembered))
    yield from section("What would change it", "\n".join(explanation.ahead))
    yield from section("Known prices", "\n".join(f"{it.what}\n  cure: {it.cure}" for it in explanation.trade_offs))
    yield from section(
        "Take care", "\n".join(f"{it.path}: {it.what}\n  cure: {it.cure}" for it in explanation.cautions)
    )
    yield from section("Recommended", _recommended(explanation, wide=wide))


def _trail(explanation: Explanation) -> str:
    if not explanation.trail:
        return ""
    rows = ([step.rule, f"{step.before} to {step.after}", step.because] for step in explanation.trail)
    return columns(["RULE", "WORKERS", "BECAUSE"], rows, indent=2)


def _recommended(explanation: Explanation, *, wide: bool) -> str:
    if wide:
        rows = ([it.path, it.was, it.to, it.because, it.effect] for it in explanation.recommendations)
        head = ["FIELD", "NOW", "BETTER", "BECAUSE", "EFFECT"]
        return columns(head, rows, indent=2) if explanation.recommendations else ""
    said = [
        f"{it.path}: {it.to} (now {it.was})\n  because {it.because}\n  effect: {it.effect}"
        for it in explanation.recommendations
    ]
    return "\n".join([*said, THE_BILL])


def _age(resource: Mapping[str, Any], now: datetime) -> str:
    """When the status was last written, as far as the API server tells it; a saved file often doesn't."""
    fields = resource["metadata"].get("managedFields")
    try:
        written = max(entry["time"] for entry in fields or () if entry.get("subresource") == "status")
        return f"{written}, {span(max(now - datetime.fromisoformat(written), timedelta()))} ago"
    except (AttributeError, KeyError, TypeError, ValueError):
        return ""
