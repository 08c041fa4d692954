"""What a shell completes after the Tab key: names of fleets, pools and runs, from the cluster or a saved resource."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from utilitarian_operator.api.objects import Object

PATIENCE_S = 3.0
"""A person waits for the answer."""


def fleets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of fleets that begin so."""
    return _beginning(ctx, incomplete, lambda resource: [resource["metadata"]["name"]])


def pools(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of pools that begin so, of the fleet that is named or of all."""
    from utilitarian_operator.cli.resources import pools_of

    return _beginning(ctx, incomplete, lambda resource: pools_of(resource) if _is_named(ctx, resource) else [])


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of a pool's runs that begin so."""
    from utilitarian_operator.cli.resources import fleet_of

    def of(resource: Mapping[str, Any]) -> Iterable[str]:
        there = fleet_of(resource).pools if _is_named(ctx, resource) else ()
        return [run.name for pool in there if pool.name == ctx.params.get("pool") for run in pool.schedule]

    return _beginning(ctx, incomplete, of)


def _is_named(ctx: typer.Context, resource: Mapping[str, Any]) -> bool:
    return ctx.params.get("fleet") in {None, resource["metadata"]["name"]}


def _beginning(ctx: typer.Context, incomplete: str, names: Callable[["Object"], Iterable[str]]) -> list[str]:
    try:
        found = {name for resource in _resources(ctx) for name in names(resource)}
    except Exception:  # noqa: BLE001 - a shell that completes has no place to say what went wrong
        return []
    return sorted(name for name in found if name.startswith(incomplete))


def _resources(ctx: typer.Context) -> "list[Object]":
    import asyncio

    from utilitarian_operator.cli.connection import Target
    from utilitarian_operator.cli.resources import from_cluster, from_file

    asked = ctx.params
    if (path := asked.get("filename")) is not None:
        return [] if str(path) == "-" else from_file(path)
    target = Target(asked.get("kubeconfig"), asked.get("context"), asked.get("namespace"))
    everywhere = bool(asked.get("everywhere"))

    async def in_time() -> "list[Object]":
        async with asyncio.timeout(PATIENCE_S):
            return (await from_cluster(target, everywhere=everywhere)).resources

    return asyncio.run(in_time())
